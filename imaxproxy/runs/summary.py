"""`summary.json`, made from the journal alone: a run that was killed is summarised like one that ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from imaxproxy.economics import Rates as EconomicRates
from imaxproxy.economics import Terms, run_cost
from imaxproxy.errors import UsageError
from imaxproxy.metrics import (
    MeterHealth,
    Objective,
    Tally,
    Trim,
    Window,
    WindowFinder,
    Windows,
    objectives_of,
    seconds,
)
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.drawn import drawn_of
from imaxproxy.runs.energy import RunEnergy
from imaxproxy.runs.engine_view import TimingView, engine_metrics, over_engines
from imaxproxy.runs.hlog import write_hlog
from imaxproxy.runs.journal import worker_of
from imaxproxy.runs.manifest import KILLED, Manifest, write_json
from imaxproxy.runs.outline import Outline
from imaxproxy.runs.partial_sums import Counting, PartialSums
from imaxproxy.runs.rates import Rates
from imaxproxy.runs.share_view import ShareView
from imaxproxy.runs.shares import Loss
from imaxproxy.runs.summing import JournalSummer, Progress, Summer
from imaxproxy.runs.window_tally import WindowTally

SCHEMA = "imaxproxy.summary/1"
_PARTS = ("warmup", "steady", "drain")


def summarize(
    run: RunDirectory,
    terms: Terms | None = None,
    *,
    summer: Summer | None = None,
    progress: Progress = lambda _: None,
) -> dict[str, Any]:
    """Sum up the journals; write `summary.json` and `histograms.hlog`. Raises UsageError where one was not copied.

    terms: what a GPU-hour costs, where that is not what the run was played with. Raises UsageError when the run's GPU
    has no such price; without `terms` its cost is unknown then.
    summer: who has the journals; None: they are in `run`, and all cores sum up.  progress: hears of that.
    """
    if summer is None:
        _check_copied(run)
        with JournalSummer(run) as own:
            return summarize(run, terms, summer=own, progress=progress)
    summer.progress = progress
    manifest = Manifest.read(run)
    asked = _Asked.of(manifest)
    outline = summer.outline(asked.trim)
    windows = _windows(outline.finder, summer)
    energy = _energy(run, manifest, windows)
    sums = summer.sums(_counting(asked, manifest, outline, windows, energy))
    if energy is not None and sums.ticks is not None:
        energy.write_shares(summer.energy(energy.take(sums.ticks)), run)
    tallies = sums.tallies()
    summary = _compose(manifest, tallies, outline.rates, sums.health)
    summary["meter"]["steady"] = _steady_verdict(tallies.get("steady"), sums.steady_health, manifest)
    shares = _shares(manifest, sums)
    if shares is not None:
        _add_reasons(summary["meter"], shares.reasons())
    means_ms = {name: summary[f"{name}_ms"]["mean"] for name in ("ttft", "itl")}
    if view := _engine_view(run, windows.steady, sums.timing, means_ms):
        summary["engine"] = (summary["engine"] or {}) | view
    if energy is not None:
        summary["energy"] = energy.block(tallies, _terms(manifest, terms), windows.whole.start_ns)
    summary["cost"] = _cost(manifest, summary, terms)
    summary |= sums.dimensions.as_dict() | {
        "models": outline.models.texts,
        "slo": _slo(tallies, asked),
        "prompt_lengths": sums.lengths.stats(),
        "cache_warmup": outline.cache_warmup.stats(),
        "window_method": {
            "warmup": _warmup_method(asked.trim),
            "settled": outline.finder.settled,
            "backlog_growth_share": outline.finder.backlog_growth_share,
        },
        "timeslices": None if sums.slices is None else sums.slices.stats(energy.slice_part if energy else None),
        "shares": None if shares is None else shares.stats(sums.health),
    }
    write_json(run.summary, summary)
    started = datetime.fromisoformat(summary["started_at"]).timestamp() if summary["started_at"] else 0.0
    write_hlog(run.histograms, tallies["whole"].tally.histograms, started, summary["duration_s"])
    return summary


def _windows(finder: WindowFinder, summer: Summer) -> Windows:
    """Where the run has none, one of no length."""
    grid = finder.grid()
    busy = None if grid is None else summer.busy(grid)
    return finder.close(busy) or Windows(Window(0, 0), None, None, None)


def _counting(
    asked: "_Asked", manifest: Manifest | None, outline: Outline, windows: Windows, energy: RunEnergy | None
) -> Counting:
    return Counting(
        windows,
        outline.values,
        asked.objectives,
        asked.slice_s,
        by_share=bool(manifest and manifest.shares),
        ticks=None if energy is None else energy.grid,
    )


def _engine_view(
    run: RunDirectory, steady: Window | None, timing: TimingView, means_ms: dict[str, float | None]
) -> dict[str, Any]:
    """What the engine said of itself: `metrics`, `timing`; neither where it said nothing."""
    views = engine_metrics(run, steady)
    if len(views) == 1:  # of several engines, nobody knows which ones our means are about
        views[0] |= over_engines(views[0], means_ms)
    parts = {"metrics": views or None, "timing": timing.stats()}
    return {name: part for name, part in parts.items() if part is not None}


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the run's flags say of its summary."""

    objectives: tuple[Objective, ...] = ()
    trim: Trim = field(default_factory=Trim)
    slice_s: float | None = None

    @classmethod
    def of(cls, manifest: Manifest | None) -> "_Asked":
        settings = manifest.settings if manifest is not None else {}
        return cls(
            objectives=objectives_of(settings["slo"]) if settings.get("slo") else (),
            trim=Trim(settings.get("warmup"), settings.get("cooldown")),
            slice_s=settings.get("slice"),
        )


def _warmup_method(trim: Trim) -> str:
    if trim.warmup_s is not None:
        return f"--warmup {trim.warmup_s:g}"
    return "the later of p90(E2E) and MSER-5 of the requests in flight"


def _slo(tallies: Mapping[str, WindowTally], asked: _Asked) -> dict[str, Any] | None:
    """Judged on the steady window where there is one; the whole run stands beside it."""
    if not asked.objectives:
        return None
    stats = {
        name: tally.slo.stats(seconds(tally.window.duration_ns))
        for name in ("steady", "whole")
        if (tally := tallies.get(name)) is not None and tally.slo is not None
    }
    window = "steady" if "steady" in stats and stats["steady"]["requests"] else "whole"
    return {"window": window, **stats[window], "whole": stats["whole"]}


def _compose(
    manifest: Manifest | None, tallies: Mapping[str, WindowTally], rates: Rates, health: MeterHealth
) -> dict[str, Any]:
    whole = tallies["whole"]
    engine = (manifest.engine if manifest else None) or {}
    gpus: int | None = engine.get("gpus") or None
    throughput = whole.throughput(gpus)
    zero_ns = whole.window.start_ns
    return {
        "schema": SCHEMA,
        "simulated": bool(whole.tally.simulated or engine.get("simulated")),
        "started_at": manifest.started_at if manifest else None,
        "duration_s": seconds(whole.window.duration_ns),
        "ended": manifest.ended if manifest else KILLED,
        "engine": engine or None,
        "trace": manifest.trace if manifest else None,
        "requests": whole.tally.requests(),
        "tokens": whole.tally.tokens(),
        "throughput": throughput,
        **whole.tally.stats(),
        "windows": {name: tallies[name].part(zero_ns, gpus) if name in tallies else None for name in _PARTS},
        "meter": _verdict(whole.tally, rates, health, manifest),
        "energy": None,
        "cost": None,
        "slo": None,
        "window_method": None,
        "timeslices": None,
    }


def _energy(run: RunDirectory, manifest: Manifest | None, windows: Windows) -> RunEnergy | None:
    settings, engine = (manifest.settings, manifest.engine or {}) if manifest else ({}, {})
    named = {"whole": windows.whole, "warmup": windows.warmup, "steady": windows.steady, "drain": windows.drain}
    return RunEnergy.of(run, settings, engine, {name: each for name, each in named.items() if each is not None})


def _terms(manifest: Manifest | None, terms: Terms | None) -> Terms:
    settings = manifest.settings if manifest else {}
    return Terms.of(settings) if terms is None else terms.or_else(settings)


def _verdict(tally: Tally, rates: Rates, health: MeterHealth, manifest: Manifest | None) -> dict[str, Any]:
    verdict = health.verdict(
        itl_p99_ms=tally.histograms["itl_ms"].stats()["p99"],
        coalesced_event_share=tally.coalesced_event_share(),
        offered_rate=rates.offered(),
        achieved_rate=rates.achieved(),
        is_virtual=_is_virtual(manifest),
    )
    if manifest is not None and manifest.lost_lines:
        lost = f"{manifest.lost_lines} lines of the journal or the capture could not be written"
        _add_reasons(verdict, [lost])
    return verdict


def _steady_verdict(tally: WindowTally | None, health: MeterHealth, manifest: Manifest | None) -> dict[str, Any] | None:
    """Of the steady window by itself, for a run's first and last seconds may be worse.

    It says nothing of rates: those are the whole schedule's. None where there is no such window, or no sample in it.
    """
    if tally is None or health.cpu_share is None:
        return None
    verdict = health.verdict(
        itl_p99_ms=tally.tally.histograms["itl_ms"].stats()["p99"],
        coalesced_event_share=tally.tally.coalesced_event_share(),
        offered_rate=None,
        achieved_rate=None,
        is_virtual=_is_virtual(manifest),
    )
    return {name: value for name, value in verdict.items() if not name.endswith("_rate")}


def _is_virtual(manifest: Manifest | None) -> bool:
    return manifest is not None and manifest.clock.get("source") == "virtual"


def _add_reasons(verdict: dict[str, Any], reasons: list[str]) -> None:
    verdict["reasons"] += reasons
    verdict["valid"] = not verdict["reasons"]


def _shares(manifest: Manifest | None, sums: PartialSums) -> ShareView | None:
    if manifest is None or not manifest.shares or sums.shares is None:
        return None
    return ShareView(manifest.shares, None if manifest.lost is None else Loss.from_dict(manifest.lost), sums.shares)


def _cost(manifest: Manifest | None, summary: dict[str, Any], terms: Terms | None) -> dict[str, Any] | None:
    """None where the GPUs or their price are not known: a price is never guessed."""
    engine = summary["engine"] or {}
    kind, gpus = engine.get("gpu"), engine.get("gpus")
    if not kind or not gpus:
        return None
    asked = _terms(manifest, terms)
    steady = summary["windows"]["steady"]
    try:
        return run_cost(
            kind,
            gpus,
            _made(summary["throughput"]),
            asked,
            steady=None if steady is None else _made(steady["throughput"]),
            drawn=drawn_of(summary["energy"]),
        )
    except UsageError:  # a GPU without a price; the table says so, and a run that was played keeps its summary
        if terms is not None:
            raise
        return None


def _made(throughput: dict[str, float | None]) -> EconomicRates:
    return EconomicRates(
        throughput["total_tokens_per_s"], throughput["output_tokens_per_s"], throughput["requests_per_s"]
    )


def _check_copied(run: RunDirectory) -> None:
    """Raises UsageError for a run of a cluster whose journals were not all copied to here."""
    manifest, here = Manifest.read(run), {*map(worker_of, run.journals())}
    if manifest is None:
        return
    lost = set((manifest.lost or {}).get("workers", ()))
    for record in manifest.shares or ():
        if record.get("node") is not None and (missing := set(record["workers"]) - here - lost):
            raise UsageError(
                f"{run.path} lacks {run.journal(min(missing)).name} of node {record['node']}: copying was broken off, "
                "and no new summary can be made; summary.json, where there is one, was made of all"
            )
