"""The bytes of a scheduled request, with what the load adds to its row: waits, cancellations, a live history."""

from dataclasses import dataclass, replace

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.load.cancel import Cancel, leaves_after
from imaxproxy.load.feeding import Turn
from imaxproxy.load.item import Item
from imaxproxy.load.live_history import LiveHistory
from imaxproxy.metrics import WARMUP
from imaxproxy.traces import Endpoint, History, Prompts, build_request
from imaxproxy.wire import VLLM, BaseUrl, EngineDialect


@dataclass(frozen=True, slots=True)
class Asking:
    """How rows are asked: of whom, for which model, by which API."""

    url: BaseUrl
    model: str
    endpoint: Endpoint = "chat"
    api_key: str | None = None
    live: bool = False
    """Conversations go on with what the engine answered, not with what the trace recorded."""
    dialect: EngineDialect = VLLM
    """What the engine takes beyond OpenAI's fields."""
    continuous_usage: bool = False
    """Each event is to tell how many tokens have come."""


class ItemMaker:
    """Makes items of turns; hand it those of a session in their order."""

    def __init__(
        self,
        asking: Asking,
        prompts: Prompts,
        speed: float = 1.0,
        cancel: Cancel | None = None,
    ) -> None:
        self._asking, self._prompts, self._speed = asking, prompts, speed
        self._cancel = cancel
        self._history = History()
        self.live = LiveHistory()
        self._head = (
            f"Host: {asking.url.authority}\r\nUser-Agent: imaxproxy\r\nAccept: text/event-stream\r\n"
            "Content-Type: application/json\r\n"
        ).encode()
        if asking.api_key:
            self._head += f"Authorization: Bearer {asking.api_key}\r\n".encode()

    def item(self, turn: Turn) -> Item:
        """Raises UsageError for a row that cannot be sent."""
        row, asking = turn.row, self._asking
        request = build_request(
            self.live.row(row, turn.previous, turn.answer) if asking.live else row,
            model=asking.model,
            endpoint=asking.endpoint,
            prompts=self._prompts,
            history=self._history,
            extras=asking.dialect.extras,
            length_field=asking.dialect.length_field,
            continuous_usage=asking.continuous_usage,
        )
        tokens, after_ns = leaves_after(row, self._cancel)
        return Item(
            request_id=request.request_id,
            path=request.path,
            data=self._bytes(request.path, request.request_id, request.body),
            offset_ns=turn.offset_ns,
            session_id=row.session_id,
            wait_for=turn.follows,
            wait_ns=round(row.wait_ms * NS_PER_MS / self._speed),
            input_tokens=request.input_tokens,
            output_tokens=request.output_tokens,
            cancel_after_tokens=tokens,
            cancel_after_ns=after_ns,
            tell_end=asking.live and row.session_id is not None,
            keep_answer=asking.live and row.session_id is not None and bool(row.messages),
            kind=WARMUP if row.request_kind == WARMUP else None,
        )

    def item_before_start(self, turn: Turn) -> Item:
        """As `item`, of a warm-up: it is sent at once, and the schedule begins behind it."""
        return replace(self.item(turn), offset_ns=None, wait_ns=0, before_start=True)

    def _bytes(self, path: str, request_id: str, body: bytes) -> bytes:
        if not request_id.isprintable() or not request_id.isascii():
            raise UsageError(f"request_id {request_id!r} cannot stand in a header; use printable ASCII")
        if not path.isprintable() or not path.isascii() or " " in path:
            raise UsageError(f"request {request_id}: the path {path!r} cannot stand in a request; percent-encode it")
        head = (
            f"POST {self._asking.url.prefix}{path} HTTP/1.1\r\nX-Request-ID: {request_id}\r\n"
            f"Content-Length: {len(body)}\r\n"
        )
        return head.encode() + self._head + b"\r\n" + body
