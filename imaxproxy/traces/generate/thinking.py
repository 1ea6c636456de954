"""Answers that think first: how many tokens of an answer are reasoning, by effort and budget."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.traces.generate.distribution import Distribution
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table


@dataclass(frozen=True)
class _Effort:
    """A level that a request asks for, and by how much it stretches the reasoning."""

    name: str
    weight: float
    scale: float


@dataclass(frozen=True)
class Answer:
    """The lengths of one answer, in tokens, and what the request says to get it."""

    reasoning: int
    visible: int
    extra: dict[str, Any]
    tags: dict[str, Any]

    @property
    def output(self) -> int:
        return self.reasoning + self.visible


@dataclass(frozen=True)
class Thinking:
    """Draws answers.

        output      ~ `output`, reasoning included
        reasoning   = min(budget, scale of the effort x ratio x output), ratio ~ `reasoning_ratio`
        visible     = output - ratio x output, at least 1 token: effort and budget change the thinking only

    A server cannot be forced to think: with `ignore_eos` only the whole length is held. `reasoning_length` is a target.
    """

    output: Distribution
    ratio: Distribution
    budget: int | None
    efforts: tuple[_Effort, ...]
    extra: dict[str, Any]

    @classmethod
    def parse(cls, table: Table, default: str | None = None) -> "Thinking":
        efforts = table.table("efforts")
        budget = table.whole("thinking_budget", least=1) if table.has("thinking_budget") else None
        extra = table.raw("extra", {})
        if not isinstance(extra, dict):
            raise table.wrong("extra", "a table that is merged into each request's body", extra)
        return cls(
            output=take_distribution(table, "output", default),
            ratio=take_distribution(table, "reasoning_ratio", default),
            budget=budget,
            efforts=tuple(_effort(efforts, name) for name in efforts.names()),
            extra=extra,
        )

    def answer(self, draws: Draws) -> Answer:
        output = self.output.tokens(draws)
        ratio = self.ratio(draws)
        if not 0 <= ratio <= 1:
            raise UsageError(f"{self.ratio.where}: a share of reasoning must lie from 0 to 1, drew {ratio:g}")
        effort = self._drawn_effort(draws)
        thought = round(ratio * output)
        reasoning = round(thought * (effort.scale if effort else 1.0))
        if self.budget is not None:
            reasoning = min(reasoning, self.budget)
        said = {} if effort is None else {"reasoning_effort": effort.name}
        return Answer(reasoning, max(1, output - thought), self.extra | said, said)

    def _drawn_effort(self, draws: Draws) -> _Effort | None:
        if not self.efforts:
            return None
        return self.efforts[draws.place(list(accumulate(effort.weight for effort in self.efforts)))]


def _effort(efforts: Table, name: str) -> _Effort:
    table = efforts.table(name)
    effort = _Effort(name, table.number("weight", 1.0, least=1e-9), table.number("scale", least=1e-6, most=1e3))
    table.close()
    return effort
