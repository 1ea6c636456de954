"""Exchanges as a journal would have them."""

import random
from collections.abc import Sequence

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.metrics import ANSWER, REASONING, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, mark


def exchange(
    sent_s: float,
    first_s: float,
    gap_s: float = 0.02,
    tokens: int = 10,
    *,
    reasoning: int = 0,
    input_tokens: int | None = 100,
    cached: int | None = None,
    counted: bool = True,
    name: str = "r",
) -> Exchange:
    """A stream of one token an event; the first `reasoning` of them are reasoning."""
    times_ns = [round((first_s + at * gap_s) * NS_PER_S) for at in range(tokens)]
    kinds = [REASONING if at < reasoning else ANSWER for at in range(tokens)]
    timeline = Timeline(times_ns, [mark(kind, 1 if counted else 0) for kind in kinds], counted=counted)
    sent_ns = round(sent_s * NS_PER_S)
    ended_ns = max((times_ns[-1] if times_ns else round(first_s * NS_PER_S)), sent_ns) + NS_PER_MS
    usage = Usage(input_tokens, tokens if counted else None, reasoning or None, cached)
    by = CountedBy.USAGE if counted else CountedBy.EVENTS
    ask = Ask(name, "/v1/chat/completions", sent_ns, sent_ns, dialect="chat")
    return Exchange(ask, Outcome.COMPLETED, ended_ns, 200, streamed=True, usage=usage, counted_by=by, timeline=timeline)


def load(seed: int, begin_s: float, end_s: float, rate: float = 4.0) -> Sequence[Exchange]:
    """Poisson arrivals, prompts of 50 to 4,000 tokens, answers of 1 to 200."""
    rng, at_s, made = random.Random(seed), begin_s, []
    while (at_s := at_s + rng.expovariate(rate)) < end_s:
        first_s = at_s + rng.uniform(0.02, 0.3)
        tokens = rng.randint(1, 200)
        thought = rng.randint(0, tokens)
        given = rng.randint(50, 4000)
        made.append(exchange(at_s, first_s, 0.02, tokens, reasoning=thought, input_tokens=given, name=f"r{len(made)}"))
    return made
