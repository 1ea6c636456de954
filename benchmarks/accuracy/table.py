"""Trials as Markdown: for each case what happened, and what each meter said of it."""

from collections.abc import Mapping, Sequence

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.figures import LABELS, is_close
from benchmarks.accuracy.meter import Trial


def of_case(case: Case, trials: Sequence[Trial], failed: Mapping[str, str]) -> str:
    """A row a figure, a column a meter. Bold: further from its own run's truth than `figures.is_close` allows."""
    lines = [f"### {case.name}", "", f"{case.says[0].upper()}{case.says[1:]}.", ""]
    if case.trap:
        lines[2] += f" How it is misread: {case.trap}."
    if trials:
        truth = trials[0]
        lines += [row("", f"truth ({truth.meter}'s run)", *[trial.meter for trial in trials])]
        lines += [row("---", *["---"] * (len(trials) + 1))]
        for name in case.figures:
            cells = [cell(name, trial, truth) for trial in trials]
            lines.append(row(LABELS[name], shown(name, truth.true.value(name)), *cells))
        partly = [trial for trial in trials if trial.said.remark and trial.said.tokens is not None]
        remarks = [f"{trial.meter}: {trial.said.remark}" for trial in partly]
        if remarks:
            lines += ["", f"† By its own account not all: {'; '.join(remarks)}."]
    lines += [f"\nNot measured: {name}: {why}." for name, why in failed.items()]
    return "\n".join(lines)


def overview(by_case: Mapping[str, Sequence[Trial]]) -> str:
    """The most telling figure of each case, a row a case."""
    meters = list(dict.fromkeys(trial.meter for trials in by_case.values() for trial in trials))
    lines = [row("case", "figure", "truth", *meters), row(*["---"] * (len(meters) + 3))]
    for trials in by_case.values():
        truth, name = trials[0], trials[0].case.figures[0]
        cells = {trial.meter: cell(name, trial, truth) for trial in trials}
        told = [cells.get(meter, "") for meter in meters]
        lines.append(row(truth.case.name, LABELS[name], shown(name, truth.true.value(name)), *told))
    return "\n".join(lines)


def cost(trials: Sequence[Trial]) -> str:
    """CPU of all a meter's processes, its start-up included, for the tokens of one case."""
    lines = [row("meter", "CPU, s", "CPU µs/token", "wall, s"), row(*["---"] * 4)]
    for trial in trials:
        assert trial.true.tokens
        us = trial.cpu_s / trial.true.tokens * 1e6
        lines.append(row(trial.meter, f"{trial.cpu_s:.2f}", f"{us:.0f}", f"{trial.wall_s:.1f}"))
    return "\n".join(lines)


def cell(name: str, trial: Trial, reference: Trial) -> str:
    """What it said; with the truth of its own run where that differs from the column's."""
    said, true = trial.said.value(name), trial.true.value(name)
    if said is None:
        return "–"
    text = shown(name, said)
    if trial.said.remark and name in ("tokens", "tokens_per_s"):
        return f"{text} †"
    if true is None:
        return text
    if not is_close(name, said, true):
        text = f"**{text}**"
    common = reference.true.value(name)
    return text if common is None or is_close(name, true, common) else f"{text} (of {shown(name, true)})"


def shown(name: str, value: float | None) -> str:
    if value is None:
        return "–"
    if not name.endswith("_ms"):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if value >= 100 else f"{value:.2f}"


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
