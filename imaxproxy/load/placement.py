"""Which worker plays which row: single rows in turn, sessions whole, and together whatever waits for each other."""

from collections import OrderedDict
from collections.abc import Iterator

from imaxproxy.errors import UsageError
from imaxproxy.load.player import REMEMBERED
from imaxproxy.load.schedule import Scheduled
from imaxproxy.traces import TraceRow


class Placement:
    """Deals rows out in the schedule's order. Every worker deals for itself, and all come to the same."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._next = 0
        self._of_request: OrderedDict[str, int] = OrderedDict()
        self._of_session: dict[str, int] = {}

    def part(self, scheduled: Scheduled, worker: int) -> Iterator[tuple[int | None, TraceRow]]:
        """One worker's part; all parts together are the schedule, none missing, none twice."""
        if self._workers == 1:
            yield from scheduled
            return
        for offset_ns, row in scheduled:
            if self.worker_of(row) == worker:
                yield offset_ns, row

    def worker_of(self, row: TraceRow) -> int:
        """Raises UsageError for a row that ties together what other workers play already."""
        known = {self._of_request[name] for name in (row.request_id, *row.wait_for) if name in self._of_request}
        known |= {
            self._of_session[name] for name in (row.session_id, row.parent_session_id) if name in self._of_session
        }
        if len(known) > 1:
            raise UsageError(
                f"request {row.request_id} waits for sessions that different workers play: name their common "
                "parent_session_id in the trace, or pass --workers 1"
            )
        worker = known.pop() if known else self._deal()
        self._remember(row, worker)
        return worker

    def _deal(self) -> int:
        worker, self._next = self._next, (self._next + 1) % self._workers
        return worker

    def _remember(self, row: TraceRow, worker: int) -> None:
        for session in (row.session_id, row.parent_session_id):
            if session is not None:
                self._of_session[session] = worker
        for name in (row.request_id, *row.wait_for):
            self._of_request[name] = worker
        while len(self._of_request) > REMEMBERED:
            self._of_request.popitem(last=False)
