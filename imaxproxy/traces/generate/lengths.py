"""Independent requests: InferenceMAX's fixed shapes, and any distribution of lengths."""

from collections.abc import Iterator
from dataclasses import dataclass

from imaxproxy.metrics import WARMUP
from imaxproxy.traces.generate.common import Session, exact
from imaxproxy.traces.generate.distribution import Distribution, parse_distribution
from imaxproxy.traces.generate.draws import Draws
from imaxproxy.traces.generate.presets import take_distribution
from imaxproxy.traces.generate.table import Table


@dataclass(frozen=True)
class Lengths:
    """Requests of drawn lengths, input and output independent: their correlation is nil in production traces."""

    requests: int
    warmups: int
    input: Distribution
    output: Distribution

    @classmethod
    def fixed(cls, table: Table) -> "Lengths":
        """InferenceMAX's: 10 x concurrency requests after 2 x concurrency warm-ups of the same shape.

        Both lengths are whole numbers drawn evenly from range_ratio_low x L to L.
        """
        concurrency = table.whole("concurrency", least=1)
        low = table.number("range_ratio_low", 0.8, most=1.0)
        shapes = [
            parse_distribution(
                {"distribution": "range_ratio", "length": table.whole(name, least=1), "low": low},
                f"{table.where}: `{name}`",
            )
            for name in ("input_length", "output_length")
        ]
        requests = table.whole("requests", 10 * concurrency, least=1)
        return cls(requests, table.whole("warmups", 2 * concurrency), *shapes)

    @classmethod
    def drawn(cls, table: Table) -> "Lengths":
        requests, warmups = table.whole("requests", least=1), table.whole("warmups", 0)
        preset = table.text("lengths", "-")
        default = None if preset == "-" else preset
        return cls(
            requests, warmups, take_distribution(table, "input", default), take_distribution(table, "output", default)
        )

    def sessions(self, seed: int) -> Iterator[Session]:
        for name, count, kind in (("warmup", self.warmups, WARMUP), ("request", self.requests, None)):
            inputs, outputs = Draws(seed, f"lengths/{name}/input"), Draws(seed, f"lengths/{name}/output")
            for number in range(count):
                lengths = self.input.tokens(inputs), self.output.tokens(outputs)
                yield [exact(f"{name}-{number}", *lengths, request_kind=kind)]
