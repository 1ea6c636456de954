"""What a request is known by on its whole way: `X-Request-ID`, and the W3C trace it belongs to."""

import random
import re
from dataclasses import dataclass

from multidict import CIMultiDictProxy

from imaxproxy.proxy.shown_keys import holds_key

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
"""Others, and one that holds a key, are replaced: they would stand in journals, logs and engines' response ids."""
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[!-~]*)?")
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


@dataclass(frozen=True, slots=True)
class Marks:
    """Both ids, and what has to be changed in the headers for the engine to get them."""

    request_id: str
    trace_id: str
    dropped: frozenset[bytes] = frozenset()
    """Names of headers that do not travel on."""
    added: tuple[bytes, ...] = ()
    """Header lines."""

    @classmethod
    def of(cls, headers: CIMultiDictProxy[str]) -> "Marks":
        """Those that the client sent, where they are well-formed; else new ones."""
        request_id, trace_id = _sent_id(headers), _sent_trace(headers)
        if request_id is not None and trace_id is not None:
            return cls(request_id, trace_id)
        dropped: frozenset[bytes] = frozenset()
        added: tuple[bytes, ...] = ()
        if request_id is None:
            request_id = f"{random.getrandbits(128):032x}"
            dropped, added = _ID_HEADERS, (b"X-Request-ID: " + request_id.encode(),)
        if trace_id is None:
            trace_id = f"{random.getrandbits(128) or 1:032x}"
            dropped |= _TRACE_HEADERS
            # 01, sampled: what an engine that traces does with requests that belong to no trace
            added += (f"traceparent: 00-{trace_id}-{random.getrandbits(64) or 1:016x}-01".encode(),)
        return cls(request_id, trace_id, dropped, added)


_ID_HEADERS = frozenset({b"x-request-id"})
_TRACE_HEADERS = frozenset({b"traceparent", b"tracestate"})
"""A tracestate without its traceparent means nothing (W3C Trace Context, section 3.3.1)."""


def _sent_id(headers: CIMultiDictProxy[str]) -> str | None:
    sent = headers.getall("X-Request-ID", ())
    if len(sent) != 1 or not _REQUEST_ID.fullmatch(sent[0]) or holds_key(sent[0], headers):
        return None
    return sent[0]


def _sent_trace(headers: CIMultiDictProxy[str]) -> str | None:
    """The trace's id, of a `traceparent` that is valid (W3C Trace Context, section 3.2)."""
    sent = headers.getall("traceparent", ())
    found = _TRACEPARENT.fullmatch(sent[0]) if len(sent) == 1 else None
    if found is None:
        return None
    version, trace_id, span_id, more = found.groups()
    if version == "ff" or (version == "00" and more) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return trace_id
