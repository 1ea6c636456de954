"""`imaxproxy engine check`."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.cli.engine_memory import needs_of
from imaxproxy.conduct.output import print_json
from imaxproxy.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from imaxproxy.launch import Facts, Finding, Recipe

_SIGN = {"ok": "ok", "missing": "MISSING", "unknown": "unknown"}


@click.command()
@click.argument("recipe")
@click.option("--host", default="127.0.0.1", show_default=True, help="Where it would listen.")
@click.option("--engine-port", "port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--engine-env", type=click.Path(path_type=Path), metavar="DIR", help="The environment of the engine.")
@click.option("--engine-gpus", metavar="G,G,..", help="GPUs it would be pinned to: indices or UUIDs.")
@click.option("--model-path", metavar="PATH", help="Where the model lies, instead of what the recipe says.")
@click.option("--dummy-weights", is_flag=True, help="With random weights: the model's config and tokenizer suffice.")
@click.option("--flags", "ask_flags", is_flag=True, help="Ask the engine itself if it knows every flag: 1 to 40 s.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def check(recipe: str, as_json: bool, **flags: Any) -> int:  # noqa: ANN401 (click)
    """What RECIPE lacks on this machine, before it is launched: each thing with the command that mends it.

    \b
    imaxproxy engine check gpt-oss-120b-h200-vllm --engine-env ~/.venvs/vllm
    imaxproxy engine check gpt-oss-120b-h200-vllm --json

    It asks the GPU driver, the engine's own Python, the model's files, the port and the disk; it starts no engine.
    With --flags also the engine's --help, which imports it.
    For an engine that spans nodes it looks at what one of them must have.
    Exit 0 when nothing is missing, 1 when something is.
    """
    from imaxproxy.launch import NO_GPU, load_recipe, with_model_path

    found = with_model_path(load_recipe(recipe), flags["model_path"])
    if found.gpu.kind == NO_GPU:
        raise UsageError(
            f"recipe {found.name} models no hardware, so there is nothing to check: use it with --simulate"
        )
    findings = _findings(found, flags)
    missing = sum(one.state == "missing" for one in findings)
    if as_json:
        rows = [asdict(one) for one in findings]
        print_json({"recipe": found.name, "launchable": not missing, "findings": rows})
    else:
        _print_lines(found, findings, missing)
    return 1 if missing else 0


def _findings(recipe: "Recipe", flags: dict[str, Any]) -> "list[Finding]":
    from imaxproxy.launch import check as check_recipe
    from imaxproxy.launch import engine_bin, gather

    chosen = flags["engine_gpus"] or os.environ.get("CUDA_VISIBLE_DEVICES")
    facts = gather(
        recipe,
        bin=engine_bin(recipe.engine.name, flags["engine_env"], os.environ.get("PATH")),
        environment=os.environ,
        home=Path.home(),
        chosen=tuple(name.strip() for name in chosen.split(",") if name.strip()) if chosen else None,
        port=flags["port"],
        port_error=_port_error(flags["host"], flags["port"]),
        dummy_weights=flags["dummy_weights"],
    )
    findings = check_recipe(recipe, facts, needs_of(recipe))
    is_installed = not any(one.what == "engine" and one.state == "missing" for one in findings)
    return [*findings, *(_flag_findings(recipe, facts, flags) if flags["ask_flags"] and is_installed else ())]


def _flag_findings(recipe: "Recipe", facts: "Facts", flags: dict[str, Any]) -> "Iterator[Finding]":
    from imaxproxy.launch import NodePart, Place, engine_of, flag_findings, plan_of

    engine = engine_of(recipe)
    place = Place(
        run_dir=Path("RUN"),
        bin=facts.bin,
        host=flags["host"],
        port=flags["port"],
        gpus=tuple(map(str, range(recipe.gpus_per_node))),
        dummy_weights=flags["dummy_weights"],
        part=NodePart(rank=0, address="", head="", port=0) if recipe.parallel.nodes > 1 else None,
    )
    return flag_findings(recipe, engine, plan_of(recipe, place))


def _port_error(host: str, port: int) -> str | None:
    from imaxproxy.launch import check_port

    try:
        check_port(host, port)
    except UsageError as error:
        return str(error)
    return None


def _print_lines(recipe: "Recipe", findings: "list[Finding]", missing: int) -> None:
    for one in findings:
        click.echo(f"{_SIGN[one.state]:<8} {one.what:<11} {one.says}")
        if one.mend:
            click.echo(f"{'':<8} {'':<11} -> {one.mend}")
    end = f"{missing} missing" if missing else f"nothing is missing: imaxproxy engine launch {recipe.name}"
    click.echo(f"\n{recipe.name}: {end}")
