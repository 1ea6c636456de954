"""HTTP/1.1 and SSE as bytes, one module for each API dialect, and the connection to an engine that measures them."""

from imaxproxy.wire.base_url import BaseUrl
from imaxproxy.wire.chat import CHAT
from imaxproxy.wire.completions import COMPLETIONS
from imaxproxy.wire.connection import EngineConnection
from imaxproxy.wire.dialect import Dialect
from imaxproxy.wire.engine_dialect import ENGINE_DIALECTS, UNKNOWN, VLLM, EngineDialect, LengthField, known_dialect
from imaxproxy.wire.event_texts import EventText, event_texts
from imaxproxy.wire.head import HeadReader, ResponseHead, dropped_headers
from imaxproxy.wire.kept import KeptBudget
from imaxproxy.wire.key import HIDDEN, SECRET_HEADERS, hidden, keyless, shown
from imaxproxy.wire.messages import MESSAGES
from imaxproxy.wire.pool import Pool
from imaxproxy.wire.question import Answered, Forward, Onward, Question
from imaxproxy.wire.reception import Reception, due
from imaxproxy.wire.responses import RESPONSES
from imaxproxy.wire.splice import gap_counter, hot_path, read_stamps

DIALECTS: dict[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/v1/completions": COMPLETIONS,
    "/v1/messages": MESSAGES,
    "/v1/responses": RESPONSES,
}
"""By path; other paths are passed through and timed as a whole."""

__all__ = [
    "CHAT",
    "COMPLETIONS",
    "DIALECTS",
    "ENGINE_DIALECTS",
    "HIDDEN",
    "MESSAGES",
    "RESPONSES",
    "SECRET_HEADERS",
    "UNKNOWN",
    "VLLM",
    "Answered",
    "BaseUrl",
    "Dialect",
    "EngineConnection",
    "EngineDialect",
    "EventText",
    "Forward",
    "HeadReader",
    "KeptBudget",
    "LengthField",
    "Onward",
    "Pool",
    "Question",
    "Reception",
    "ResponseHead",
    "dropped_headers",
    "due",
    "event_texts",
    "gap_counter",
    "hidden",
    "hot_path",
    "keyless",
    "known_dialect",
    "read_stamps",
    "shown",
]
