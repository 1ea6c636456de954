"""`imaxproxy engine show`."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.cli.engine_memory import fraction_says, memory_of
from imaxproxy.conduct.output import print_json
from imaxproxy.errors import UsageError

if TYPE_CHECKING:
    from imaxproxy.launch import Plan, Recipe

_GB = 1e9
_RUN_DIR = Path("RUN")
"""Stands for the run directory in what is shown."""
_MEETING_PORT = 29500
"""Where parts on several nodes would meet: torch's own. A launch takes one that is free."""


@click.command()
@click.argument("recipe")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it would listen.")
@click.option("--engine-port", "port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--engine-env", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR")
@click.option("--model-path", metavar="PATH", help="Where the model lies, instead of what the recipe says.")
@click.option("--dummy-weights", is_flag=True, help="With random weights.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def show(recipe: str, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 (click)
    """What RECIPE would start: commands to copy, files, memory, readiness, source. Starts nothing.

    \b
    imaxproxy engine show deepseek-r1-fp4-b200-sglang
    imaxproxy engine show my-own.toml --dummy-weights --json

    RUN stands for the run directory, where files are written before the start. Of an engine that spans nodes each
    node's command is shown; NODE-0, NODE-1 stand for their addresses.
    """
    from imaxproxy.launch import NO_GPU, load_recipe, with_model_path

    found = with_model_path(load_recipe(recipe), flags["model_path"])
    plans = [] if found.gpu.kind == NO_GPU else [_plan(found, flags, node) for node in range(found.parallel.nodes)]
    if as_json:
        print_json(_as_json(found, plans))
        return
    click.echo("\n\n".join(_sections(found, plans)))


def _plan(recipe: "Recipe", flags: dict[str, Any], node: int) -> "Plan":
    """What its engine would start there."""
    from imaxproxy.launch import NodePart, Place, engine_bin, plan_of

    spans = recipe.parallel.nodes > 1
    part = NodePart(rank=node, address=f"NODE-{node}", head="NODE-0", port=_MEETING_PORT)
    place = Place(
        run_dir=_RUN_DIR,
        bin=engine_bin(recipe.engine.name, flags["engine_env"], os.environ.get("PATH")),
        host=part.address if spans else flags["host"],
        port=flags["port"],
        gpus=tuple(map(str, range(recipe.gpus_per_node))),
        dummy_weights=flags["dummy_weights"],
        part=part if spans else None,
    )
    return plan_of(recipe, place)


def _sections(recipe: "Recipe", plans: "list[Plan]") -> list[str]:
    sections = [_head(recipe)]
    if not plans:
        return [*sections, "It models no hardware and starts nothing: use it with --simulate."]
    for node, plan in enumerate(plans):
        sections += _plan_sections(plan, f", node {node} of {len(plans)}" if len(plans) > 1 else "")
    return [*sections, _memory_text(recipe), _readiness_text(recipe)]


def _plan_sections(plan: "Plan", where: str) -> list[str]:
    from imaxproxy.launch import shell_form

    return [
        *(f"# an empty folder: {folder}\nmkdir -p {folder}" for folder in plan.folders),
        *(f"# file {path}\n{text.rstrip()}" for path, text in plan.files.items()),
        *(f"# {one.name}{where}\n{shell_form(one.argv, one.env)}" for one in plan.processes),
    ]


def _head(recipe: "Recipe") -> str:
    engine, gpus = recipe.engine, f"{recipe.gpu.count} x {recipe.gpu.kind}" if recipe.gpu.count else recipe.gpu.kind
    gpus += f" of {recipe.parallel.nodes} nodes" if recipe.parallel.nodes > 1 else ""
    name = f"{engine.name} with {engine.backend}" if engine.backend else engine.name
    known = f", flags known to hold for {engine.version_range}" if engine.version_range else ""
    return (
        f"{recipe.name}: {recipe.model} in {recipe.precision} on {gpus}, {name}\n"
        f"version  {engine.version}, which the source ran{known}\n"
        f"source   {recipe.source} ({recipe.as_of})"
    )


def _memory_text(recipe: "Recipe") -> str:
    lines = ["memory (computed, not measured)"]
    try:
        for one in memory_of(recipe):
            lines.append(
                f"  {one.role}, {one.gpus} GPU{'s' if one.gpus > 1 else ''}, each of {one.gpu_bytes / _GB:.0f} GB: "
                f"weights {one.weight_bytes / _GB:.1f} GB, activations {one.activation_bytes / _GB:.1f} GB, "
                f"left for KV {one.kv_room_bytes / _GB:.1f} GB"
            )
            lines.append(
                f"  KV of a token {one.kv_bytes_per_token / 1024:.1f} KiB: room for {one.kv_tokens:,} tokens of context"
            )
    except UsageError as error:
        lines.append(f"  not known: {error}")
    fraction = fraction_says(recipe)
    return "\n".join([*lines, f"  memory fraction {fraction}"] if fraction else lines)


def _readiness_text(recipe: "Recipe") -> str:
    from imaxproxy.launch import engine_of

    engine, ready = engine_of(recipe), recipe.readiness
    names = " names the model" if engine.readiness.lists_model else " answers 200"
    expected = f"about {ready.expected_s:g} s" if ready.expected_s else "not measured"
    return (
        f"ready when {engine.readiness.path}{names} and a first token came; expected {expected}, "
        f"given up after {ready.timeout_s:g} s"
    )


def _as_json(recipe: "Recipe", plans: "list[Plan]") -> dict[str, Any]:
    """`processes`: node by node, where it spans several."""
    try:
        memory: dict[str, Any] = {"workers": [one.as_dict() for one in memory_of(recipe)], "unknown": None}
    except UsageError as error:
        memory = {"workers": [], "unknown": str(error)}
    return {
        "recipe": {**asdict(recipe), "path": str(recipe.path)},
        "processes": [
            asdict(process) | ({"node": node} if len(plans) > 1 else {})
            for node, plan in enumerate(plans)
            for process in plan.processes
        ],
        "files": {str(path): text for plan in plans for path, text in plan.files.items()},
        "folders": [str(path) for plan in plans for path in plan.folders],
        "memory": {**memory, "fraction": fraction_says(recipe)},
        "computed": True,
    }
