"""When generated sessions start: stamps for an open loop; without, a trace for `--concurrency` or `--rate`."""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from imaxproxy.metrics import WARMUP
from imaxproxy.traces.generate.common import Session
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.row import TraceRow

_PROCESSES = ("constant", "poisson", "gamma")


@dataclass(frozen=True)
class SessionStarts:
    """Gaps between the starts of sessions: all equal, exponential, or gamma with a CV."""

    process: str
    rate_per_s: float
    cv: float

    @classmethod
    def parse(cls, table: Table) -> "SessionStarts":
        process = table.choice("process", _PROCESSES, "poisson")
        cv = table.number("cv", least=1e-3, most=100) if process == "gamma" else 1.0
        starts = cls(process, table.number("rate_per_s", least=1e-6), cv)
        table.close()
        return starts

    def stamp(self, sessions: Iterable[Session], seed: int) -> Iterator[TraceRow]:
        """All rows in the order of their stamps; only sessions that overlap are held at once.

        A later turn is stamped with the earliest time at which it may be sent: the session's start and the waits so
        far. Warm-ups have no place on the time line: they come at 0, before all others.
        """
        open_rows: list[tuple[float, int, int, TraceRow]] = []
        for number, (start_ms, rows) in enumerate(self._started(sessions, seed)):
            while open_rows and open_rows[0][0] <= start_ms:
                yield heapq.heappop(open_rows)[-1]
            for place, row in enumerate(_stamped(rows, start_ms)):
                heapq.heappush(open_rows, (row.timestamp_ms or 0.0, number, place, row))
        while open_rows:
            yield heapq.heappop(open_rows)[-1]

    def _started(self, sessions: Iterable[Session], seed: int) -> Iterator[tuple[float, Session]]:
        draws, at_s = Draws(seed, "arrivals"), 0.0
        for rows in sessions:
            if rows and rows[0].request_kind == WARMUP:
                yield 0.0, rows
            else:
                yield round(at_s * 1000, 3), rows
                at_s += self._gap_s(draws)

    def _gap_s(self, draws: Draws) -> float:
        mean_s = 1.0 / self.rate_per_s
        if self.process == "constant":
            return mean_s
        if self.process == "poisson":
            return draws.exponential(mean_s)
        shape = 1.0 / self.cv**2
        return mean_s * draws.gamma(shape) / shape


def _stamped(rows: Session, start_ms: float) -> Iterator[TraceRow]:
    at_ms: dict[str, float] = {}
    last: dict[str | None, str] = {}
    for row in rows:
        before = row.wait_for or tuple(filter(None, [last.get(row.session_id)]))
        stamp = max((at_ms[name] for name in before), default=start_ms) + row.wait_ms
        at_ms[row.request_id], last[row.session_id] = stamp, row.request_id
        yield replace(row, timestamp_ms=round(stamp, 3))
