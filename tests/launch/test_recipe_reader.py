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
            r"mine.toml:15: engine.name must be one of vllm, sglang, .*, not 'llama'",
        ),
        ('precision = "fp4"', 'precision = "int2"', r"mine.toml:3: precision must be one of fp32, bf16, fp8, fp4"),
        ("recipe/1", "recipe/9", r"mine.toml:1: schema must be one of imaxproxy.recipe/1"),
        ("as_of = 2026-08-22", "as_of = 'lately'", r"mine.toml:5: as_of must be a date"),
        ('kind = "b200"', 'kind = "none"', r'mine.toml:8: gpu.kind "none" needs gpu.count 0'),
        (
            "[engine.flags]\nmax-num-seqs = 512",
            "[engine.env]\nA = 1",
            r"mine.toml:19: engine.env.A must be a text, not 1",
        ),
        ("[parallel]\ntp = 2", "", r"gpu.count must be tp \* pp \* dp = 1, not 2"),
        ("[gpu]", "[gpu", r"mine.toml:7: not TOML: Expected '\]' at the end of a table declaration"),
        ('version = "0.22.0"', 'version = "newest"', r"mine.toml:16: engine.version must be a version, 0.22.0"),
        ("max-num-seqs = 512", "--max-num-seqs = 512", r"mine.toml:19: .* without leading dashes: max-num-seqs"),
        ("max-num-seqs = 512", "tensor-parallel-size = 2", r"mine.toml:19: .* say it as parallel.tp"),
        ("max-num-seqs = 512", "seed = nan", r"mine.toml:19: engine.flags.seed must be a text, a number"),
        ("tp = 2", "tp = 2\nep = 3", r"mine.toml:13: parallel.ep must divide tp \* dp = 2, not 3"),
        ("[simulate]", "[engine.options]\na = 1\n[simulate]", r"mine.toml:21: engine.options is TensorRT-LLM's"),
        ('name = "vllm"', 'name = "dynamo"', r"mine.toml:14: engine.backend: dynamo needs it"),
        ('name = "vllm"', 'name = "vllm"\nbackend = "sglang"', r"mine.toml:16: engine.backend: vllm has none"),
        (
            "[simulate]",
            "[limits]\nmax_num_seqs = 8\n[simulate]",
            r"mine.toml:19: engine.flags.max-num-seqs is said already by limits.max_num_seqs",
        ),
        ("[simulate]", "[limits]\nmemory_fraction = 1.5\n[simulate]", r"mine.toml:22: limits.memory_fraction must"),
        (
            "[simulate]",
            '[speculation]\ndraft_tokens = 3\nmethod = "eagle3"\n[simulate]',
            r"mine.toml:21: speculation.model is missing: eagle3 needs a drafter's checkpoint",
        ),
        (
            "[simulate]",
            "[speculation]\ndraft_tokens = 3\nacceptance_length = 5\n[simulate]",
            r"mine.toml:23: speculation.acceptance_length is 1 to draft_tokens \+ 1 = 4, not 5",
        ),
        # However TOML lets one write it, the line is found.
        ("[engine.flags]\nmax-num-seqs = 512", 'flags = { seed = 1, "tp" = 2 }', r"mine.toml:18: engine.flags.tp: say"),
        ("max-num-seqs = 512", 'a = """\nport = 1\n"""\nport = 8000', r"mine.toml:22: engine.flags.port: say it as"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError, match=says):
        load_recipe(write(tmp_path, GOOD.replace(old, new)))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\[engine\] is missing"):
        load_recipe(write(tmp_path, GOOD[: GOOD.index("[engine]")]))


def test_an_unknown_name_says_what_is_near_it_and_where_all_are() -> None:
    with pytest.raises(
        UsageError, match=r"unknown recipe 'gpt-oss-b200'; near it: gpt-oss-120b-.*`imaxproxy engine list`"
    ):
        load_recipe("gpt-oss-b200")
    with pytest.raises(UsageError, match=r"unknown recipe 'zzz'; `imaxproxy engine list` has all"):
        load_recipe("zzz")  # nothing is near it


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read recipe .*nope\.toml: No such file"):
        load_recipe(tmp_path / "nope.toml")


def test_an_unreadable_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"model = '\xff'\n")
    with pytest.raises(UsageError, match=r"mine.toml: a recipe is UTF-8 text: invalid start byte"):
        load_recipe(path)


def test_toml_that_ends_too_early_is_named_by_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"mine.toml:2: not TOML: "):
        load_recipe(write(tmp_path, 'schema = "x"\nmodel = ['))


EXTENDING = """schema = "imaxproxy.recipe/1"
extends = "base.toml"

[limits]
max_model_len = 4096

[engine.flags]
seed = 7
"""


def extending(folder: Path, text: str = EXTENDING, base: str = GOOD) -> Path:
    (folder / "base.toml").write_text(base, "utf-8")
    return write(folder, text)


def test_a_recipe_extends_another_key_by_key(tmp_path: Path) -> None:
    recipe = load_recipe(extending(tmp_path))
    assert recipe.name == "mine"
    assert recipe.extends == "base.toml"
    assert (recipe.model, recipe.gpu.kind, recipe.limits.max_model_len) == ("openai/gpt-oss-120b", "b200", 4096)
    assert recipe.engine.flags == {"max-num-seqs": 512, "seed": 7}


def test_a_shipped_recipe_is_extended_by_its_name(tmp_path: Path) -> None:
    text = EXTENDING.replace("base.toml", "gpt-oss-120b-b200-vllm")
    assert load_recipe(write(tmp_path, text)).engine.name == "vllm"


@pytest.mark.parametrize(
    ("text", "base", "says"),
    [
        # A mistake is named in the file that holds it.
        (EXTENDING, GOOD.replace("tp = 2", "tpp = 2"), r"base.toml:12: unknown key parallel.tpp"),
        (EXTENDING.replace("seed", "port"), GOOD, r"mine.toml:8: engine.flags.port: say it as"),
        (EXTENDING, GOOD.replace("count = 2", "count = 4"), r"base.toml:9: gpu.count must be"),
        (EXTENDING + "[parallel]\ntp = 4\n", GOOD, r"base.toml:9: gpu.count must be tp \* pp \* dp = 4, not 2"),
        (EXTENDING + "[gpu]\ncount = 4\n", GOOD, r"mine.toml:10: gpu.count must be tp \* pp \* dp = 2, not 4"),
        (EXTENDING, GOOD.replace('source = "a test"', ""), r"mine.toml:1: source is missing"),
        (EXTENDING, GOOD.replace("model =", 'extends = "x.toml"\nmodel ='), r"mine.toml:2: extends goes one level"),
        (EXTENDING.replace("base", "nope"), GOOD, r"mine.toml:2: extends nope.toml: cannot read recipe .*nope.toml"),
        (EXTENDING.replace('"base.toml"', "3"), GOOD, r"mine.toml:2: extends must be a text, not 3"),
        (EXTENDING + '[engine]\nname = "sglang"\n', GOOD, r"mine.toml:10: engine.name: extends a recipe of another"),
    ],
)
def test_a_mistake_in_an_extended_recipe_is_named(tmp_path: Path, text: str, base: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_recipe(extending(tmp_path, text, base))


OVER_TWO = GOOD.replace("count = 2", "count = 16").replace("tp = 2", "tp = 8\npp = 2\nnodes = 2")


def test_an_engine_may_span_nodes(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, OVER_TWO))
    assert (recipe.parallel.nodes, recipe.gpu.count, recipe.gpus_per_node) == (2, 16, 8)
    assert load_recipe(write(tmp_path, GOOD)).gpus_per_node == 2
    on_cpu = OVER_TWO.replace('"b200"', '"cpu"').replace("count = 16", "count = 0")
    assert load_recipe(write(tmp_path, on_cpu)).gpus_per_node == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("nodes = 2", "nodes = 0", r":14: parallel.nodes must be a whole number of 1 or more, not 0"),
        (
            "nodes = 2",
            "nodes = 3",
            r":14: parallel.nodes: each node has as many ranks: it must divide .* = 16, not be 3",
        ),
        ("max-num-seqs = 512", "nnodes = 2", r":21: engine.flags.nnodes: say it as parallel.nodes"),
        ("max-num-seqs = 512", 'master-addr = "x"', r":21: engine.flags.master-addr: say it as parallel.nodes"),
        (
            "[engine.flags]",
            "[disaggregated]\nprefill_workers = 1\ndecode_workers = 1\n[engine.flags]",
            r"parallel.nodes: workers that are apart are placed by Dynamo",
        ),
    ],
)
def test_nodes_that_cannot_be_are_named_with_their_line(tmp_path: Path, old: str, new: str, says: str) -> None:
    text = OVER_TWO.replace(old, new)
    if "disaggregated" in new:
        text = text.replace("count = 16", "count = 17")
    with pytest.raises(UsageError, match=says):
        load_recipe(write(tmp_path, text))
