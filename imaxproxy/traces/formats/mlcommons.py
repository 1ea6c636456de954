"""MLCommons' agentic traces (mlcommons/endpoints): a row is a message, a request is what the assistant answers.

Conversations stand one after the other. A tool's measured run time is the `delay_seconds` of its result.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import Json, TraceRow

_ROLES = ("user", "assistant", "tool", "system")


def is_mlcommons(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"conversation_id", "turn", "role"}


class MlcommonsReader(RowReader):
    """Messages are a delta on the session's history, with the recorded answer: recorded text is fed back."""

    def __init__(self, header: Mapping[str, Any] | None = None) -> None:
        super().__init__(header)
        self._open: _Turn | None = None
        self._closed: set[str] = set()

    def rows(self, record: dict[str, Any], place: int) -> Iterator[TraceRow]:
        fields = Fields(record)
        session, role = fields.key("conversation_id"), fields.choice("role", _ROLES)
        fields.whole("turn", 0, 2**31)  # file order rules
        if self._open is not None and self._open.session != session:
            yield from self.end()
            self._closed.add(self._open.session)
            self._open = None
        if session in self._closed:
            raise BadRow(f"field `conversation_id`: expected its rows together, found {session} again; sort the file")
        turn = self._open = self._open or _Turn(session)
        if role == "assistant":
            yield turn.answered(_assistant(fields), fields.left())
            self._open = _Turn(session, turn.number + 1)
        else:
            turn.add(role, fields)

    def end(self) -> Iterable[TraceRow]:
        """A conversation may end with a message that nobody answered: it is a request all the same."""
        if self._open is not None and self._open.messages:
            yield self._open.row({}, {})


class _Turn:
    """The client's messages since the last answer."""

    def __init__(self, session: str, number: int = 0) -> None:
        self.session = session
        self.number = number
        self.messages: list[Json] = []
        self._tools: tuple[Json, ...] = ()
        self._delay_ms: float | None = None
        self._of_tools = False
        self._unknown: Json = {}

    def add(self, role: str | None, fields: Fields) -> None:
        """All of a message, or, where it is broken, nothing of it."""
        system, tools = fields.text("system"), fields.objects("tools")
        delay_ms, results = fields.seconds_as_ms("delay_seconds"), fields.objects("tool_results")
        added: list[Json] = [] if system is None else [{"role": "system", "content": system}]
        added += [{"role": "tool", **result} for result in results]
        if fields.has("content"):
            content = fields.left().pop("content")
            named = fields.name("tool_call_id")
            added.append({"role": role, **({"tool_call_id": named} if named else {}), "content": content})
        elif not results:
            raise bad_field("content", "text, or `tool_results`", None)
        self.messages += added
        self._tools = tools or self._tools
        self._of_tools = self._of_tools or bool(results)
        if delay_ms is not None:
            self._delay_ms = (self._delay_ms or 0.0) + delay_ms
        self._unknown |= fields.left()

    def answered(self, message: Json, unknown: Json) -> TraceRow:
        if not self.messages:
            raise BadRow("field `role`: expected a user's or tool's message before the assistant's, found none")
        reason = "tool_calls" if "tool_calls" in message else "stop"
        return self.row({"response": {"message": message}, "finish_reason": reason}, unknown)

    def row(self, recorded: Json, unknown: Json) -> TraceRow:
        return TraceRow(
            request_id=f"{self.session}#{self.number}",
            session_id=self.session,
            turn=self.number,
            tool_wait_ms=self._delay_ms if self._of_tools else None,
            delay_ms=None if self._of_tools else self._delay_ms,
            messages=tuple(self.messages),
            messages_mode="delta",
            tools=self._tools,
            recorded=recorded,
            unknown=self._unknown | unknown,
        )


def _assistant(fields: Fields) -> Json:
    message: Json = {"role": "assistant", "content": fields.left().pop("content", None)}
    reasoning = fields.text("reasoning_content")
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    calls = fields.objects("tool_calls")
    if calls:
        message["tool_calls"] = list(calls)
    return message
