"""What all workers captured, as one trace (`imaxproxy.trace/1`) that a replay plays as it is.

Rows stand in the order in which their requests came, from 0 ms. Made once, after the run: only then is it known how
many bytes a token takes, who followed whom, and which ids came twice.
"""

import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import orjson

from imaxproxy.proxy.blocks import BLOCK_BYTES, digests_of
from imaxproxy.proxy.captured import SOURCE
from imaxproxy.proxy.sessions import Sessions, Step
from imaxproxy.traces import TraceRow, canonical_header, canonical_line

Json = dict[str, Any]
BLOCK_TOKENS = 64
USUAL_BYTES_PER_TOKEN = 4.0
"""Of English, where no engine said how many tokens any prompt had."""
MOST_BEGINNINGS = 200_000


@dataclass(frozen=True, slots=True)
class Gathered:
    """What became of all that was captured."""

    rows: int
    left_out: dict[str, int]
    """Requests that no replay could send as they were, by why; they stand in the workers' files."""


def gather(captures: Sequence[Path], trace: Path) -> Gathered:
    """Write `trace`, whole or not at all."""
    index, ratios = _Index(), Ratios()
    for path in captures:
        for row in index.read(path):
            ratios.add(row)
    maker, rows = _RowMaker(ratios, index.first_ms()), 0
    beside = trace.with_name(f"{trace.name}.part")
    with beside.open("wb") as out:
        out.write(canonical_header({"block_size": BLOCK_TOKENS, "hash_id_scope": "global", "source": SOURCE}))
        for captured in index.in_time_order():
            made = maker.row(captured)
            if made is not None:
                out.write(canonical_line(made))
                rows += 1
    os.replace(beside, trace)
    maker.left_out.update(index.broken)
    return Gathered(rows, dict(sorted(maker.left_out.items())))


class Ratios:
    """Bytes a token, by the engines' own counts: of all prompts that begin alike together.

    It says where in a prompt a token's block ends. Prompts that share a beginning must agree on that, so they share the
    ratio; others need not, and languages differ by a factor of three.
    """

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, int]] = {}
        self._bytes = self._tokens = 0

    def add(self, row: Json) -> None:
        bytes_, tokens = row.get("prompt_bytes"), row["input_length"]
        if not bytes_ or not tokens:
            return
        beginning = _beginning(row)
        if beginning in self._of or len(self._of) < MOST_BEGINNINGS:
            before = self._of.get(beginning, (0, 0))
            self._of[beginning] = before[0] + bytes_, before[1] + tokens
        self._bytes, self._tokens = self._bytes + bytes_, self._tokens + tokens

    def bytes_per_token(self, row: Json) -> float:
        bytes_, tokens = self._of.get(_beginning(row), (self._bytes, self._tokens))
        return bytes_ / tokens if tokens else USUAL_BYTES_PER_TOKEN


def block_ids(blocks: list[int], input_tokens: int, bytes_per_token: float) -> tuple[int, ...]:
    """An id for each 64 tokens of a prompt, the last block partial: the digest of the bytes up to there.

    The place is added, so that no two of a prompt are equal where 64 tokens take less than a block of bytes. Where the
    prompt has more tokens than its bytes would say, the rest is its own: shared by equal prompts only.
    """
    last = -(-input_tokens // BLOCK_TOKENS) - 1
    ends = (-(-int((place + 1) * BLOCK_TOKENS * bytes_per_token) // BLOCK_BYTES) - 1 for place in range(last))
    return *(blocks[min(end, len(blocks) - 1)] + place for place, end in enumerate(ends)), blocks[-1] + last


class _Index:
    """Where each captured line stands, and when its request came: 17 bytes a line."""

    def __init__(self) -> None:
        self._paths: list[Path] = []
        self._of, self._at, self._ms = array("I"), array("Q"), array("d")
        self.broken: Counter[str] = Counter()

    def read(self, path: Path) -> Iterator[Json]:
        """All rows of one worker; a line that a kill cut short is none."""
        self._paths.append(path)
        at = 0
        with path.open("rb") as lines:
            for line in lines:
                row = _row_of(line)
                if row is not None:
                    self._of.append(len(self._paths) - 1)
                    self._at.append(at)
                    self._ms.append(row["timestamp"])
                    yield row
                elif line.endswith(b"\n"):
                    self.broken["unreadable"] += 1
                at += len(line)

    def first_ms(self) -> float:
        return min(self._ms, default=0.0)

    def in_time_order(self) -> Iterator[Json]:
        files: list[IO[bytes]] = [path.open("rb") for path in self._paths]
        try:
            for number in sorted(range(len(self._ms)), key=self._ms.__getitem__):
                file = files[self._of[number]]
                file.seek(self._at[number])
                row: Json = orjson.loads(file.readline())
                yield row
        finally:
            for file in files:
                file.close()


class _RowMaker:
    """Makes the trace's rows, one after the other in time order."""

    def __init__(self, ratios: Ratios, first_ms: float) -> None:
        self._ratios, self._first_ms = ratios, first_ms
        self._sessions = Sessions()
        self._ids: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()

    def row(self, captured: Json) -> TraceRow | None:
        """None for what no replay could send as it was, which is counted."""
        why = _unplayable(captured)
        if why is not None:
            self.left_out[why] += 1
            return None
        recorded, blocks = captured["recorded"], digests_of(captured.get("blocks", ""))
        ratio = self._ratios.bytes_per_token(captured)
        input_length = captured["input_length"]
        if input_length is None and captured.get("prompt_bytes"):
            input_length = max(1, round(captured["prompt_bytes"] / ratio))
            recorded["input_length_by"] = "estimate"
        output_length, extra = captured["output_length"], captured["extra"]
        if output_length is None and captured["max_tokens"]:
            extra = extra | {"max_tokens": captured["max_tokens"]}  # else a replay would have no end
        return TraceRow(
            request_id=self._unique(captured["request_id"]),
            timestamp_ms=round(captured["timestamp"] - self._first_ms, 3),
            input_length=input_length,
            output_length=output_length,
            reasoning_length=_at_most(captured["reasoning_length"], output_length),
            hash_ids=block_ids(blocks, input_length, ratio) if blocks and input_length else (),
            block_size=BLOCK_TOKENS,
            model=captured["model"],
            priority=captured["priority"],
            tags=captured["tags"] or {},
            extra=extra,
            recorded=recorded,
            **self._session(captured, blocks),
            **{key: captured[key] for key in ("url", "body", "headers") if key in captured},
        )

    def _session(self, captured: Json, blocks: list[int]) -> Json:
        if "session" not in captured:
            return {}
        step = Step(captured["session"], captured["turn"], captured["timestamp"], captured["ended"], blocks)
        session_id, turn, wait_ms = self._sessions.place(step)
        return {"session_id": session_id, "turn": turn, "delay_ms": None if wait_ms is None else round(wait_ms, 3)}

    def _unique(self, request_id: str) -> str:
        """A client may send one id twice; a replay waits for requests by their ids."""
        self._ids[request_id] += 1
        times = self._ids[request_id]
        return request_id if times == 1 else self._unique(f"{request_id}.{times}")


def _unplayable(captured: Json) -> str | None:
    if captured["recorded"]["outcome"] == "failed" and not captured["output_length"]:
        return "unanswered"  # refused, or no engine was there: no load
    if "body" in captured:
        return None
    if captured["input_length"] is None and not captured.get("prompt_bytes"):
        return "prompt unknown"
    if captured["output_length"] is None and not captured["max_tokens"]:
        return "output unknown"
    return None


def _row_of(line: bytes) -> Json | None:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return row if line.endswith(b"\n") and isinstance(row, dict) and "timestamp" in row else None


def _beginning(row: Json) -> str:
    """The first block, or the whole of a shorter prompt."""
    return str(row.get("blocks", ""))[:12]


def _at_most(tokens: int | None, most: int | None) -> int | None:
    return None if tokens is None or most is None else min(tokens, most)
