"""Which tokens make an event: how an engine cuts its stream."""

import copy


class Cutter:
    """Cuts one answer as vLLM's --stream-interval does: the first token alone, then so many at a time.

    Tokens that exist together (speculative decoding) come together, but no event holds both reasoning and answer, and
    the last token ends the last event.
    """

    __slots__ = ("_interval", "due_tokens", "output_tokens", "part_end", "reasoning_tokens", "sent_tokens")

    def __init__(self, output_tokens: int, reasoning_tokens: int, interval: int) -> None:
        self.output_tokens = output_tokens
        self.reasoning_tokens = reasoning_tokens
        self.sent_tokens = 0
        self.due_tokens = 1
        """When so many exist, an event is due."""
        self._interval = interval
        self.part_end = reasoning_tokens or output_tokens
        """The last token of what is being sent, reasoning or answer."""

    @property
    def is_reasoning(self) -> bool:
        """What the next event holds."""
        return self.sent_tokens < self.reasoning_tokens

    @property
    def is_over(self) -> bool:
        """All tokens are sent."""
        return self.sent_tokens >= self.output_tokens

    @property
    def cuts_each_step(self) -> bool:
        """The tokens of a step are an event, whatever they are."""
        return self._interval == 1 and not self.reasoning_tokens

    def cut(self, emitted_tokens: int) -> int:
        """Tokens of the event that is due, of those that exist; afterwards they are sent."""
        end = min(emitted_tokens, self.part_end)
        tokens = end - self.sent_tokens
        self.sent_tokens = end
        if end == self.part_end:
            self.part_end = self.output_tokens
        self.due_tokens = min(end + self._interval, self.part_end)
        return tokens

    def skip_to(self, sent_tokens: int) -> None:
        """So many are sent, one event each, without this cutter; all before the end of the part."""
        self.sent_tokens = sent_tokens
        self.due_tokens = min(sent_tokens + self._interval, self.part_end)

    def copy(self) -> "Cutter":
        """One more in the same place."""
        return copy.copy(self)
