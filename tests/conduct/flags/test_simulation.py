"""What cannot be simulated is said in one line, with its arithmetic, by all commands alike; nothing is left behind."""

from pathlib import Path

import pytest
from cli.command import Command

from imaxproxy.conduct.flags.simulation import simulated_args
from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe

RECIPE = Path(__file__).parents[3] / "engines" / "gpt-oss-120b-b200-vllm.toml"
MISTAKES = [
    ({'kind = "b200"': 'kind = "b999"'}, "unknown GPU 'b999'; known: h100, h200"),
    ({"tp = 1": "tp = 3", "count = 1": "count = 3"}, "tp 3 does not divide the 64 attention heads.*64 / 3 = 21.33"),
    (
        {"openai/gpt-oss-120b": "deepseek-ai/DeepSeek-R1"},
        r"does not fit on 1 B200.*0.9 x 180 GB - 386.8 GB - 4 GB = -228.8 GB for KV; the least tp that fits is 4",
    ),
    ({"tp = 1": "tp = 16", "count = 1": "count = 16"}, "more than one NVLink domain of 8"),
    ({"openai/gpt-oss-120b": "acme/unknown"}, "no shape known of model 'acme/unknown'"),
    ({'kind = "b200"': 'kind = "mi355x"', 'precision = "fp4"': 'precision = "fp8"'}, "'cdna4' cannot be simulated"),
]


def spoiled(folder: Path, changes: dict[str, str]) -> Path:
    text = RECIPE.read_text()
    for good, bad in changes.items():
        assert good in text
        text = text.replace(good, bad)
    path = folder / "mine.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("changes", "says"), MISTAKES)
def test_what_cannot_be_simulated_is_said_with_the_file(tmp_path: Path, changes: dict[str, str], says: str) -> None:
    with pytest.raises(UsageError, match=rf"mine\.toml: .*{says}"):
        simulated_args(load_recipe(str(spoiled(tmp_path, changes))))


def test_every_command_says_it_alike_and_leaves_nothing(command: Command, trace: Path) -> None:
    recipe = spoiled(command.folder, {"openai/gpt-oss-120b": "deepseek-ai/DeepSeek-R1"})
    simulate = ("--engine", recipe, "--simulate")
    said = {
        command.run("engine", "predict", recipe).complaint(),
        command.run("replay", trace, *simulate, "--out", "live").complaint(),
        command.run("replay", trace, *simulate, "--virtual", "--out", "virtual").complaint(),
        command.run("serve", *simulate, "--port", "0", "--out", "served").complaint(),
    }
    (one,) = said
    assert "-228.8 GB for KV" in one
    assert not [name for name in ("live", "virtual", "served") if (command.folder / name).exists()]
