import random

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.sim.speculation import Speculation, by_length, by_lengths


def test_drawn_tokens_have_the_stated_mean() -> None:
    speculation, rng = Speculation((0.8, 0.6, 0.4)), random.Random(1)
    assert speculation.mean_tokens == pytest.approx(1 + 0.8 + 0.48 + 0.192)
    drawn = [speculation.tokens(rng) for _ in range(20_000)]
    assert set(drawn) == {1, 2, 3, 4}
    assert sum(drawn) / len(drawn) == pytest.approx(speculation.mean_tokens, rel=0.02)


@pytest.mark.parametrize(("drafts", "length"), [(1, 1.8), (3, 2.4), (3, 1.0), (3, 4.0)])
def test_a_length_is_solved_for(drafts: int, length: float) -> None:
    assert by_length(drafts, length).mean_tokens == pytest.approx(length, abs=1e-6)


def test_measured_lengths_give_conditional_chances() -> None:
    speculation = by_lengths((1.83, 2.43, 2.88))
    assert speculation.acceptance[0] == pytest.approx(0.83)
    assert speculation.acceptance[1] == pytest.approx(0.60 / 0.83)
    assert speculation.mean_tokens == pytest.approx(2.88)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UsageError, match="from 1 to 4, not 5"):
        by_length(3, 5)
    with pytest.raises(UsageError, match="must rise, by less each time"):
        by_lengths((1.5, 2.4))
    with pytest.raises(UsageError, match="chances from 0 to 1"):
        Speculation((1.2,))
