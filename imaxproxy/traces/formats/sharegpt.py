"""ShareGPT: a JSON array (or JSON lines) of conversations, `from` human and gpt. No clean licence, so none ships."""

from collections.abc import Iterator, Mapping
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import Json, TraceRow

_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
}
NOTHING_ASKED = "conversations in which nobody asks anything"


def is_sharegpt(record: Mapping[str, Any]) -> bool:
    conversations = record.get("conversations")
    return isinstance(conversations, list) and all(isinstance(turn, dict) and "from" in turn for turn in conversations)


class ShareGptReader(RowReader):
    """Each human message is a request; the answer in the file is fed back. No lengths: `convert --tokenizer` counts."""

    def rows(self, record: dict[str, Any], place: int) -> Iterator[TraceRow]:
        fields = Fields(record)
        session = fields.key("id") if fields.has("id") else str(place)
        said = [_message(entry) for entry in fields.objects("conversations")]
        questions = [at for at, message in enumerate(said) if message["role"] == "user"]
        if not questions:
            self.left_out[NOTHING_ASKED] += 1
            return
        start = 0
        for turn, (at, following) in enumerate(zip(questions, [*questions[1:], len(said)], strict=True)):
            answers = [message for message in said[at + 1 : following] if message["role"] == "assistant"]
            answer = "\n\n".join(message["content"] for message in answers)
            yield TraceRow(
                request_id=f"{session}#{turn}",
                session_id=session,
                turn=turn,
                messages=tuple(
                    message for message in said[start : at + 1] if message["role"] != "assistant" or not turn
                ),
                messages_mode="delta",
                recorded={"response": {"text": answer}} if answers else {},
                unknown=fields.left() if not turn else {},
            )
            start = at + 1


def _message(entry: dict[str, Any]) -> Json:
    fields = Fields(dict(entry))
    speaker = fields.name("from")
    if speaker not in _ROLES:
        raise bad_field("conversations[].from", " or ".join(f'"{name}"' for name in _ROLES), speaker)
    text = fields.text("value")
    if text is None:
        raise BadRow("field `conversations[].value`: expected text, found nothing")
    return {"role": _ROLES[speaker], "content": text}
