"""Which request leaves when, drawn before the run: open loop by the trace or by a rate, or a closed loop."""

from collections.abc import Iterable, Iterator

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.load.item import Item
from imaxproxy.traces import Arrivals, Endpoint, History, Prompts, Recorded, TraceRow, build_request
from imaxproxy.wire import BaseUrl

Scheduled = Iterable[tuple[int | None, TraceRow]]


def by_trace(rows: Iterable[TraceRow], speed: float, spread_ms: float, seed: int) -> Scheduled:
    """The trace's own timestamps, `speed` times as fast."""
    return Recorded(rows, speed, spread_ms, seed).scheduled()


def by_arrivals(rows: Iterable[TraceRow], arrivals: Arrivals) -> Scheduled:
    """The trace's requests in file order, at the times of an arrival process."""
    return zip(arrivals.offsets_ns(), rows, strict=False)


def closed_loop(rows: Iterable[TraceRow]) -> Scheduled:
    """Each as soon as a place is free."""
    return ((None, row) for row in rows)


class ItemMaker:
    """Makes the bytes of each scheduled request."""

    def __init__(
        self, url: BaseUrl, model: str, endpoint: Endpoint, prompts: Prompts, api_key: str | None, speed: float
    ) -> None:
        self._url, self._model, self._endpoint, self._prompts = url, model, endpoint, prompts
        self._history = History()
        self._speed = speed
        self._last_of_session: dict[str, str] = {}
        self._head = (
            f"Host: {url.authority}\r\nUser-Agent: imaxproxy\r\nAccept: text/event-stream\r\n"
            "Content-Type: application/json\r\n"
        ).encode()
        if api_key:
            self._head += f"Authorization: Bearer {api_key}\r\n".encode()

    def items(self, scheduled: Scheduled) -> Iterator[Item]:
        """Yield items in the schedule's order. Raises UsageError for a row that cannot be sent."""
        for offset_ns, row in scheduled:
            request = build_request(
                row, model=self._model, endpoint=self._endpoint, prompts=self._prompts, history=self._history
            )
            yield Item(
                request_id=request.request_id,
                path=request.path,
                data=self._bytes(request.path, request.request_id, request.body),
                offset_ns=offset_ns,
                session_id=row.session_id,
                wait_for=self._wait_for(row),
                wait_ns=round(row.wait_ms * NS_PER_MS / self._speed),
                input_tokens=request.input_tokens,
                output_tokens=request.output_tokens,
            )

    def _wait_for(self, row: TraceRow) -> tuple[str, ...]:
        """What the row names, else the row before it in its session."""
        before = None
        if row.session_id is not None:
            before = self._last_of_session.get(row.session_id)
            self._last_of_session[row.session_id] = row.request_id
        return row.wait_for or ((before,) if before is not None else ())

    def _bytes(self, path: str, request_id: str, body: bytes) -> bytes:
        if not request_id.isprintable() or not request_id.isascii():
            raise UsageError(f"request_id {request_id!r} cannot stand in a header; use printable ASCII")
        if not path.isprintable() or not path.isascii() or " " in path:
            raise UsageError(f"request {request_id}: the path {path!r} cannot stand in a request; percent-encode it")
        head = (
            f"POST {self._url.prefix}{path} HTTP/1.1\r\nX-Request-ID: {request_id}\r\nContent-Length: {len(body)}\r\n"
        )
        return head.encode() + self._head + b"\r\n" + body
