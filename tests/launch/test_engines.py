"""Every engine's data, and the argv of every shipped recipe held against that engine's own list of flags."""

from pathlib import Path

import pytest

from imaxproxy.launch import ENGINES, NO_GPU, Place, engine_of, load_recipe, recipe_names
from tests.launch.flag_list import flag_list_of

LAUNCHABLE = [name for name in recipe_names() if load_recipe(name).gpu.kind != NO_GPU]


def place(gpus: int = 0, **choices: object) -> Place:
    where = {"run_dir": Path("/runs/1"), "bin": Path("/venv/bin"), "gpus": tuple(map(str, range(gpus)))}
    return Place(**(where | choices))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", LAUNCHABLE)
def test_a_shipped_recipe_is_what_its_engine_takes(name: str) -> None:
    recipe = load_recipe(name)
    plan = engine_of(recipe).plan(recipe, place(recipe.gpu.count))
    for process in plan.processes:
        flag_list_of(recipe, process).check(process.argv)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=lambda engine: engine.name)
def test_milestones_rise_to_the_whole(engine: object) -> None:
    shares = [one.share for one in engine.milestones]  # type: ignore[attr-defined]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
