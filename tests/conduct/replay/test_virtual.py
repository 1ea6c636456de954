from pathlib import Path

import pytest
from cli.command import Command, lines_of, write_trace

from imaxproxy.power import Device, PowerSample, read_power

VIRTUAL = ("--engine", "fixed-5ms", "--simulate", "--virtual")
B200 = ("--engine", "gpt-oss-120b-b200-vllm", "--simulate")


def test_a_virtual_run_is_a_run_like_any_other(command: Command, trace: Path) -> None:
    summary = command.run("replay", trace, *VIRTUAL, "--out", "run", "--json").check(0).json
    assert (summary["simulated"], summary["ended"], summary["engine"]["clock"]) == (True, "finished", "virtual")
    assert (summary["requests"]["completed"], summary["tokens"]["input"], summary["tokens"]["output"]) == (10, 200, 40)
    assert (summary["meter"]["valid"], summary["meter"]["reasons"]) == (True, [])
    assert summary["itl_ms"]["max"] == pytest.approx(5, rel=0.01)
    assert len(lines_of(command.folder / "run" / "exchanges-0.jsonl")) == 10
    table = command.run("report", "run").check(0).out
    assert "SIMULATED" in table
    assert "time was simulated too" in " ".join(table.split())


def test_two_virtual_runs_are_equal(command: Command, trace: Path) -> None:
    for out in ("one", "two"):
        command.run("replay", trace, *B200, "--virtual", "--out", out).check(0)
    journals = [(command.folder / out / "exchanges-0.jsonl").read_bytes() for out in ("one", "two")]
    assert journals[0] == journals[1]


def test_power_is_written_marked_simulated(command: Command) -> None:
    trace = write_trace(command.folder / "long.jsonl", 10, output_length=200)
    summary = command.run("replay", trace, *B200, "--virtual", "--power", "--out", "run", "--json").check(0).json
    board, *samples = list(read_power(command.folder / "run" / "power.jsonl"))
    assert isinstance(board, Device)
    assert (board.name, board.source, board.boundary, board.simulated) == ("B200 SXM", "sim", "board", True)
    assert len(samples) >= 5
    assert all(isinstance(one, PowerSample) and one.simulated and 100 < (one.power_w or 0) <= 1000 for one in samples)
    assert summary["engine"]["board_energy_j"] > 100


def test_energy_of_the_summary_is_the_engines_to_the_joule(command: Command) -> None:
    trace = write_trace(command.folder / "long.jsonl", 40, output_length=200)
    flags = (*B200, "--virtual", "--power", "--speed", "0.1", "--out", "run", "--json")  # a request each 100 ms
    summary = command.run("replay", trace, *flags).check(0).json
    energy, whole = summary["energy"], summary["energy"]["windows"]["whole"]
    assert (energy["valid"], energy["simulated"], energy["source"]) == (True, True, "sim")
    assert whole["energy_j"] == pytest.approx(summary["engine"]["board_energy_j"], rel=0.005)
    assert whole["relative_error"] == pytest.approx(0.13, rel=0.05)  # the model's own


def test_a_live_engine_can_be_faster_and_says_so(command: Command) -> None:
    trace = write_trace(command.folder / "long.jsonl", 4, output_length=40)
    flags = (*B200, "--time-scale", "10", "--power", "--out", "run")
    command.run("replay", trace, *flags).check(0)
    table = " ".join(command.run("report", "run").check(0).out.split())
    assert "ran 10 times as fast" in table
    assert lines_of(command.folder / "run" / "power.jsonl")


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--url", "http://127.0.0.1:1/v1", "--virtual"), "--virtual is about a simulated engine"),
        (("--url", "http://127.0.0.1:1/v1", "--time-scale", "2"), "--time-scale is about a simulated engine"),
        (("--url", "http://127.0.0.1:1/v1", "--power", "sim"), "--power sim goes with --engine RECIPE --simulate"),
        ((*VIRTUAL, "--time-scale", "2"), "leave --time-scale out"),
        ((*VIRTUAL, "--model", "m"), "leave --model out"),
        ((*VIRTUAL, "--tokenizer", "x"), "its engine counts words"),
        ((*VIRTUAL, "--retries", "2"), "nothing fails there that a second attempt would mend"),
        ((*B200, "--time-scale", "0"), "--time-scale is above 0"),
    ],
)
def test_flags_that_do_not_go_together(command: Command, trace: Path, flags: tuple[str, ...], says: str) -> None:
    assert says in command.run("replay", trace, *flags).complaint()


def test_repeats_differ_by_their_drafts_and_say_what_their_spread_is(command: Command) -> None:
    trace = write_trace(command.folder / "long.jsonl", 6, output_length=200)
    recipe = Path(__file__).parents[3] / "engines" / "gpt-oss-120b-b200-vllm.toml"
    drafting = command.folder / "drafting.toml"
    drafting.write_text(f"{recipe.read_text()}\n[speculation]\ndraft_tokens = 3\nacceptance_length = 2.2\n")
    flags = ("--engine", drafting, "--simulate", "--virtual", "--repeat", "3", "--out", "run", "--json")
    done = command.run("replay", trace, *flags).check(0)
    assert "not a real engine's" in done.err
    assert (len(done.json["runs"]), done.json["simulated"]) == (3, True)
    assert len(set(done.json["figures"]["e2e_ms.mean"]["values"])) == 3
    assert lines_of(command.folder / "run" / "repeat-3" / "exchanges-0.jsonl")
