import pytest
from cli.command import Command


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--nodes", "2"), "--nodes is about the nodes of a cluster"),
        (("--no-gather",), "--no-gather is about the nodes"),
        (("--on-node-loss", "go-on"), "--on-node-loss is about"),
        (("--ray", "ray://x:1"), "that is Ray Client"),
        (("--ray", "auto", "--workers", "2"), "give --workers-per-node, with --ray"),
        (("--ray", "auto", "--share", "0/2"), "leave it out, with --ray"),
        (("--ray", "auto", "--engine-replicas", "2"), "give --engine RECIPE, not --url"),
    ],
)
def test_flags_that_do_not_go_together(command: Command, trace: object, flags: tuple[str, ...], said: str) -> None:
    assert said in command.run("replay", trace, "--url", "http://127.0.0.1:1/v1", *flags).complaint()


def test_a_recording_is_of_one_machine(command: Command, trace: object) -> None:
    recording = command.folder / "power.jsonl"
    recording.write_text("")
    asked = ("--engine", "tiny-cpu-vllm", "--ray", "auto", "--engine-replicas", "2", "--power", f"file:{recording}")
    assert "a recording of one machine" in command.run("replay", trace, *asked).complaint()
