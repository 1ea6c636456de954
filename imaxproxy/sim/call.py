"""One completion request on its way through the simulated engine's server."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from imaxproxy.sim.event_text import CompletionText, EventText, ResponsesText
from imaxproxy.sim.faults import Fault
from imaxproxy.sim.reply import ReplyShape
from imaxproxy.sim.request import CompletionRequest
from imaxproxy.sim.scheduler import Stream
from imaxproxy.sim.truth import TruthRecord


@dataclass(slots=True)
class Call:
    """What was asked, how it fails, and what is known of it. A stream and a record for each choice."""

    http: web.BaseRequest
    request: CompletionRequest
    request_id: str
    reply_id: str
    created: int
    fault: Fault | None
    records: list[TruthRecord]
    streams: list[Stream]

    @property
    def cached_tokens(self) -> int:
        """Of the prompt."""
        return self.streams[0].cached_tokens

    def text(self, model: str, shape: ReplyShape) -> EventText:
        """Builds the events of its stream."""
        if self.request.api == "responses":
            return ResponsesText(self.request, self.reply_id, self.created, model)
        return CompletionText(self.request, self.reply_id, self.created, model, shape.reasoning_field)

    def note_end(self) -> None:
        """Write into each record how its stream ended."""
        for stream, record in zip(self.streams, self.records, strict=True):
            end = "fault" if self.fault and not self.fault.kind.engine else "aborted"
            if stream.is_done:
                end = self.request.finish_reason
            record.facts |= {"cached": stream.cached_tokens, "preemptions": stream.preemptions, "end": end}


def at_last(tokens: int, last_planned: "asyncio.Future[int]") -> Callable[[int, int], None]:
    """An `on_tokens` that keeps the time of the last token only."""
    left = tokens

    def on_tokens(planned_ns: int, count: int) -> None:
        nonlocal left
        left -= count
        if left <= 0 and not last_planned.done():
            last_planned.set_result(planned_ns)

    return on_tokens
