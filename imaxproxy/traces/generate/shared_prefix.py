"""Groups of prompts that share a prefix: a system prompt, a document, few-shot examples."""

from collections.abc import Iterator
from dataclasses import dataclass

from imaxproxy.traces.generate.common import Session, exact
from imaxproxy.traces.generate.distribution import Distribution, zipf_weights
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table


@dataclass(frozen=True)
class SharedPrefix:
    """Each request falls into a group, the first ones more often (zipf_alpha 0: all alike); its tail is its own."""

    requests: int
    groups: int
    zipf_alpha: float
    prefix: Distribution
    tail: Distribution
    output: Distribution

    @classmethod
    def parse(cls, table: Table) -> "SharedPrefix":
        return cls(
            requests=table.whole("requests", least=1),
            groups=table.whole("groups", least=1, most=1_000_000),
            zipf_alpha=table.number("zipf_alpha", 0.0, most=10),
            prefix=take_distribution(table, "prefix"),
            tail=take_distribution(table, "tail"),
            output=take_distribution(table, "output"),
        )

    def sessions(self, seed: int) -> Iterator[Session]:
        cumulative = zipf_weights(self.zipf_alpha, self.groups)
        group_draws, tails, outputs = (Draws(seed, f"shared-prefix/{name}") for name in ("group", "tail", "output"))
        prefix_of: dict[int, int] = {}
        for number in range(self.requests):
            group = group_draws.place(cumulative)
            if group not in prefix_of:
                prefix_of[group] = self.prefix.tokens(Draws(seed, f"shared-prefix/prefix/{group}"))
            prefix, tail = prefix_of[group], self.tail.tokens(tails)
            row = exact(
                f"request-{number}",
                prefix + tail,
                self.output.tokens(outputs),
                prefix_length=prefix,
                prefix_group=f"group-{group}",
            )
            yield [row]
