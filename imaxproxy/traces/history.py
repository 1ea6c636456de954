"""What was said before in each session, as it was recorded."""

from imaxproxy.errors import UsageError
from imaxproxy.traces.row import Json, TraceRow


class History:
    """The conversation of each session so far: what the rows sent, and what the recorded run answered.

    The rule: a delta row is sent as the session's history plus its own messages. After that, and after a row in full,
    the history is what was sent plus the row's *recorded* answer (`recorded.response.message`, or `.text`), never the
    live one: one token of drift would move every later block boundary, and each run would ask something else. A row
    without a recorded answer adds none; its trace brings assistant turns among the messages themselves. Tools stay in
    force until a later row of the session names others. Hand in the rows of a session in file order, each once.
    """

    def __init__(self) -> None:
        self._messages: dict[str, list[Json]] = {}
        self._tools: dict[str, tuple[Json, ...]] = {}

    def __repr__(self) -> str:
        return f"<History {len(self._messages)} sessions>"

    def advance(self, row: TraceRow) -> tuple[list[Json], tuple[Json, ...]]:
        """The messages and tools to send for this row; afterwards the session has moved on by one turn."""
        if row.session_id is None:
            return list(row.messages), row.tools
        before = self._messages.get(row.session_id, []) if row.messages_mode == "delta" else []
        if row.messages_mode == "delta" and not before and row.turn:
            raise UsageError(
                f"request {row.request_id}: its messages are a delta on turn {row.turn - 1} of session "
                f"{row.session_id}, which was not seen; replay whole sessions, from their first row"
            )
        sent = [*before, *row.messages]
        tools = row.tools or self._tools.get(row.session_id, ())
        self._messages[row.session_id] = [*sent, *recorded_answer(row)]
        self._tools[row.session_id] = tools
        return sent, tools

    def forget(self, session_id: str) -> None:
        """Free the memory of a session that has ended."""
        self._messages.pop(session_id, None)
        self._tools.pop(session_id, None)


def recorded_answer(row: TraceRow) -> list[Json]:
    """The assistant message that the recorded run gave; none where the trace has none."""
    response = row.recorded.get("response")
    if not isinstance(response, dict):
        return []
    if isinstance(message := response.get("message"), dict):
        return [message]
    if isinstance(text := response.get("text"), str):
        return [{"role": "assistant", "content": text}]
    return []
