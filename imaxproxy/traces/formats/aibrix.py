"""AIBrix's workload files (vllm-project/aibrix, benchmarks): a line is a tick in ms and the requests of it.

Older ones write `Prompt Length` and `Output Length`; since sessions came, it is `prompt_length` and `output_length`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from imaxproxy.traces.fields import BadRow, Fields, bad_field
from imaxproxy.traces.read_rows import RowReader
from imaxproxy.traces.row import TraceRow

_SPELLINGS = {"Prompt Length": "prompt_length", "Output Length": "output_length"}


def is_aibrix(record: Mapping[str, Any]) -> bool:
    return record.keys() >= {"timestamp", "requests"} and isinstance(record["requests"], list)


class AibrixReader(RowReader):
    """Rows are named line.position. A row that brings its prompt is sent with it, at most `Output Length` long."""

    def rows(self, record: dict[str, Any], place: int) -> Iterable[TraceRow]:
        tick = Fields(record)
        at_ms = tick.ms("timestamp")
        if at_ms is None:
            raise bad_field("timestamp", "milliseconds", None)
        requests, unknown = tick.objects("requests"), tick.left()
        rows = []
        for number, request in enumerate(requests):
            try:
                rows.append(self._row(dict(request), f"{place}.{number}", at_ms, unknown))
            except BadRow as bad:
                raise BadRow(f"requests[{number}]: {bad}") from None
        return rows

    def _row(self, request: dict[str, Any], request_id: str, at_ms: float, unknown: dict[str, Any]) -> TraceRow:
        for spelling, name in _SPELLINGS.items():
            if spelling in request:
                request[name] = request.pop(spelling)
        fields = Fields(request)
        prompt = fields.text("prompt")
        input_length = self.length(fields, "prompt_length")
        output_length = self.length(fields, "output_length")
        if prompt is None and input_length is None:
            raise bad_field("Prompt Length", "a whole number of tokens, or a `prompt`", None)
        row = TraceRow(
            request_id=request_id,
            session_id=fields.key("session_id") if fields.has("session_id") else None,
            timestamp_ms=at_ms,
            input_length=input_length,
            output_length=output_length,
            text_input=prompt,
            output_mode="natural" if output_length is None else "max" if prompt is not None else "exact",
            model=fields.name("model"),
            unknown=unknown | fields.left(),
        )
        return row if row.session_id is None or prompt is None else _turn(row, prompt)


def _turn(row: TraceRow, prompt: str) -> TraceRow:
    """As AIBrix's client sends it: on top of its session's history. `prompt_length` is that of the prompt alone."""
    message = {"role": "user", "content": prompt}
    lengths = {} if row.input_length is None else {"prompt_length": row.input_length}
    return replace(
        row,
        text_input=None,
        messages=(message,),
        messages_mode="delta",
        input_length=None,
        unknown=row.unknown | lengths,
    )
