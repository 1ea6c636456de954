"""What each of several machines of a run saw by itself: its requests, its lateness, whether it differs from the rest.

No figure here compares two machines' clocks: each is a difference of times on one.
"""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from imaxproxy.metrics import MeterHealth
from imaxproxy.runs.share_sums import ShareSums
from imaxproxy.runs.shares import Loss, Record, start_error_ms

LEAST_REQUESTS = 20
"""A median of fewer says nothing of a machine."""
SLOW_RATIO, SLOW_MS = 1.25, 2.0
"""A machine is slow whose median is so many times that of the others, and so many ms above it."""


class ShareView:
    """What the summary says of the shares of a run."""

    def __init__(self, records: Sequence[Record], loss: Loss | None, sums: ShareSums) -> None:
        self._records, self._loss = list(records), loss
        self._parts = {int(record["index"]): sums.of_workers(record["workers"]) for record in self._records}

    def stats(self, health: MeterHealth) -> dict[str, Any]:
        """`shares` of summary.json."""
        slow = self._slow()
        return {
            "of": self._records[0]["of"],
            "start_error_ms": start_error_ms(self._records),
            "start_by": self._records[0]["start"]["by"],
            "lost": None if self._loss is None else self._loss.as_dict(),
            "parts": [self._row(record, health, slow.get(int(record["index"]))) for record in self._records],
        }

    def reasons(self) -> list[str]:
        """Why the meter of this run is not to be believed: what was lost, and a start that nobody can vouch for."""
        found = []
        if self._loss is not None and self._loss.is_over_limit:
            found.append(str(self._loss))
        if start_error_ms(self._records) is None:
            unkept = sorted({str(r["host"]) for r in self._records if r["start"]["error_ms"] is None})
            found.append(
                f"nobody keeps the wall clock of {', '.join(unkept)} (no NTP client): the shares may have begun apart "
                "by an unknown time"
            )
        return found

    def _row(self, record: Record, health: MeterHealth, slow: str | None) -> dict[str, Any]:
        part = self._parts[int(record["index"])]
        own = health.of_workers(record["workers"])
        return {
            "index": record["index"],
            "host": record["host"],
            "node": record.get("node"),
            "workers": record["workers"],
            "ended": record.get("ended"),
            "requests": part.requests,
            "completed": part.completed,
            "ttft_ms": part.ttft_ms.stats(),
            "send_lag_ms": part.send_lag_ms.stats(),
            "loop_lag_ms": own.lag.stats(),
            "cpu_share": own.cpu_share,
            "slow": slow,
        }

    def _slow(self) -> dict[int, str]:
        """Shares whose median is far above the median of the others', with what it is."""
        found: dict[int, str] = {}
        for name, said in (("ttft_ms", "TTFT"), ("send_lag_ms", "send lag")):
            medians = {
                index: float(histogram.stats()["p50"] or 0.0)
                for index, part in self._parts.items()
                if (histogram := getattr(part, name)).total >= LEAST_REQUESTS
            }
            for index, others_ms in slow_ones(medians).items():
                told = f"median {said} {medians[index]:.1f} ms, the others' {others_ms:.1f}"
                found[index] = f"{found[index]}; {told}" if index in found else told
        return found


def slow_ones(medians_ms: Mapping[int, float]) -> dict[int, float]:
    """Which of them lie far above the rest, with the median of the rest, ms."""
    found = {}
    for index, median_ms in medians_ms.items():
        rest = [other for key, other in medians_ms.items() if key != index]
        if not rest:
            continue
        others_ms = statistics.median(rest)
        if median_ms > SLOW_RATIO * others_ms and median_ms > others_ms + SLOW_MS:
            found[index] = others_ms
    return found
