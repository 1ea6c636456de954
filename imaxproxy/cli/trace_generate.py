"""`imaxproxy trace generate | specs`: canonical traces from workload specs."""

import tomllib
from pathlib import Path
from typing import Any

import click

from imaxproxy.cli.trace_reading import as_json
from imaxproxy.conduct.output import print_json, say
from imaxproxy.errors import UsageError
from imaxproxy.traces import load_spec, shipped_specs, write_trace


@click.command()
@click.argument("spec", metavar="SPEC")
@click.option("-o", "--output", "out", metavar="FILE", type=click.Path(path_type=Path), help="[default: stdout]")
@click.option("--seed", type=int, help="Instead of the spec's own.")
@click.option(
    "--set", "changes", multiple=True, metavar="KEY=VALUE", help="Set a key of the spec; arrivals.rate_per_s=4."
)
@click.option("--no-header", is_flag=True, help="Leave out the first line, which says how the trace was made.")
@as_json
def generate(
    spec: str, out: Path | None, seed: int | None, changes: tuple[str, ...], *, no_header: bool, as_json: bool
) -> None:
    """Make a canonical trace from SPEC: a TOML file, or a name that `imaxproxy trace specs` lists.

    \b
    imaxproxy trace generate fixed-1k1k --set concurrency=128 -o 1k1k.jsonl
    imaxproxy trace generate reasoning-r1 --seed 7 -o r1.jsonl.zst
    imaxproxy trace generate my-agent.toml | head

    The same spec and seed give the same bytes, on any machine and Python. `imaxproxy replay SPEC` takes a spec as it
    is; write it down first where the trace is to be kept.
    """
    if as_json and out is None:
        raise UsageError("--json prints the report, and stdout is for the rows: give -o FILE")
    loaded = load_spec(spec, seed=seed, changes=dict(map(_change, changes)))
    count = write_trace(out, loaded.rows(), None if no_header else loaded.header())
    if as_json:
        print_json(
            {"spec": str(loaded.path), "kind": loaded.kind, "seed": loaded.seed, "requests": count, "output": str(out)}
        )
    else:
        say(f"{loaded.kind}: {count} requests, seed {loaded.seed}")


@click.command()
@as_json
def specs(*, as_json: bool) -> None:
    """List the workload specs that ship, each with what it is and where its numbers come from."""
    listed = [{"name": path.stem, "path": str(path), **load_spec(path).about} for path in shipped_specs()]
    if as_json:
        print_json({"specs": listed})
        return
    for each in listed:
        click.echo(f"{each['name']:24} {each.get('title', '')}")
        click.echo(f"{'':24} {each.get('source', '')}")


def _change(text: str) -> tuple[str, Any]:
    """KEY=VALUE, the value as TOML has it; what is no TOML is text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set must be KEY=VALUE, not {text}")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value
