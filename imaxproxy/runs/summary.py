"""`summary.json`, made from the journal alone: a run that was killed is summarised like one that ended."""

from datetime import datetime
from typing import Any

from imaxproxy.economics import provisioned_cost
from imaxproxy.errors import UsageError
from imaxproxy.metrics import (
    Dimensions,
    Exchange,
    MeterHealth,
    Outcome,
    Tally,
    Window,
    WindowFinder,
    Windows,
    per_second,
    seconds,
)
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.hlog import write_hlog
from imaxproxy.runs.journal import read_health, read_journal
from imaxproxy.runs.manifest import KILLED, Manifest, write_json

SCHEMA = "imaxproxy.summary/1"
_PARTS = ("warmup", "steady", "drain")


class WindowTally:
    """What falls into one window: requests by their send, tokens by their arrival."""

    def __init__(self, window: Window, *, is_run: bool = False) -> None:
        self.window = window
        self._is_run = is_run
        self.tally = Tally()
        self._arrived_output_tokens = 0
        self._tokens_are_known = False

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:  # only passed through: no window is about it, the run counts it
            if self._is_run:
                self.tally.add(exchange)
            return
        self._arrived_output_tokens += self.window.tokens_of(exchange)
        self._tokens_are_known = self._tokens_are_known or exchange.output_tokens is not None
        started_ns = exchange.ask.sent_ns if exchange.ask.sent_ns is not None else exchange.ask.started_ns
        if self.window.holds(started_ns):
            self.tally.add(exchange)

    def throughput(self, gpus: int | None) -> dict[str, float | None]:
        """Output tokens count when they arrive, input tokens with their request's send."""
        duration_s = seconds(self.window.duration_ns)
        output = self._arrived_output_tokens if self._tokens_are_known else None
        known = [tokens for tokens in (self.tally.input_tokens, output) if tokens is not None]
        total = sum(known) if len(known) == 2 else None
        output_rate, total_rate = per_second(output, duration_s), per_second(total, duration_s)
        return {
            "requests_per_s": per_second(self.tally.outcomes[Outcome.COMPLETED], duration_s),
            "output_tokens_per_s": output_rate,
            "total_tokens_per_s": total_rate,
            "output_tokens_per_s_per_gpu": output_rate / gpus if output_rate is not None and gpus else None,
            "total_tokens_per_s_per_gpu": total_rate / gpus if total_rate is not None and gpus else None,
        }

    def part(self, zero_ns: int, gpus: int | None) -> dict[str, Any]:
        """A member of `windows` in summary.json."""
        bounds = {"start_s": seconds(self.window.start_ns - zero_ns), "end_s": seconds(self.window.end_ns - zero_ns)}
        counts = {"requests": self.tally.requests(), "tokens": self.tally.tokens()}
        return bounds | counts | {"throughput": self.throughput(gpus)} | self.tally.stats()


def summarize(run: RunDirectory) -> dict[str, Any]:
    """Read the journal twice, first for the windows, then for all else; write `summary.json` and `histograms.hlog`."""
    finder, rates = WindowFinder(), _Rates()
    for exchange in read_journal(run, outline=True):
        finder.add(exchange)
        rates.add(exchange)
    windows = finder.close()
    if windows is None:
        windows = Windows(Window(0, 0), None, None, None)
    tallies = {"whole": WindowTally(windows.whole, is_run=True)}
    tallies |= {name: WindowTally(part) for name in _PARTS if (part := getattr(windows, name)) is not None}
    dimensions = Dimensions()
    for exchange in read_journal(run):
        dimensions.add(exchange)
        for tally in tallies.values():
            tally.add(exchange)
    summary = _compose(Manifest.read(run), tallies, rates, _health(run)) | dimensions.as_dict()
    write_json(run.summary, summary)
    started = datetime.fromisoformat(summary["started_at"]).timestamp() if summary["started_at"] else 0.0
    write_hlog(run.histograms, tallies["whole"].tally.histograms, started, summary["duration_s"])
    return summary


def _compose(
    manifest: Manifest | None, tallies: dict[str, WindowTally], rates: "_Rates", health: MeterHealth
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
        "cost": _cost(engine, throughput),
        "slo": None,
    }


def _verdict(tally: Tally, rates: "_Rates", health: MeterHealth, manifest: Manifest | None) -> dict[str, Any]:
    verdict = health.verdict(
        itl_p99_ms=tally.histograms["itl_ms"].stats()["p99"],
        coalesced_event_share=tally.coalesced_event_share(),
        offered_rate=rates.offered(),
        achieved_rate=rates.achieved(),
        is_virtual=manifest is not None and manifest.clock.get("source") == "virtual",
    )
    if manifest is not None and manifest.lost_lines:
        verdict["valid"] = False
        verdict["reasons"].append(f"{manifest.lost_lines} journal lines could not be written: exchanges are missing")
    return verdict


def _cost(engine: dict[str, Any], throughput: dict[str, float | None]) -> dict[str, Any] | None:
    """None where the GPUs or their price are not known: a price is never guessed."""
    kind, gpus = engine.get("gpu"), engine.get("gpus")
    if not kind or not gpus:
        return None
    total, output = throughput["total_tokens_per_s"], throughput["output_tokens_per_s"]
    given = total - output if total is not None and output is not None else None
    try:
        return provisioned_cost(kind, gpus, total, output, given)
    except UsageError:  # a GPU without a price; the table says so, and a run that was played keeps its summary
        return None


def _health(run: RunDirectory) -> MeterHealth:
    health = MeterHealth()
    for sample in read_health(run):
        health.add(sample)
    return health


class _Rates:
    """Offered and achieved requests/s of an open loop: over the span of the schedule, and of the sends."""

    def __init__(self) -> None:
        self._scheduled = _Span()
        self._sent = _Span()

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.scheduled_ns is None:
            return
        self._scheduled.add(exchange.ask.scheduled_ns)
        if exchange.ask.sent_ns is not None:
            self._sent.add(exchange.ask.sent_ns)

    def offered(self) -> float | None:
        return self._scheduled.rate_per_s()

    def achieved(self) -> float | None:
        return self._sent.rate_per_s()


class _Span:
    """How many moments, and the first and last of them."""

    def __init__(self) -> None:
        self._count, self._first_ns, self._last_ns = 0, 0, 0

    def add(self, at_ns: int) -> None:
        self._first_ns = min(self._first_ns, at_ns) if self._count else at_ns
        self._last_ns = max(self._last_ns, at_ns) if self._count else at_ns
        self._count += 1

    def rate_per_s(self) -> float | None:
        return per_second(self._count - 1, seconds(self._last_ns - self._first_ns)) if self._count > 1 else None
