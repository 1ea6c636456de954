"""What stands beside a run's own figures in a live snapshot: power, cost, and what the engine says of itself."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.economics import Paid, Terms, usd_per_million_tokens
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.live.feed.engine_now import EngineNow
from imaxproxy.live.feed.ticks import WINDOW_S, Rates
from imaxproxy.power import read_now
from imaxproxy.runs import RunDirectory

Json = dict[str, Any]
_STALE_NS = 5 * NS_PER_S
"""Watts that nobody has read for so long are not what is drawn now."""
_LEAST_SPAN_S = 2.0
_W_PER_MW = 1e6
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Made:
    """Tokens, as far as they are known: those of streams in flight count."""

    at_ns: int
    elapsed_s: float
    output_tokens: float
    total_tokens: float
    now: Rates
    """Of the last WINDOW_S."""


class Beside:
    """Reads small files of the run directory when asked; nothing of it in between."""

    def __init__(self, run: RunDirectory, engine: Mapping[str, Any] | None, settings: Mapping[str, Any]) -> None:
        """engine: what is known of it.  settings: the command's flags that say what a GPU-hour costs."""
        self._power, self._engine_now = PowerNow(run.power_now), EngineNow(run.engine_metrics)
        self._paid, self._gpus = _paid(engine or {}, settings), int((engine or {}).get("gpus") or 0)

    def power_w(self, at_ns: int) -> float | None:
        return self._power.watts(at_ns)

    def blocks(self, made: Made) -> Json:
        """`power`, `cost` and `engine_metrics` of a snapshot."""
        return {
            "power": self._power.block(made),
            "cost": self._cost(made),
            "engine_metrics": self._engine_now.block(made.at_ns),
        }

    def _cost(self, made: Made) -> Json | None:
        paid, gpus = self._paid, self._gpus
        if paid is None or not gpus:
            return None
        usd = paid.usd_per_gpu_hour * gpus * made.elapsed_s / _SECONDS_PER_HOUR
        dated = f", {paid.tenure} as of {paid.as_of}" if paid.as_of else f", {paid.tenure}"
        return {
            "usd": usd,
            "usd_per_million_output": usd / made.output_tokens * 1e6 if made.output_tokens else None,
            "usd_per_million_total": usd / made.total_tokens * 1e6 if made.total_tokens else None,
            "usd_per_million_output_now": usd_per_million_tokens(
                paid.usd_per_gpu_hour, _over(made.now.output_tokens_per_s, gpus)
            ),
            "price": f"{paid.usd_per_gpu_hour:g} USD/GPU-hour x {gpus} {paid.gpu_kind}{dated}",
        }


class PowerNow:
    """What the sampler, or the simulated engine, has added up (`power-now.json`), less what came before the run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before_j = (self._row() or {}).get("energy_j", 0.0)
        self._seen: deque[tuple[int, float]] = deque()

    def watts(self, at_ns: int) -> float | None:
        """Drawn now by all counted boards."""
        row = self._row()
        return None if row is None or at_ns - row["time_ns"] > _STALE_NS else row["watts"]

    def block(self, made: Made) -> Json | None:
        row = self._row()
        if row is None:
            return None
        age_ns = max(made.at_ns - row["time_ns"], 0)
        watts = None if age_ns > _STALE_NS else row["watts"]
        energy_j = max(row["energy_j"] - self._before_j, 0.0)
        drawn_w = self._drawn_w(row["time_ns"], energy_j)
        tokens_per_s = made.now.output_tokens_per_s
        return {
            "watts": watts,
            "boards": row["boards"],
            "energy_j": energy_j,
            "j_per_output_token": energy_j / made.output_tokens if made.output_tokens else None,
            "j_per_output_token_now": _over(watts if drawn_w is None else drawn_w, tokens_per_s),
            "tokens_per_s_per_mw": None if not watts or tokens_per_s is None else tokens_per_s / watts * _W_PER_MW,
            "boundary": row["boundary"],
            "source": row["source"],
            "simulated": row["simulated"],
            "age_s": age_ns / NS_PER_S,
        }

    def _drawn_w(self, time_ns: int, energy_j: float) -> float | None:
        """The mean over the window, by the counters."""
        seen = self._seen
        if not seen or time_ns > seen[-1][0]:
            seen.append((time_ns, energy_j))
        while len(seen) > 2 and time_ns - seen[1][0] >= WINDOW_S * NS_PER_S:
            seen.popleft()
        span_s = (seen[-1][0] - seen[0][0]) / NS_PER_S
        return (seen[-1][1] - seen[0][1]) / span_s if span_s >= _LEAST_SPAN_S else None

    def _row(self) -> Json | None:
        try:
            return read_now(self._path)
        except ImaxproxyError:  # not ours, or unreadable: the summary will say what is wrong with the samples
            return None


def _paid(engine: Mapping[str, Any], settings: Mapping[str, Any]) -> Paid | None:
    """On which terms; None where no GPU is named, or the table has no such price."""
    if not engine.get("gpu"):
        return None
    try:
        return Terms.of(dict(settings)).pay(str(engine["gpu"]))
    except UsageError:
        return None


def _over(amount: float | None, by: float | None) -> float | None:
    return None if amount is None or not by else amount / by
