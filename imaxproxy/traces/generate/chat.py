"""Multi-turn chat: a system prompt that all share, a context of each session's own, and turns that add to it."""

from collections.abc import Iterator
from dataclasses import dataclass

from imaxproxy.traces.generate.common import Session, exact, id_base, shared_ids
from imaxproxy.traces.generate.distribution import Distribution
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.row import TraceRow


@dataclass(frozen=True)
class Chat:
    """Each turn's prompt is all before it, the answer included, and the user's next message."""

    conversations: int
    turns: Distribution
    system_tokens: int
    context: Distribution
    message: Distribution
    output: Distribution
    think_time_s: Distribution
    block_size: int
    max_context: int

    @classmethod
    def parse(cls, table: Table) -> "Chat":
        return cls(
            conversations=table.whole("conversations", least=1),
            turns=take_distribution(table, "turns"),
            system_tokens=table.whole("system_tokens", 0),
            context=take_distribution(table, "context", 0),
            message=take_distribution(table, "message"),
            output=take_distribution(table, "output"),
            think_time_s=take_distribution(table, "think_time_s", 0),
            block_size=table.whole("block_size", 64, least=1),
            max_context=table.whole("max_context", 131_072, least=2),
        )

    def sessions(self, seed: int) -> Iterator[Session]:
        for number in range(self.conversations):
            yield list(self._turns(Draws(seed, f"sessions/{number}"), number))

    def _turns(self, draws: Draws, number: int) -> Iterator[TraceRow]:
        ids, base = shared_ids(self.system_tokens, self.block_size), id_base(number)
        prompt = self.system_tokens + max(0, round(self.context(draws)))
        for turn in range(self.turns.tokens(draws)):
            prompt += self.message.tokens(draws)
            output = self.output.tokens(draws)
            if prompt + output > self.max_context:
                return
            ids += [base + place for place in range(len(ids), prompt // self.block_size)]
            yield exact(
                f"session-{number}#{turn}",
                prompt,
                output,
                session_id=f"session-{number}",
                turn=turn,
                hash_ids=tuple(ids),
                block_size=self.block_size,
                delay_ms=round(self.think_time_s(draws) * 1000, 3) if turn else None,
            )
            prompt += output
