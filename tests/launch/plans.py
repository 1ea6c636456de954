"""Recipes changed for a test, and the plan an engine makes of them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.launch import NodePart, Place, Plan, Recipe, load_recipe, plan_of

RUN_DIR = Path("/runs/1")


def place(gpus: int = 0, **choices: Any) -> Place:  # noqa: ANN401 (any field of Place)
    """An environment in /venv, port 8000, so many GPUs."""
    return Place(**{"run_dir": RUN_DIR, "bin": Path("/venv/bin"), "gpus": tuple(map(str, range(gpus))), **choices})


def recipe(name: str, **changes: Any) -> Recipe:  # noqa: ANN401 (any field of Recipe)
    """A shipped recipe with other fields."""
    return replace(load_recipe(name), **changes)


def plan(recipe: Recipe, **choices: Any) -> Plan:  # noqa: ANN401 (any field of Place)
    """What its engine would start; of one that spans nodes what its head would."""
    if recipe.parallel.nodes > 1:
        choices = {"part": part(0)} | choices
    return plan_of(recipe, place(recipe.gpus_per_node, **choices))


def part(rank: int, **fields: Any) -> NodePart:  # noqa: ANN401 (any field of NodePart)
    """Of an engine whose head is at 10.0.0.1."""
    return NodePart(**{"rank": rank, "address": f"10.0.0.{rank + 1}", "head": "10.0.0.1", "port": 29500, **fields})


def value(argv: tuple[str, ...], flag: str) -> str | None:
    """What follows a flag; None when it is not there."""
    return argv[argv.index(flag) + 1] if flag in argv else None
