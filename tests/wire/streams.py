"""Recorded answers of real engines (tests/data/wire), put on the wire again in any framing and any cut.

Run as a script it writes `tests/data/wire/expected.json` anew: what each of them means, for review as a diff.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from imaxproxy.errors import WireError
from imaxproxy.metrics import Ask, Exchange
from imaxproxy.wire import DIALECTS, Dialect, HeadReader, Reception

FOLDER = Path(__file__).parents[1] / "data" / "wire"
EXPECTED = FOLDER / "expected.json"
FRAMINGS = ("event", "three", "line", "odd", "until_close", "length")
ASK = Ask("r", "/v1/chat/completions", started_ns=0, sent_ns=0, dialect="chat")
READ_NS = 1000
"""Read i came at (i + 1) * READ_NS."""

_LINE = re.compile(rb"\[ *\d+\.\d+\] (.*)\n")


@dataclass(frozen=True, slots=True)
class Recorded:
    """One recorded answer: its head's parts and its body without framing."""

    name: str
    path: str
    status: bytes
    headers: tuple[bytes, ...]
    body: bytes
    aborted: bool
    request: bytes = b"{}"
    """The body of the request."""

    @classmethod
    def load(cls, name: str) -> "Recorded":
        data = (FOLDER / f"{name}.txt").read_bytes()
        if not data.startswith(b"# "):  # the raw body of a chat stream
            return cls(name, "/v1/chat/completions", b"200 OK", (b"content-type: text/event-stream",), data, False)
        lines = data.splitlines(keepends=True)
        path = lines[0].split()[2].decode()
        status = next(line for line in lines if b" status: HTTP " in line).partition(b"HTTP ")[2].strip()
        start = next(i for i, line in enumerate(lines) if b" status: HTTP " in line) + 1
        end = next(i for i, line in enumerate(lines) if line.startswith(b"# end t="))
        headers = [line[2:].strip() for line in lines[start:end] if line.startswith(b"# ") and b": " in line]
        headers = [header for header in headers if not header.lower().startswith((b"transfer-", b"content-length"))]
        body_lines = [line for line in lines[start:end] if not line.startswith(b"# ")]
        streamed = any(b"text/event-stream" in header for header in headers)
        pieces = [_LINE.fullmatch(line).group(1) + b"\n" for line in body_lines] if streamed else body_lines
        body = b"".join(pieces)
        body = body if streamed else body[:-1]
        asked = next((line for line in lines[:start] if line.startswith(b"# request-body: ")), b"")
        request = asked.removeprefix(b"# request-body: ").removesuffix(b"\n")
        return cls(name, path, status, tuple(headers), body, b"# CLIENT ABORTS" in data, request)

    @property
    def streamed(self) -> bool:
        return any(b"text/event-stream" in header for header in self.headers)

    @property
    def dialect(self) -> Dialect | None:
        return DIALECTS.get(self.path)

    def head(self, framing: str) -> bytes:
        """The response's head, with the headers that this framing needs."""
        more = {"until_close": [], "length": [b"Content-Length: %d" % len(self.body)]}
        lines = [b"HTTP/1.1 " + self.status, *self.headers, *more.get(framing, [b"Transfer-Encoding: chunked"])]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def chunks(self, framing: str) -> list[bytes]:
        """The body as the engine would write it; joined, these are the bytes on the wire."""
        if framing in ("until_close", "length"):
            return [self.body] if self.body else []
        pieces = list(_pieces(self.body, framing))
        end = [] if self.aborted else [b"0\r\n\r\n"]
        return [chunk(piece) for piece in pieces if piece] + end

    def bytes(self, framing: str) -> bytes:
        return b"".join(self.chunks(framing))


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def chunk(payload: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(payload), payload)


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """The data in pieces that end at these places."""
    bounds = sorted({0, len(data), *(place for place in places if 0 < place < len(data))})
    return [data[a:b] for a, b in pairwise(bounds)]


def receive(recorded: Recorded, framing: str, reads: Sequence[bytes], batch: int = 64) -> Exchange:
    """The Exchange that these reads of the body come to, looked at in batches of so many."""
    parsed = HeadReader().feed(recorded.head(framing))
    assert parsed is not None
    reception = Reception(parsed[0], 0, recorded.dialect)
    broken = feed(reception, reads, batch)
    if broken is None and not reception.done:
        broken = reception.at_eof(reset=False)
    return reception.close(ASK, (len(reads) + 1) * READ_NS, broken, "client_left" if recorded.aborted else None)


def feed(reception: Reception, reads: Sequence[bytes], batch: int) -> WireError | None:
    try:
        for index, data in enumerate(reads):
            reception.times_ns.append((index + 1) * READ_NS)
            reception.reads.append(data)
            if (index + 1) % batch == 0:
                reception.digest()
        reception.digest()
    except WireError as error:
        return error
    return None


def facts(exchange: Exchange) -> dict[str, Any]:
    """Everything that does not depend on when which bytes came."""
    usage = exchange.usage
    return {
        "outcome": exchange.outcome.value,
        "error": exchange.error,
        "ending": exchange.ending.value,
        "flags": [flag.value for flag in exchange.flags],
        "detail": exchange.detail,
        "status": exchange.status,
        "streamed": exchange.streamed,
        "model": exchange.model,
        "finish_reason": exchange.finish_reason,
        "counted_by": exchange.counted_by.value,
        "usage": [usage.input_tokens, usage.output_tokens, usage.reasoning_tokens, usage.cached_tokens],
        "kinds": "".join(" rct"[kind] for kind in exchange.timeline.kinds),
        "tokens": exchange.timeline.tokens if exchange.timeline.counted else None,
    }


def _pieces(body: bytes, framing: str) -> Iterator[bytes]:
    if framing == "odd":
        yield from cut(body, range(0, len(body), 7))
        return
    events = [event for event in re.split(rb"(?<=\n\n)", body) if event]
    step = {"event": 1, "three": 3, "line": 1}[framing]
    for at in range(0, len(events), step):
        group = b"".join(events[at : at + step])
        yield from re.split(rb"(?<=\n)", group) if framing == "line" else [group]


def found(name: str) -> dict[str, Any]:
    """What one recording means, read whole."""
    recorded = Recorded.load(name)
    return facts(receive(recorded, "event", recorded.chunks("event")))


if __name__ == "__main__":
    rows = {name: found(name) for name in names()}
    lines = [f"{json.dumps(name)}: {json.dumps(row, ensure_ascii=False)}" for name, row in rows.items()]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(f"wrote {EXPECTED.name}: {len(rows)} streams")
