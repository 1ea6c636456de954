"""vLLM's custom data set (`vllm bench serve --dataset-name custom`): a prompt a line, perhaps its output tokens."""

from collections.abc import Mapping
from typing import Any

from imaxproxy.traces.fields import Fields, bad_field
from imaxproxy.traces.read_rows import RowPerRecord
from imaxproxy.traces.row import TraceRow


def is_vllm_custom(record: Mapping[str, Any]) -> bool:
    if isinstance(record.get("prompt"), str):
        return record.keys() <= {"prompt", "output_tokens"}
    return record.keys() <= {"content", "output_tokens"} and isinstance(record.get("content"), list)


class VllmCustomReader(RowPerRecord):
    """`output_tokens` is a maximum, as vLLM sends it; without it the model decides."""

    def row(self, record: dict[str, Any], line: int) -> TraceRow:
        fields = Fields(record)
        content = fields.objects("content")
        prompt = fields.text("prompt")
        if prompt is None and not content:
            raise bad_field("prompt", "text, or `content` parts", None)
        output_length = self.length(fields, "output_tokens")
        return TraceRow(
            request_id=str(line),
            text_input=prompt,
            messages=({"role": "user", "content": list(content)},) if content else (),
            output_length=output_length,
            output_mode="natural" if output_length is None else "max",
            unknown=fields.left(),
        )
