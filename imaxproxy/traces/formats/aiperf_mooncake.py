"""AIPerf's mooncake_trace with sessions: each row of a session is a *new turn*, on top of all that was said before.

So its lengths and hashes are those of the new part alone (ai-dynamo/dynamo issue 14254: many read them as the whole
prompt). `aiperf synthesize agentic-code` writes such files. Rows that give text are canonical: the names are the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from imaxproxy.traces.canonical import CanonicalReader
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import DEFAULT_BLOCK_TOKENS, TraceRow

_OWN_IDS_FROM = 1 << 43
"""Blocks of what a session adds have no id in the file; public ids stay below."""
_SESSION_SHIFT = 20


def are_aiperf_mooncake(records: Sequence[Mapping[str, Any]]) -> bool:
    """Later rows of a session begin with other blocks than its first: what came before is not in them."""
    first_ids: dict[object, object] = {}
    deltas = 0
    for record in records:
        ids = record.get("hash_ids")
        if "session_id" not in record or not isinstance(ids, list) or "input_length" not in record:
            return False
        if record["session_id"] not in first_ids:
            first_ids[record["session_id"]] = ids[:1]
        elif ids[:1] == first_ids[record["session_id"]]:
            return False
        else:
            deltas += 1
    return deltas > 0


@dataclass
class _Session:
    """What was said so far."""

    number: int
    blocks: tuple[int, ...]
    """Whole blocks of the first prompt."""
    tokens: int
    """Of all prompts' new parts, and of the answers."""


class AiperfMooncakeReader(RowReader):
    """Gives rows of whole prompts. A session's first blocks keep their ids; what it adds are blocks of its own."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._rows = CanonicalReader({})
        self._sessions: dict[str, _Session] = {}

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        row = self._rows.row(record, place)
        self.clamped = self._rows.clamped
        new, answer = row.input_length or 0, row.output_length or 0
        name = row.session_id or row.request_id
        session = self._sessions.get(name)
        if session is None:
            whole = row.hash_ids[: new // DEFAULT_BLOCK_TOKENS]
            self._sessions[name] = _Session(len(self._sessions), whole, new + answer)
            return (replace(row, hash_ids=whole),)
        total = session.tokens + new
        session.tokens = total + answer
        own = range(len(session.blocks), total // DEFAULT_BLOCK_TOKENS)
        ids = session.blocks + tuple(_OWN_IDS_FROM | session.number << _SESSION_SHIFT | place for place in own)
        return (replace(row, input_length=total, hash_ids=ids, block_size=DEFAULT_BLOCK_TOKENS),)
