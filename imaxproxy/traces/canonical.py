"""Our own trace format, `imaxproxy.trace/1`: every field of a row, read from and written to JSON lines.

An optional first line, known by its key `schema`, gives defaults for the whole file. Keys that other tools use for
the same thing are read as aliases; keys that nobody knows are kept in `unknown`.
"""

from collections.abc import Mapping
from dataclasses import fields as dataclass_fields
from typing import Any

import orjson

from imaxproxy.traces.fields import MAX_ID, MAX_TOKENS, BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowPerRecord, RowReader
from imaxproxy.traces.row import DEFAULT_BLOCK_TOKENS, UNSAID, HashIdScope, MessagesMode, OutputMode, TraceRow

SCHEMA = "imaxproxy.trace/1"

ALIASES = {
    "custom_id": "request_id",  # OpenAI Batch
    "input_tokens": "input_length",  # TraceLab, Dynamo
    "output_tokens": "output_length",
    "created_time": "timestamp",  # Dynamo
    "delay_ms": "delay",
    "payload": "body",  # AIPerf
    "input_text": "text_input",
}
_CONTENT = ("input_length", "body", "messages", "prompt", "text_input")
_WRITTEN_NAMES = {"timestamp_ms": "timestamp", "delay_ms": "delay"}
_SCOPES: tuple[HashIdScope, ...] = ("global", "session")
_MESSAGES_MODES: tuple[MessagesMode, ...] = ("full", "delta")
_OUTPUT_MODES: tuple[OutputMode, ...] = ("exact", "max", "natural")


class CanonicalReader(RowPerRecord):
    """Turns one canonical object into a row, with the header's defaults."""

    def __init__(self, header: Mapping[str, Any]) -> None:
        super().__init__()
        fields = Fields(dict(header))
        schema = fields.text("schema")
        if schema not in (None, SCHEMA):
            raise bad_field("schema", f'"{SCHEMA}" (a newer trace needs a newer imaxproxy)', schema)
        self._block_size = fields.whole("block_size", 1, MAX_TOKENS) or DEFAULT_BLOCK_TOKENS
        self._scope = fields.choice("hash_id_scope", _SCOPES) or "global"
        self._tool_wait_after_ms: dict[str, float] = {}

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        aliases = {name: alias for alias, name in ALIASES.items() if alias in record and name not in record}
        try:
            return self._row(record, line)
        except BadRow as bad:
            raise _as_written(bad, aliases) from None

    def _row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(_with_canonical_names(record))
        _check_has_content(fields)
        session_id = fields.name("session_id")
        lengths = _Lengths(fields, self)
        row = TraceRow(
            request_id=fields.name("request_id") or str(line),
            session_id=session_id,
            turn=fields.whole("turn", 0, MAX_ID),
            parent_session_id=fields.name("parent_session_id"),
            request_kind=fields.name("request_kind"),
            wait_for=fields.texts("wait_for"),
            timestamp_ms=fields.ms("timestamp"),
            delay_ms=fields.ms("delay"),
            tool_wait_ms=self._tool_wait_ms(fields, session_id),
            input_length=lengths.input,
            output_length=lengths.output,
            reasoning_length=lengths.reasoning,
            **self._prefix(fields, lengths, session_id),
            url=fields.name("url"),
            method=fields.name("method"),
            headers=_headers(fields),
            body=fields.mapping("body"),
            messages=_messages(fields),
            messages_mode=fields.choice("messages_mode", _MESSAGES_MODES) or "full",
            tools=fields.objects("tools"),
            prompt=_prompt(fields),
            text_input=fields.text("text_input"),
            model=fields.name("model"),
            extra=fields.mapping("extra") or {},
            output_mode=fields.choice("output_mode", _OUTPUT_MODES) or UNSAID,
            cancel_after_tokens=fields.whole("cancel_after_tokens", 1, MAX_TOKENS, " of tokens"),
            cancel_after_ms=fields.ms("cancel_after_ms"),
            priority=fields.whole("priority", -(2**31), 2**31 - 1),
            tags=fields.mapping("tags") or {},
            recorded=fields.mapping("recorded") or {},
            unknown=fields.left(),
        )
        _check_together(row)
        return row

    def _prefix(self, fields: Fields, lengths: "_Lengths", session_id: str | None) -> dict[str, Any]:
        """How the prompt is shared with others, by hash ids or by a prefix length."""
        block_size = fields.whole("block_size", 1, MAX_TOKENS) or self._block_size
        scope = fields.choice("hash_id_scope", _SCOPES) or self._scope
        hash_ids = fields.ids("hash_ids") or ()
        prefix_length = fields.tokens("prefix_length")
        prefix_group = fields.name("prefix_group")
        if hash_ids and lengths.given_input is not None:
            _check_count(len(hash_ids), lengths.given_input, block_size)
        if hash_ids and scope == "session" and session_id is None:
            raise bad_field("session_id", 'text, because `hash_id_scope` is "session"', None)
        if prefix_length and prefix_group is None and session_id is None:
            raise bad_field("prefix_group", "text (or a `session_id`), because `prefix_length` is given", None)
        if prefix_length and prefix_length > (lengths.input or 0):
            raise bad_field("prefix_length", f"at most `input_length` {lengths.input or 0}", prefix_length)
        return {
            "hash_ids": hash_ids,
            "block_size": block_size,
            "hash_id_scope": scope,
            "prefix_length": prefix_length,
            "prefix_group": prefix_group,
        }

    def _tool_wait_ms(self, fields: Fields, session_id: str | None) -> float | None:
        """TraceLab writes the wait on the row before it: `tool_wait_after_ms` is carried to the session's next row."""
        wait_ms = fields.ms("tool_wait_ms")
        wait_after_ms = fields.ms("tool_wait_after_ms")
        if wait_after_ms is not None and session_id is None:
            raise bad_field("session_id", "text, because `tool_wait_after_ms` is given", None)
        if session_id is None:
            return wait_ms
        carried_ms = self._tool_wait_after_ms.pop(session_id, None)
        if wait_after_ms is not None:
            self._tool_wait_after_ms[session_id] = wait_after_ms
        return carried_ms if wait_ms is None else wait_ms


class _Lengths:
    """The three lengths of a row, checked against each other."""

    def __init__(self, fields: Fields, reader: RowReader) -> None:
        self.given_input = fields.tokens("input_length")
        self.input = reader.clamp(self.given_input)
        self.output = reader.length(fields, "output_length")
        self.reasoning = fields.tokens("reasoning_length")
        if self.reasoning and self.output is not None and self.reasoning > self.output:
            raise bad_field("reasoning_length", f"at most `output_length` {self.output}", self.reasoning)


def canonical_header(defaults: Mapping[str, object]) -> bytes:
    """The first line of a canonical file, e.g. `canonical_header({"block_size": 64, "source": "..."})`."""
    return orjson.dumps({"schema": SCHEMA, **defaults}, option=orjson.OPT_APPEND_NEWLINE)


def canonical_line(row: TraceRow) -> bytes:
    """One row as a line that `CanonicalReader` reads back equal. Leaves out what is empty."""
    named = {_WRITTEN_NAMES.get(name, name): getattr(row, name) for name in _ROW_FIELDS}
    written = {key: value for key, value in named.items() if value is not None and value not in ((), {})}
    if not row.hash_ids:
        written = {key: value for key, value in written.items() if key not in ("block_size", "hash_id_scope")}
    if not row.messages:
        written.pop("messages_mode")
    return orjson.dumps({**written, **row.unknown}, option=orjson.OPT_APPEND_NEWLINE)


_ROW_FIELDS = [field.name for field in dataclass_fields(TraceRow) if field.name != "unknown"]

KEYS = frozenset(_WRITTEN_NAMES.get(name, name) for name in _ROW_FIELDS)


def _with_canonical_names(record: dict[str, Any]) -> dict[str, Any]:
    """An alias counts only where the canonical name is absent; else it stays, as a key that we do not know."""
    for alias, name in ALIASES.items():
        if alias in record and name not in record:
            record[name] = record.pop(alias)
    return record


def _as_written(bad: BadRow, aliases: Mapping[str, str]) -> BadRow:
    """The complaint with the name that the file uses."""
    alias = aliases.get(bad.field or "")
    return bad if alias is None else BadRow(str(bad).replace(f"`{bad.field}`", f"`{alias}`", 1), alias, bad.found)


def _check_has_content(fields: Fields) -> None:
    if not any(fields.has(name) for name in _CONTENT):
        names = ", ".join(f"`{name}`" for name in _CONTENT[:-1])
        raise BadRow(f"field `input_length`: expected one of {names} or `{_CONTENT[-1]}`, found none of them")


def _check_count(blocks: int, input_length: int, block_size: int) -> None:
    floor, ceil = input_length // block_size, -(-input_length // block_size)
    if blocks not in (floor, ceil):
        raise BadRow(
            f"field `hash_ids`: expected {floor} or {ceil} ids ({block_size} tokens a block, `input_length` "
            f"{input_length}), found {blocks}; is `block_size` right?"
        )


def _check_together(row: TraceRow) -> None:
    if row.output_mode != "natural" and row.output_length is None:
        raise bad_field("output_length", f'tokens, because `output_mode` is "{row.output_mode}"', None)
    if row.messages_mode == "delta" and row.session_id is None:
        raise bad_field("session_id", 'text, because `messages_mode` is "delta"', None)


def _messages(fields: Fields) -> tuple[dict[str, Any], ...]:
    if fields.left().get("messages") == []:
        raise bad_field("messages", "at least one message", [])
    messages = fields.objects("messages")
    for message in messages:
        if not isinstance(message.get("role"), str):
            raise bad_field("messages", "a `role` in each message", message)
    return messages


def _headers(fields: Fields) -> dict[str, str]:
    headers = fields.mapping("headers") or {}
    for name, value in headers.items():
        if not isinstance(value, str):
            raise bad_field("headers", f"text for `{name}`", value)
    return headers


def _prompt(fields: Fields) -> str | tuple[int, ...] | None:
    if isinstance(fields.left().get("prompt"), list):
        return fields.ids("prompt")
    return fields.text("prompt")
