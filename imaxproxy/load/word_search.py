"""Which of our words are one token to an engine whose tokenizer nobody has: found by what it counts, in groups.

A group of words whose prompt has as many tokens as words consists of good ones; another is halved and asked again. So a
list of which few words are bad is nearly all kept, for some hundred requests of a single token.
"""

from collections import deque
from collections.abc import Sequence

from imaxproxy.load.calibrate import AskTokens, counted_tokens

GROUP_WORDS = 256
LEAST_GROUP_WORDS = 8
ENOUGH_WORDS = 1024
MOST_REQUESTS = 160
_HOPELESS_AFTER = 24
"""So many of the smallest groups, and none of them good: hardly any word is a token of its own here."""


def single_token_words(ask: AskTokens, words: Sequence[str]) -> tuple[str, ...]:
    """Words of which each is one token behind a space; fewer than ENOUGH_WORDS when requests run out, or none.

    Each group stands behind one and the same word, which was asked for alone: what is more is the group's.
    Raises NotCalibrated when the engine does not count.
    """
    likely_first = sorted(words, key=len)
    lead = likely_first[0]
    lead_tokens = counted_tokens(ask, lead)
    groups = deque(tuple(likely_first[at : at + GROUP_WORDS]) for at in range(0, len(words), GROUP_WORDS))
    good: list[str] = []
    small_and_bad = 0
    for _ in range(MOST_REQUESTS):
        if not groups or len(good) >= ENOUGH_WORDS or (not good and small_and_bad >= _HOPELESS_AFTER):
            break
        group = groups.popleft()
        if counted_tokens(ask, " ".join((lead, *group))) == lead_tokens + len(group):
            good += group
        elif len(group) > LEAST_GROUP_WORDS:
            half = len(group) // 2
            groups.extendleft((group[half:], group[:half]))  # small groups soon show whether there is hope
        else:
            small_and_bad += 1
    return tuple(good)
