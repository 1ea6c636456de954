"""Coding agents: a long prefix of tools and instructions, contexts that grow by the turn, tools, users, sub-agents.

Defaults are fits of 692 Claude Code conversations (callanjfox/kv-cache-tester 94f6046; Apache-2.0); logarithms natural.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.traces.generate.common import Session, exact, id_base, shared_ids
from imaxproxy.traces.generate.distribution import Distribution
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.row import TraceRow

_AGENT_IDS = 1 << 19
"""First id of the prefix that all sub-agents share; it differs from the main agent's from its first block on."""


def _lognormal(mean: float, sigma: float, most: float) -> dict[str, Any]:
    return {"distribution": "lognormal", "mean": mean, "sigma": sigma, "max": most}


_FIRST_INPUT = {"distribution": "lognormal", "median": 24_500, "sigma": 0.3, "min": 16_000, "max": 200_000}
_TURNS = _lognormal(3.6, 1.1, 514)
_GROWTH = _lognormal(6.632, 1.134, 100_000)
_OUTPUT = _lognormal(5.564, 0.895, 18_195)
_TOOL_S = _lognormal(2.515, 1.311, 3_600)
_USER_S = _lognormal(4.867, 1.729, 36_000)
_SUBAGENT_TURNS = _lognormal(2.2, 0.5, 60)


@dataclass(frozen=True)
class Agent:
    """Conversations of one agent with its tools, its user and the sub-agents that it sends out and waits for."""

    conversations: int
    prefix_tokens: int
    first_input: Distribution
    turns: Distribution
    growth: Distribution
    output: Distribution
    tool_share: float
    tool_wait_s: Distribution
    user_wait_s: Distribution
    reset_share: float
    reasoning_ratio: Distribution | None
    subagent_share: float
    subagents: Distribution
    subagent_prefix_tokens: int
    subagent_turns: Distribution
    block_size: int
    max_context: int

    @classmethod
    def parse(cls, table: Table) -> "Agent":
        reasons = table.has("reasoning_ratio")
        return cls(
            conversations=table.whole("conversations", least=1),
            prefix_tokens=table.whole("prefix_tokens", 14_336),
            first_input=take_distribution(table, "first_input", _FIRST_INPUT),
            turns=take_distribution(table, "turns", _TURNS),
            growth=take_distribution(table, "growth", _GROWTH),
            output=take_distribution(table, "output", _OUTPUT),
            tool_share=table.number("tool_share", 0.86, most=1.0),
            tool_wait_s=take_distribution(table, "tool_wait_s", _TOOL_S),
            user_wait_s=take_distribution(table, "user_wait_s", _USER_S),
            reset_share=table.number("reset_share", 0.019, most=1.0),
            reasoning_ratio=take_distribution(table, "reasoning_ratio") if reasons else None,
            subagent_share=table.number("subagent_share", 0.0013, most=1.0),
            subagents=take_distribution(table, "subagents", 2),
            subagent_prefix_tokens=table.whole("subagent_prefix_tokens", 8_448),
            subagent_turns=take_distribution(table, "subagent_turns", _SUBAGENT_TURNS),
            block_size=table.whole("block_size", 64, least=1),
            max_context=table.whole("max_context", 200_000, least=1_024),
        )

    def sessions(self, seed: int) -> Iterator[Session]:
        for number in range(self.conversations):
            yield list(self._conversation(Draws(seed, f"sessions/{number}"), number))

    def _conversation(self, draws: Draws, number: int) -> Iterator[TraceRow]:
        name, base = f"session-{number}", id_base(number)
        lane = _Lane(self, name, self.prefix_tokens, 0, base)
        lane.tokens = max(self.prefix_tokens + 1, self.first_input.tokens(draws))
        joins: tuple[str, ...] = ()
        for turn in range(self.turns.tokens(draws)):
            if turn:
                lane.grow(draws)
            waits = {} if joins else self._wait(draws, turn)
            row = lane.row(draws, turn, wait_for=(f"{name}#{turn - 1}", *joins) if joins else (), **waits)
            yield row
            joins = ()
            if draws.share() < self.subagent_share:
                for agent in range(self.subagents.tokens(draws)):
                    rows = list(self._subagent(draws, f"{name}/agent-{turn}-{agent}", row, lane))
                    yield from rows
                    joins = (*joins, rows[-1].request_id)

    def _subagent(self, draws: Draws, name: str, parent: TraceRow, parent_lane: "_Lane") -> Iterator[TraceRow]:
        base = parent_lane.take_ids()
        lane = _Lane(self, name, self.subagent_prefix_tokens, _AGENT_IDS, base)
        lane.tokens = self.subagent_prefix_tokens + self.growth.tokens(draws)
        common = {"parent_session_id": parent.session_id, "request_kind": "subagent"}
        for turn in range(self.subagent_turns.tokens(draws)):
            if turn:
                lane.grow(draws)
            waits = {"tool_wait_ms": _ms(self.tool_wait_s(draws))} if turn else {}
            yield lane.row(draws, turn, wait_for=() if turn else (parent.request_id,), **common, **waits)

    def _wait(self, draws: Draws, turn: int) -> dict[str, float]:
        """End to start: mostly a tool that ran, sometimes a user who thought."""
        if not turn:
            return {}
        if draws.share() < self.tool_share:
            return {"tool_wait_ms": _ms(self.tool_wait_s(draws))}
        return {"delay_ms": _ms(self.user_wait_s(draws))}


@dataclass
class _Lane:
    """One agent's context: what it holds now, and which blocks that is."""

    agent: Agent
    name: str
    prefix_tokens: int
    prefix_first_id: int
    base: int
    tokens: int = 0
    _ids: list[int] = field(default_factory=list)
    _ids_used: int = 0
    _agents: int = 0

    def grow(self, draws: Draws) -> None:
        """What the tool or user said, on top of all before; sometimes less of that, when the context was edited.

        A context that would be over its limit is compacted: the prefix stays, a summary takes the place of the rest.
        """
        growth = self.agent.growth.tokens(draws)
        reset = draws.share() < self.agent.reset_share
        kept_share = draws.share()
        if self.tokens + growth > self.agent.max_context - self.agent.max_context // 8:
            self._keep(self.prefix_tokens)
        elif reset:
            self._keep(self.prefix_tokens + int(kept_share * 0.9 * max(0, self.tokens - self.prefix_tokens)))
        self.tokens += growth

    def _keep(self, tokens: int) -> None:
        self.tokens = min(self.tokens, tokens)
        del self._ids[self.tokens // self.agent.block_size :]

    def row(self, draws: Draws, turn: int, **fields: Any) -> TraceRow:  # noqa: ANN401
        prefix_blocks = self.prefix_tokens // self.agent.block_size
        if not self._ids:
            self._ids = shared_ids(self.prefix_tokens, self.agent.block_size, self.prefix_first_id)
        for _ in range(max(len(self._ids), prefix_blocks), self.tokens // self.agent.block_size):
            self._ids.append(self.base + self._ids_used)
            self._ids_used += 1
        output = min(self.agent.output.tokens(draws), max(1, self.agent.max_context - self.tokens))
        ratio = self.agent.reasoning_ratio
        return exact(
            f"{self.name}#{turn}",
            self.tokens,
            output,
            reasoning_length=None if ratio is None else round(min(1.0, max(0.0, ratio(draws))) * output),
            session_id=self.name,
            turn=turn,
            hash_ids=tuple(self._ids),
            block_size=self.agent.block_size,
            **fields,
        )

    def take_ids(self) -> int:
        """A range of ids for one more sub-agent of this conversation."""
        self._agents += 1
        return self.base + (self._agents << 20)


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
