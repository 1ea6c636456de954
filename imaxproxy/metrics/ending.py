"""How an exchange ended, in a word: finer than its Outcome, coarser than the name of its error."""

from enum import StrEnum


class Outcome(StrEnum):
    """Every exchange has exactly one."""

    COMPLETED = "completed"
    FAILED = "failed"
    """No usable answer: refused, an HTTP error, an error event, bytes that are not SSE."""
    ABORTED = "aborted"
    """Somebody on our side left: the client of the proxy, or the player when it was stopped."""
    TRUNCATED = "truncated"
    """The answer began and its end never came."""


class Ending(StrEnum):
    """Every exchange has exactly one. `docs/metrics.md` says which outcome each belongs to."""

    COMPLETE = "complete"
    NO_TERMINATOR = "no_terminator"
    """The finish reason came, the dialect's own end (`[DONE]`, `message_stop`) did not."""
    NO_FINISH_REASON = "no_finish_reason"
    """The dialect's own end came, and a choice had given no finish reason."""
    NO_END = "no_end"
    """The body ended well with neither."""
    BROKEN_OFF = "broken_off"
    """The engine gave the request up and says so as its finish reason (`abort`, `error`, `content_filter`)."""
    CUT = "cut"
    RESET = "reset"
    ERROR_EVENT = "error_event"
    """An error object inside a stream."""
    ERROR_ANSWER = "error_answer"
    """An error status, or a whole body that is an error object."""
    UNREADABLE = "unreadable"
    """Bytes that are not HTTP, not chunks, or not this API's JSON."""
    TIMEOUT_CONNECT = "timeout_connect"
    TIMEOUT_FIRST_BYTE = "timeout_first_byte"
    TIMEOUT_IDLE = "timeout_idle"
    """Between two reads of a response."""
    TIMEOUT_TOTAL = "timeout_total"
    NOT_CONNECTED = "not_connected"
    NO_RESPONSE = "no_response"
    """The engine closed the connection without a response head."""
    NOT_ASKED = "not_asked"
    """No engine was asked: the request was turned away, or never sent."""
    CLIENT_LEFT = "client_left"
    """The proxy's client closed its connection, or a user of the load left as planned."""
    STOPPED = "stopped"
    """We aborted it: the run, or the proxy, was stopped."""


class Flag(StrEnum):
    """What was odd about an exchange without deciding its outcome; it may have several."""

    BAD_EVENT = "bad_event"
    """An event that is not JSON, or not this API's, in a stream of which others could be read."""
    NO_DONE = "no_done"
    """Complete but for the dialect's own end."""
    NO_USAGE = "no_usage"
    """Usage was asked for, or is part of the dialect, and an answer that completed had none."""
    USAGE_MISMATCH = "usage_mismatch"
    """The engine's total is not the sum of what it said event by event."""
    DUPLICATE_USAGE = "duplicate_usage"
    OUT_OF_ORDER = "out_of_order"
    """A `sequence_number` that is not the last one's successor."""
    UNREAD_ENCODING = "unread_encoding"
    """The body was compressed in a way that cannot be read here: it was relayed and timed as a whole."""


_CLOCKS = ("connect", "first_byte", "idle")
_UNREADABLE = frozenset({"bad_head", "bad_chunk", "excess_body", "event_too_long", "malformed_event", "malformed_body"})
_SAME_NAME = frozenset(
    {"no_finish_reason", "no_end", "cut", "reset", "error_event", "no_response", "client_left", "stopped"}
)


def ending_of(outcome: Outcome, error: str | None, flags: tuple[Flag, ...] = ()) -> Ending:
    """The ending that an outcome, the name of its error and its flags come to."""
    if outcome is Outcome.COMPLETED or error is None:
        return Ending.NO_TERMINATOR if Flag.NO_DONE in flags else Ending.COMPLETE
    if error in _SAME_NAME:
        return Ending(error)
    if "timeout" in error and error != "body_timeout":  # which is the client's own
        return next((Ending(f"timeout_{clock}") for clock in _CLOCKS if clock in error), Ending.TIMEOUT_TOTAL)
    if error == "cancelled":  # the load's user left, as its trace or --cancel says
        return Ending.CLIENT_LEFT
    if error in _UNREADABLE:
        return Ending.UNREADABLE
    if error.startswith("connect_"):
        return Ending.NOT_CONNECTED
    if error.startswith("finish_"):
        return Ending.BROKEN_OFF
    if error.startswith("http_") or error == "error_body":
        return Ending.ERROR_ANSWER
    return Ending.NOT_ASKED
