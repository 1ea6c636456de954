from pathlib import Path

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe, recipe_names

GOOD = """schema = "imaxproxy.recipe/1"
model = "openai/gpt-oss-120b"
precision = "fp4"
source = "a test"
as_of = 2026-08-22

[gpu]
kind = "b200"
count = 2

[parallel]
tp = 2

[engine]
name = "vllm"
version = "0.22.0"

[engine.flags]
max-num-seqs = 512

[simulate]
vintage = 1.0
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads_and_says_where_it_is_from(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.source
    assert recipe.as_of


def test_these_recipes_ship() -> None:
    assert {
        "fixed-5ms",
        "gpt-oss-120b-b200-tp8-vllm",
        "gpt-oss-120b-b200-trtllm",
        "gpt-oss-120b-b200-vllm",
        "gpt-oss-120b-h200-vllm",
    } <= set(recipe_names())


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD))
    assert (recipe.name, recipe.gpu.kind, recipe.gpu.count, recipe.parallel.tp) == ("mine", "b200", 2, 2)
    assert recipe.engine.flags == {"max-num-seqs": 512}
    assert recipe.engine.env == {}
    assert load_recipe(str(recipe.path)) == recipe


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("count = 2", "count = 'two'", r"mine.toml:9: gpu.count must be a whole number of 0 or more, not 'two'"),
        ("count = 2", "count = true", r"mine.toml:9: gpu.count must be a whole number"),  # a bool is no number
        ("count = 2", "count = 4", r"mine.toml:9: gpu.count must be tp \* pp \* dp = 2, not 4"),
        ("count = 2\n", "", r"mine.toml:7: gpu.count is missing: a whole number"),  # the line of its table
        ("tp = 2", "tpp = 2", r"mine.toml:12: unknown key parallel.tpp; did you mean tp\?"),
        ("model =", "modle =", r"mine.toml:2: unknown key modle; did you mean model\?"),
        ("[simulate]", "[simulated]", r"mine.toml:21: unknown key simulated; did you mean simulate\?"),
        ("vintage = 1.0", "warp = 1.0", r"mine.toml:22: unknown key simulate.warp; known: vintage, "),
        ("vintage = 1.0", "vintage = 0", r"mine.toml:22: simulate.vintage must be a number above 0, not 0"),
        ("vintage = 1.0", "fixed_ttft_ms = 4", r"mine.toml:22: simulate.fixed_ttft_ms needs simulate.fixed_step_ms"),
        (
            'name = "vllm"',
            'name = "llama"',
            r"mine.toml:15: engine.name must be one of vllm, sglang, trtllm, not 'llama'",
        ),
        ('precision = "fp4"', 'precision = "int2"', r"mine.toml:3: precision must be one of bf16, fp8, fp4"),
        ("recipe/1", "recipe/9", r"mine.toml:1: schema must be one of imaxproxy.recipe/1"),
        ("as_of = 2026-08-22", "as_of = 'lately'", r"mine.toml:5: as_of must be a date"),
        ('kind = "b200"', 'kind = "none"', r'mine.toml:8: gpu.kind "none" needs gpu.count 0'),
        (
            "[engine.flags]\nmax-num-seqs = 512",
            "[engine.env]\nA = 1",
            r"mine.toml:18: engine.env must be a table of texts",
        ),
        ("[parallel]\ntp = 2", "", r"gpu.count must be tp \* pp \* dp = 1, not 2"),
        ("[gpu]", "[gpu", r"mine.toml: not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError, match=says):
        load_recipe(write(tmp_path, GOOD.replace(old, new)))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[engine\] is missing"):
        load_recipe(write(tmp_path, GOOD[: GOOD.index("[engine]")]))


def test_an_unknown_name_lists_what_ships() -> None:
    with pytest.raises(UsageError, match="unknown recipe 'gpt-oss'; shipped: fixed-5ms, "):
        load_recipe("gpt-oss")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read recipe .*nope\.toml: No such file"):
        load_recipe(tmp_path / "nope.toml")
