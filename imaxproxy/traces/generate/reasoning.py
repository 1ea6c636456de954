"""Reasoning traffic: think, then answer; over one turn or several, with the thinking stripped from what is fed back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from imaxproxy.errors import UsageError
from imaxproxy.traces.generate.common import Session, exact
from imaxproxy.traces.generate.distribution import Distribution
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.generate.thinking import Answer, Thinking
from imaxproxy.traces.row import TraceRow

_TRIES = 1_000


@dataclass(frozen=True)
class Reasoning:
    """Conversations with a model that thinks.

    Most chat templates leave the reasoning of earlier turns out of the history (Qwen's traces show it), so the next
    prompt grows by the visible answer only, and shares with the cache no more than the prompt before.
    """

    conversations: int
    turns: Distribution
    input: Distribution
    think_time_s: Distribution
    thinking: Thinking
    strip_history: bool
    max_context: int

    @classmethod
    def parse(cls, table: Table) -> "Reasoning":
        preset = table.text("lengths", "-")
        default = None if preset == "-" else preset
        return cls(
            conversations=table.whole("conversations", least=1),
            turns=take_distribution(table, "turns", 1),
            input=take_distribution(table, "input", default),
            think_time_s=take_distribution(table, "think_time_s", 0),
            thinking=Thinking.parse(table, default),
            strip_history=table.flag("strip_reasoning_from_history", True),
            max_context=table.whole("max_context", 131_072, least=2),
        )

    def sessions(self, seed: int) -> Iterator[Session]:
        for number in range(self.conversations):
            yield list(self._turns(seed, number))

    def _turns(self, seed: int, number: int) -> Session:
        draws = Draws(seed, f"sessions/{number}")
        turns = self.turns.tokens(draws)
        rows: Session = []
        context = shared = 0
        for turn in range(turns):
            prompt, answer = self._fitting(draws, context)
            if answer is None:
                break
            row = exact(
                f"session-{number}#{turn}" if turns > 1 else f"session-{number}",
                prompt,
                answer.output,
                reasoning_length=answer.reasoning,
                extra=answer.extra,
                tags=answer.tags,
            )
            rows.append(row if turns == 1 else self._in_session(row, draws, number, turn, shared))
            context = prompt + (answer.visible if self.strip_history else answer.output)
            shared = prompt if self.strip_history else context
        return rows

    def _in_session(self, row: TraceRow, draws: Draws, number: int, turn: int, shared: int) -> TraceRow:
        return replace(
            row,
            session_id=f"session-{number}",
            turn=turn,
            prefix_length=shared,
            delay_ms=round(self.think_time_s(draws) * 1000, 3) if turn else None,
        )

    def _fitting(self, draws: Draws, context: int) -> tuple[int, Answer | None]:
        """A prompt and an answer within `max_context`; a first turn is drawn again, a later one ends the session."""
        for _ in range(1 if context else _TRIES):
            answer = self.thinking.answer(draws)
            prompt = context + self.input.tokens(draws)
            if prompt + answer.output <= self.max_context:
                return prompt, answer
        if context:
            return 0, None
        raise UsageError(f"{self.input.where}: {_TRIES} requests drawn, all over `max_context` {self.max_context}")
