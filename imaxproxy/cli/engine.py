"""`imaxproxy engine`, and its `predict`."""

from pathlib import Path
from typing import Any

import click

from imaxproxy.cli import engine_launch
from imaxproxy.cli.engine_check import check
from imaxproxy.cli.engine_list import list_recipes
from imaxproxy.cli.engine_show import show
from imaxproxy.conduct.flags.simulation import simulated_args
from imaxproxy.conduct.output import print_json
from imaxproxy.errors import UsageError
from imaxproxy.launch import load_recipe

_CONCURRENCIES = "1,2,4,8,16,32,64,128,256"


@click.group(short_help="Engines as recipes: list, show, check, launch, stop, predict.")
def engine() -> None:
    """Engines as recipes: which there are, what this machine lacks for one, start it, predict it without a GPU."""


for _command in (list_recipes, show, check, engine_launch.launch, engine_launch.logs, engine_launch.stop):
    engine.add_command(_command)


@engine.command()
@click.argument("recipe", metavar="[RECIPE]", required=False)
@click.option("--points", type=click.Path(path_type=Path), help="Hold a CSV of measured points against the model.")
@click.option("--isl", type=click.IntRange(min=1), default=1024, show_default=True, help="Input tokens of a request.")
@click.option("--osl", type=click.IntRange(min=2), default=1024, show_default=True, help="Output tokens of a request.")
@click.option("--concurrency", default=_CONCURRENCIES, show_default=True, metavar="C,C,..", help="Requests in flight.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def predict(recipe: str | None, points: Path | None, as_json: bool, **flags: Any) -> None:  # noqa: ANN401 (click)
    """Predict the curve of RECIPE, or hold measured points against the model.

    \b
    imaxproxy engine predict gpt-oss-120b-b200-vllm --isl 8192 --osl 1024
    imaxproxy engine predict --points points.csv --json

    A recipe is a name from engines/ or a TOML file. Points have the columns of docs/simulator.md; each row is printed
    with predicted_tpot_ms, predicted_ttft_ms and predicted_total_tokens_per_s_per_gpu, and the errors by group.
    """
    if (recipe is None) == (points is None):
        raise UsageError("give either a RECIPE, whose curve is predicted, or --points FILE.csv")
    if points is not None:
        _print_points(points, as_json=as_json)
    else:
        assert recipe is not None
        _print_curve(recipe, flags, as_json=as_json)


def _print_curve(name: str, flags: dict[str, Any], *, as_json: bool) -> None:
    from imaxproxy.sim import constants_sha256, model_version, predict_curve

    recipe = load_recipe(name)
    args = simulated_args(recipe)
    rows = [point.as_dict() for point in predict_curve(args, _counts(flags["concurrency"]), flags["isl"], flags["osl"])]
    if as_json:
        about = {"simulated": True, "recipe": recipe.name, "gpus": recipe.gpu.count, "gpu": recipe.gpu.kind}
        about |= {"isl": flags["isl"], "osl": flags["osl"], "model_version": model_version()}
        print_json({**about, "constants_sha256": constants_sha256(), "points": rows})
        return
    click.echo(
        f"{recipe.name}: {recipe.gpu.count} x {recipe.gpu.kind}, {flags['isl']} in, {flags['osl']} out. "
        f"Predicted, not measured (model {model_version()})."
    )
    click.echo(
        f"{'in flight':>9} {'TPOT ms':>9} {'tok/s/user':>10} {'TTFT ms':>9} {'tok/s/GPU':>10} {'out/s/GPU':>10}  error"
    )
    for row in rows:
        where = "" if row["in_calibrated_range"] else ", outside the calibrated range"
        click.echo(
            f"{row['concurrency']:>9} {row['tpot_ms']:>9.2f} {row['tps_per_user']:>10.1f} {row['ttft_ms']:>9.0f} "
            f"{row['total_tokens_per_s_per_gpu']:>10.0f} {row['output_tokens_per_s_per_gpu']:>10.0f}  "
            f"{row['expected_error']:.0%}{where}"
        )


def _print_points(path: Path, *, as_json: bool) -> None:
    from imaxproxy.sim import constants_sha256, errors_by_group, model_version, predict_point, read_points

    predicted = [predict_point(point) for point in read_points(path)]
    if not predicted:
        raise UsageError(f"{path} has no rows")
    groups = errors_by_group(predicted)
    rows = [one.as_dict() for one in predicted]
    if as_json:
        about = {"simulated": True, "model_version": model_version(), "constants_sha256": constants_sha256()}
        print_json({**about, "points": rows, "groups": groups})
        return
    for row in rows:
        click.echo(_point_line(row))
    click.echo(f"\n{'absolute error, median (mean)':<44} {'rows':>5} {'TPOT':>16} {'tok/s/GPU':>16} {'TTFT':>16}")
    for name, group in groups.items():
        cells = (_error_cell(group[quantity]) for quantity in ("tpot", "throughput", "ttft"))
        click.echo(f"{name:<44} {group['rows']:>5} {' '.join(cells)}")


def _point_line(row: dict[str, Any]) -> str:
    split = f"{row['gpus']} x {row['gpu']}, ep {row['ep']}{', dp attention' if row['dp_attention'] else ''}"
    what = (
        f"{row['model']} {row['precision']} {row['engine']} {split}, {row['isl']}/{row['osl']} at {row['concurrency']}"
    )
    if row["refused"]:
        return f"{what}: {row['refused']}"
    extrapolated = "" if row["in_calibrated_range"] else " (extrapolated)"
    throughput = row["predicted_total_tokens_per_s_per_gpu"]
    return (
        f"{what}: TPOT {row['predicted_tpot_ms']:.2f} ms{_beside(row['tpot_ms'])}, "
        f"TTFT {row['predicted_ttft_ms']:.0f} ms{_beside(row['ttft_ms'])}, {throughput:.0f} tok/s/GPU"
        f"{_beside(row['measured_total_tokens_per_s_per_gpu'])}{extrapolated}"
    )


def _beside(measured: float | None) -> str:
    return "" if measured is None else f" (measured {measured:.4g})"


def _error_cell(error: dict[str, float | None]) -> str:
    if error["median"] is None or error["mean"] is None:
        return f"{'-':>16}"
    mean = f"({error['mean']:.1%})"
    return f"{error['median']:>8.1%} {mean:>7}"


def _counts(text: str) -> list[int]:
    try:
        counts = [int(part) for part in text.split(",")]
    except ValueError:
        counts = [0]
    if min(counts) < 1:
        raise UsageError(f"--concurrency is whole numbers of 1 or more with commas, 1,8,64, not {text}")
    return counts
