"""Speculative decoding: how many tokens a step gives a stream, given how often drafts are accepted."""

import random
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

from imaxproxy.errors import UsageError


@dataclass(frozen=True)
class Speculation:
    """`acceptance[i]`: the chance that draft i is accepted when all before it were. Empty: no speculation."""

    acceptance: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not all(0 <= chance <= 1 for chance in self.acceptance):
            raise UsageError(f"acceptances are chances from 0 to 1, not {self.acceptance}")

    @property
    def draft_tokens(self) -> int:
        """Drafts a step verifies for each stream."""
        return len(self.acceptance)

    @cached_property
    def mean_tokens(self) -> float:
        """The acceptance length AL: tokens of a step and stream, 1 + the leading accepted drafts on average."""
        return 1.0 + sum(accumulate(self.acceptance, lambda before, chance: before * chance))

    def tokens(self, rng: random.Random) -> int:
        """Draw the tokens of one step and stream."""
        return 1 + bisect_right(self._reached, -rng.random())

    @cached_property
    def _reached(self) -> list[float]:
        """Minus the chances that 1, 2, ... drafts are accepted: rising, as bisect wants them."""
        return [-chance for chance in accumulate(self.acceptance, lambda before, chance: before * chance)]


NO_SPECULATION = Speculation()


def by_length(draft_tokens: int, mean_tokens: float) -> Speculation:
    """Drafts that are each accepted alike and give `mean_tokens` a step: AL = 1 + p + p^2 + ... + p^K, solved for p.

    Raises UsageError when K drafts cannot give that many.
    """
    if not 1 <= mean_tokens <= draft_tokens + 1:
        raise UsageError(
            f"{draft_tokens} draft tokens give an acceptance length from 1 to {draft_tokens + 1}, not {mean_tokens:g}"
        )
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if Speculation((middle,) * draft_tokens).mean_tokens < mean_tokens:
            low = middle
        else:
            high = middle
    return Speculation((high,) * draft_tokens)


def by_lengths(mean_tokens: tuple[float, ...]) -> Speculation:
    """From measured acceptance lengths AL_1, AL_2, ... of 1, 2, ... drafts.

    p_k = (AL_k - AL_{k-1}) / (AL_{k-1} - AL_{k-2}), AL_0 = 1, AL_{-1} = 0 (as Dynamo's mocker samples).
    """
    lengths = (0.0, 1.0, *mean_tokens)
    gains = [after - before for before, after in pairwise(lengths)]
    if any(later > before or later < 0 for before, later in pairwise(gains)):
        raise UsageError(f"acceptance lengths must rise, by less each time: {mean_tokens}")
    return Speculation(tuple(later / before if before else 0.0 for before, later in pairwise(gains)))
