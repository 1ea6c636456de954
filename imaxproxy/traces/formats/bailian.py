"""Qwen-Bailian's usage traces (alibaba-edu/qwen-bailian-usagetraces-anon): seconds, blocks of 16 tokens, parent links.

A row's input is its whole context already. What the next turn's context lacks of the answer before is the reasoning:
the application strips it, and the hashes show it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowPerRecord
from imaxproxy.traces.row import TraceRow

BLOCK_TOKENS = 16
_CHATS_KEPT = 1 << 20
"""A parent further back than this many rows counts as missing: memory stays bounded."""


def is_bailian(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"chat_id", "parent_chat_id", "timestamp", "input_length", "output_length"}


class BailianReader(RowPerRecord):
    """A session is the chain of parents up to its root; a parent that the sample lacks makes the row a root."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._roots: OrderedDict[str, str] = OrderedDict()

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(record)
        chat, parent = fields.key("chat_id"), _parent(fields)
        known_parent = parent if parent in self._roots else None
        input_length, hash_ids = fields.tokens("input_length"), fields.ids("hash_ids") or ()
        if input_length is None:
            raise bad_field("input_length", "a whole number of tokens", None)
        _check_count(len(hash_ids), input_length)
        turn = fields.whole("turn", 1, 2**31)
        kind = fields.name("type")
        return TraceRow(
            request_id=chat,
            session_id=self._root(chat, known_parent),
            turn=None if turn is None else turn - 1,
            wait_for=() if known_parent is None else (known_parent,),
            timestamp_ms=fields.seconds_as_ms("timestamp"),
            input_length=self.clamp(input_length),
            output_length=self.length(fields, "output_length"),
            hash_ids=hash_ids,
            block_size=BLOCK_TOKENS,
            tags={} if kind is None else {"type": kind},
            unknown=fields.left(),
        )

    def _root(self, chat: str, parent: str | None) -> str:
        if chat in self._roots:
            raise BadRow(f"field `chat_id`: expected one that no row had before, found {chat}")
        root = self._roots[chat] = chat if parent is None else self._roots[parent]
        if len(self._roots) > _CHATS_KEPT:
            self._roots.popitem(last=False)
        return root


def _parent(fields: Fields) -> str | None:
    """-1 says that there is none."""
    parent = fields.key("parent_chat_id")
    return None if parent == "-1" else parent


def _check_count(blocks: int, input_length: int) -> None:
    expected = -(-input_length // BLOCK_TOKENS)
    if blocks not in (0, expected):
        raise BadRow(
            f"field `hash_ids`: expected {expected} ids, one for each {BLOCK_TOKENS} tokens of `input_length` "
            f"{input_length} (rounded up), found {blocks}"
        )
