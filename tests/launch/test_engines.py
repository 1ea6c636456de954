"""Every engine's data, and the argv of every shipped recipe held against that engine's own list of flags."""

import re

import pytest

from imaxproxy.launch import ENGINES, NO_GPU, Engine, engine_of, load_recipe, recipe_names
from tests.launch.flag_list import FlagList, flag_list_of
from tests.launch.plans import part, plan

LAUNCHABLE = [name for name in recipe_names() if load_recipe(name).gpu.kind != NO_GPU]


@pytest.mark.parametrize("name", LAUNCHABLE)
def test_a_shipped_recipe_is_what_its_engine_takes(name: str) -> None:
    recipe = load_recipe(name)
    parts = [part(rank) for rank in range(recipe.parallel.nodes)] if recipe.parallel.nodes > 1 else [None]
    for process in (process for each in parts for process in plan(recipe, part=each).processes):
        flag_list_of(recipe, process).check(process.argv)


@pytest.mark.parametrize("name", LAUNCHABLE)
def test_a_shipped_recipe_gives_each_gpu_to_one_process(name: str) -> None:
    recipe = load_recipe(name)
    pinned = [
        gpu
        for process in plan(recipe).processes
        for gpu in process.env.get("CUDA_VISIBLE_DEVICES", "").split(",")
        if gpu
    ]
    assert sorted(pinned, key=int) == [str(index) for index in range(recipe.gpus_per_node)]


@pytest.mark.parametrize("name", LAUNCHABLE)
def test_dummy_weights_are_a_flag_or_a_refusal(name: str) -> None:
    recipe = load_recipe(name)
    if recipe.engine.name in ("llamacpp", "transformers"):
        with pytest.raises(Exception, match=r"weights: .* knows no random weights"):
            plan(recipe, dummy_weights=True)
        return
    made = plan(recipe, dummy_weights=True)
    said = " ".join(word for process in made.processes for word in process.argv) + "".join(made.files.values())
    assert recipe.engine.backend == "mocker" or re.search(r'load-format dummy|"load_format": "dummy"', said)
    for process in made.processes:
        flag_list_of(recipe, process).check(process.argv)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_an_engines_start_ends_with_serving(engine: Engine) -> None:
    assert engine.milestones[-1].share == 1.0
    assert all(failure.advice.count("{1}") <= failure.pattern.groups for failure in engine.failures)


def test_every_name_of_a_recipe_is_an_engine() -> None:
    assert {engine_of(load_recipe(name)).name for name in LAUNCHABLE} == set(ENGINES)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("run", "--nope", "1"), "no such flag: --nope"),
        (("run", "--count", "two"), "is no int"),
        (("run", "--count"), "takes a value"),
        (("run", "--count", "1", "2"), "takes a value"),
        (("run", "--on", "1"), "is a switch"),
        (("run", "--kind", "c"), "c is no choice"),
        (("run", "--count", "1", "--number", "2"), "given twice"),
        (("run", "--json", "{"), "is no loads"),
    ],
)
def test_the_check_of_an_argv_finds_what_an_engine_would_refuse(argv: tuple[str, ...], says: str) -> None:
    rows = [
        {"flags": ["--count", "--number"], "action": "_StoreAction", "type": "int", "nargs": None, "choices": None},
        {"flags": ["--on"], "action": "_StoreTrueAction", "type": None, "nargs": 0, "choices": None},
        {"flags": ["--kind"], "action": "_StoreAction", "type": "str", "nargs": None, "choices": ["a", "b"]},
        {"flags": ["--json"], "action": "_StoreAction", "type": "loads", "nargs": None, "choices": None},
    ]
    with pytest.raises(AssertionError, match=says):
        FlagList({flag: row for row in rows for flag in row["flags"]}, head=1, positionals=0).check(argv)
