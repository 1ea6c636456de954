"""`imaxproxy engine list`."""

from typing import Any

import click

from imaxproxy.conduct.output import print_json
from imaxproxy.errors import UsageError

_FILTERS = ("engine", "gpu", "model", "precision")


@click.command("list")
@click.option("--engine", metavar="NAME", help="Only of this engine: vllm, sglang, trtllm, dynamo, ...")
@click.option("--gpu", metavar="KIND", help="Only for this GPU: h200, b200, gb200, cpu, ...")
@click.option("--model", metavar="TEXT", help="Only models whose name has this in it.")
@click.option("--precision", metavar="P", help="Only at this precision: bf16, fp8, fp4.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def list_recipes(as_json: bool, **filters: str | None) -> None:
    """The recipes that ship: what runs on what.

    \b
    imaxproxy engine list --gpu b200 --model llama
    imaxproxy engine show NAME

    Exit 2 when a filter leaves none, with what there is.
    """
    from imaxproxy.launch import load_recipe, recipe_names

    rows = [_row(load_recipe(name)) for name in recipe_names()]
    chosen = [row for row in rows if all(_matches(row, name, filters[name]) for name in _FILTERS)]
    if not chosen:
        raise UsageError(_nothing(rows, filters))
    if as_json:
        print_json({"recipes": chosen})
        return
    _print_table(chosen)


def _row(recipe: Any) -> dict[str, Any]:  # noqa: ANN401 (launch's Recipe, imported late)
    split, drafts, apart = recipe.parallel, recipe.speculation, recipe.disaggregated
    parts = [
        f"tp {split.tp}",
        *(f"{name} {value}" for name in ("pp", "dp", "ep") if (value := getattr(split, name)) > 1),
    ]
    if split.dp_attention:
        parts.append("dp attention")
    if apart:
        parts.append(f"{apart.prefill_workers}P{apart.decode_workers}D")
    if drafts:
        parts.append(f"{drafts.method or 'drafts'} {drafts.draft_tokens}")
    return {
        "name": recipe.name,
        "model": recipe.model,
        "precision": recipe.precision,
        "gpu": recipe.gpu.kind,
        "gpus": recipe.gpu.count,
        "engine": recipe.engine.name,
        "backend": recipe.engine.backend,
        "version": recipe.engine.version,
        "split": ", ".join(parts),
        "source": recipe.source,
        "as_of": recipe.as_of,
    }


def _matches(row: dict[str, Any], name: str, wanted: str | None) -> bool:
    if wanted is None:
        return True
    if name == "model":
        return wanted.lower() in row["model"].lower()
    return wanted.lower() in (row[name], row.get("backend") if name == "engine" else None)


def _nothing(rows: list[dict[str, Any]], filters: dict[str, str | None]) -> str:
    """Which values there are, for each filter that was given."""
    given = {name: value for name, value in filters.items() if value is not None}
    known = [f"--{name}: {', '.join(sorted({row[name] for row in rows}))}" for name in given]
    return (
        f"no recipe has {', '.join(f'{name} {value}' for name, value in given.items())}; there are {'; '.join(known)}"
    )


def _print_table(rows: list[dict[str, Any]]) -> None:
    """A line a recipe, whatever the terminal's width: names are for copying."""
    cells = [("recipe", "GPUs", "engine", "split", "prec.", "model")]
    for row in rows:
        gpus = f"{row['gpus']} x {row['gpu']}" if row["gpus"] else row["gpu"]
        engine = f"{row['engine']} ({row['backend']})" if row["backend"] else row["engine"]
        cells.append((row["name"], gpus, f"{engine} {row['version']}", row["split"], row["precision"], row["model"]))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
