"""The matrix's frontiers as pictures: one a model and shape, of tokens/s, dollars and megawatts."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.inferencemax_v1.claims import LAUNCH
from benchmarks.inferencemax_v1.matrix import MODELS, Matrix, MatrixPoint, spot_of
from imaxproxy.economics import load_price, tokens_per_s_per_mw, usd_per_million_tokens
from imaxproxy.report.charts import Chart
from imaxproxy.report.charts.frontier import Series, draw_frontier

SHAPES = {"1k1k": "1k/1k", "1k8k": "1k/8k", "8k1k": "8k/1k"}
_SIZE_IN = (9.0, 4.4)
_CURVES = (
    "dashed: Steffen's curve through the points that no other of their machine beats; pale: beaten; no extrapolation"
)


@dataclass(frozen=True, slots=True)
class Figure:
    """What is drawn against interactivity."""

    axis: str
    title: str
    read: Callable[[MatrixPoint], float]
    note: str = ""


def _usd(point: MatrixPoint) -> float:
    usd = usd_per_million_tokens(load_price(point.gpu, "hyperscaler", LAUNCH).usd_per_gpu_hour, point.total_per_gpu)
    assert usd is not None  # a point has made tokens
    return usd


def _per_mw(point: MatrixPoint) -> float:
    rate = tokens_per_s_per_mw(point.total_per_gpu, load_price(point.gpu, "hyperscaler", LAUNCH).kw_per_gpu)
    assert rate is not None
    return rate


_PRICES = "hyperscaler's prices and all-in kilowatts of 2025-10-09, InferenceMAX v1's own"
THROUGHPUT = Figure("total_per_gpu", "tokens/s/GPU", lambda point: point.total_per_gpu)
HEADLINES = (
    Figure("usd_total", "USD per million tokens", _usd, _PRICES),
    Figure("total_per_mw", "tokens/s per megawatt", _per_mw, _PRICES),
)
"""Of the shape that the announcement's headlines were of: 8k/1k."""


def pictures(matrix: Matrix) -> Iterator[Chart]:
    """Those that the page shows, in its order; a shape without points has none."""
    for model in MODELS.values():
        for shape in SHAPES:
            yield from _picture(matrix, model, shape, THROUGHPUT)
        for figure in HEADLINES:
            yield from _picture(matrix, model, "8k1k", figure)


def name_of(model: str, shape: str, figure: Figure) -> str:
    return f"{model.lower()}-{shape}-{figure.axis.replace('_', '-')}"


def _picture(matrix: Matrix, model: str, shape: str, figure: Figure) -> Iterator[Chart]:
    series = [
        Series(machine, True, False, tuple(spot_of(point, figure.read) for point in points))
        for machine, points in matrix.machines(model=model, workload=shape)
    ]
    if not series:
        return
    yield Chart(
        name=name_of(model, shape, figure),
        title=f"{model}, {SHAPES[shape]}: {figure.title}",
        draw=lambda drawn: draw_frontier(drawn, series, "interactivity", figure.axis),
        simulated=True,
        subtitle="InferenceMAX v1's matrix, whole runs; every load and parallelism of a machine in one frontier",
        notes=(_CURVES, *([figure.note] if figure.note else [])),
        size_in=_SIZE_IN,
    )
