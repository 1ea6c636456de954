"""docs/inferencemax-v1.md, from the kept matrix alone."""

import textwrap
from collections.abc import Iterator
from statistics import median

from benchmarks.inferencemax_v1.claims import CLAIMS, CLOSE, Claim, Found, Measured, beside
from benchmarks.inferencemax_v1.matrix import MODELS, Matrix, MatrixPoint, frontier_of
from benchmarks.inferencemax_v1.pictures import HEADLINES, SHAPES, THROUGHPUT, name_of
from imaxproxy.economics import iso_table

FOLDER = "inferencemax-v1"
_UNKNOWN = "–"
_ISO = (25, 50, 75, 100, 150, 200)


def page(matrix: Matrix) -> str:
    """The whole text."""
    parts = [_head(matrix), *_claims(matrix), _measured(matrix), *(_model(matrix, model) for model in MODELS.values())]
    return "\n\n".join([*parts, _not_played(matrix)]) + "\n"


def _head(matrix: Matrix) -> str:
    answers = [(claim, claim.measure(matrix)) for _, claims in CLAIMS for claim in claims]
    out = sum(claim.comes_out(found) for claim, found in answers)
    unreached = sum(found.value is None for _, found in answers)
    what = (
        "**Nothing on this page was measured by us.** It is InferenceMAX v1's matrix "
        "(`workloads/inferencemax-v1.toml`: gpt-oss-120b, Llama-3.3-70B and DeepSeek-R1 on H200, B200 and GB200, at "
        "1k/1k, 1k/8k and 8k/1k, over its lists of concurrency) played in virtual time against the simulated engine, "
        f"{len(matrix.points)} operating points, and beside them what was announced on 2025-10-09. How far to trust "
        "the simulation is in [simulator.md](simulator.md): it was fitted to points that InferenceX published in 2026, "
        "and to none of the claims below. Figures are of whole runs, as InferenceX takes its own; totals count input "
        "and output tokens."
    )
    model = f"Model of the engine: version {matrix.made_with['model_version']}, "
    model += f"constants {str(matrix.made_with['constants_sha256'])[:12]}."
    count = (
        f"**Of {len(answers)} claims {out} come out within {CLOSE:.0%} and {len(answers) - out - unreached} do not; "
        f"not reached by the matrix: {unreached}.**"
    )
    return f"""# InferenceMAX v1, simulated

{_wrapped(what)}

    scripts/inferencemax-v1              # plays the matrix (10 minutes of two cores, 3.4 GB) and makes this page
    scripts/inferencemax-v1 --page       # makes the page from the kept result, inferencemax-v1.json

{_wrapped(f"{model} {count}")}"""


def _claims(matrix: Matrix) -> Iterator[str]:
    yield "## Each claim beside the matrix"
    for title, claims in CLAIMS:
        head = ["claim", "said by", "claimed", "simulated", "error", "comes out?", "where, and why"]
        lines = [f"### {title}", "", f"| {' | '.join(head)} |", "|---|---|---|---|---|---|---|"]
        yield "\n".join([*lines, *(_row(claim, claim.measure(matrix)) for claim in claims)])


def _row(claim: Claim, found: Found) -> str:
    error = claim.error(found)
    verdict = "not reached" if error is None else "yes" if claim.comes_out(found) else "**no**"
    cells = [
        claim.text,
        claim.source,
        f"{_number(claim.published)} {claim.unit}",
        _UNKNOWN if found.value is None else _number(found.value),
        _UNKNOWN if error is None else f"{error:+.0%}",
        verdict,
        "; ".join(part for part in (found.where, claim.note) if part),
    ]
    return f"| {' | '.join(cells)} |"


def _measured(matrix: Matrix) -> str:
    rows = list(beside(matrix))
    errors = [abs(point.total_per_gpu / row.total_per_gpu - 1) for row, point in rows if point is not None]
    said = (
        "From its blogs of 2026-04-06; the simulated point is of the same machine, shape and concurrency, at the "
        f"parallelism that gives the most. Median error of tokens/s/GPU: {median(errors):.0%}. Medians of TTFT and "
        "TPOT, in ms; of TTFT a closed loop's start decides, and there the simulation is weakest."
    )
    head = ["", "tok/s/GPU measured", "simulated", "error", "TTFT measured", "simulated", "TPOT measured", "simulated"]
    lines = [
        "## The same points, as InferenceX measured them later",
        "",
        _wrapped(said),
        "",
        f"| {' | '.join(head)} |",
        "|---" * len(head) + "|",
        *(f"| {' | '.join(_measured_cells(row, point))} |" for row, point in rows),
    ]
    return "\n".join(lines)


def _measured_cells(row: Measured, point: MatrixPoint | None) -> list[str]:
    tpot = _UNKNOWN if row.tpot_p50_ms is None else _number(row.tpot_p50_ms)
    rate, ttft = _number(row.total_per_gpu), _number(row.ttft_p50_ms)
    named = f"{row.model} {SHAPES[row.workload]}, {row.gpu} {row.precision} {row.engine}, c{row.concurrency}"
    if point is None:
        return [named, rate, "not in the matrix", _UNKNOWN, ttft, _UNKNOWN, tpot, _UNKNOWN]
    error = f"{point.total_per_gpu / row.total_per_gpu - 1:+.0%}"
    said = [_number(point.ttft_p50_ms), tpot, _number(1000 / point.interactivity)]
    return [named, rate, _number(point.total_per_gpu), error, ttft, *said]


def _model(matrix: Matrix, model: str) -> str:
    parts = [f"## {model}"]
    for shape, said in SHAPES.items():
        machines = dict(matrix.machines(model=model, workload=shape))
        if not machines:
            continue
        parts += [
            f"![{model} at {said}, simulated]({FOLDER}/{name_of(model, shape, THROUGHPUT)}.svg)",
            _iso(said, machines),
        ]
    parts += [
        f"![{model} at 8k/1k, simulated]({FOLDER}/{name_of(model, '8k1k', figure)}.svg)"
        for figure in HEADLINES
        if matrix.where(model=model, workload="8k1k")
    ]
    return "\n\n".join(parts)


def _iso(shape: str, machines: dict[str, list[MatrixPoint]]) -> str:
    """Machines at the same interactivity, and what each gives at most."""
    found = {name: frontier for name, points in machines.items() if (frontier := frontier_of(points)) is not None}
    lines = [
        f"Total tokens/s/GPU at {shape}, by tokens/s/user (–: not reached):",
        "",
        "| | " + " | ".join(f"{at}" for at in _ISO) + " | most, at |",
        "|---|" + "---|" * (len(_ISO) + 1),
    ]
    rows = iso_table(found, [float(at) for at in _ISO])
    for name, points in machines.items():
        cells = [_UNKNOWN if (estimate := row.at[name]) is None else _number(estimate.y) for row in rows]
        best = max(points, key=lambda point: point.total_per_gpu)
        most = f"{_number(best.total_per_gpu)}, {best.interactivity:.0f} tok/s/user"
        lines.append(f"| {name} | {' | '.join(cells)} | {most} |")
    return "\n".join(lines)


def _not_played(matrix: Matrix) -> str:
    lines = ["## What could not be played", ""]
    if not matrix.failed:
        return "\n".join([*lines, "Nothing: every point came to its end."])
    return "\n".join([*lines, *(f"- `{run}`: {reason}" for run, reason in matrix.failed)])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 120, break_long_words=False, break_on_hyphens=False)


def _number(value: float) -> str:
    """Three digits or more; whole numbers as they are."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 1000 or (size >= 10 and value == int(value)) else f"{value:.3g}"
