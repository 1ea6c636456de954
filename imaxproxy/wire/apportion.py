"""Share the engine's token total over the events that carried the text."""

from collections.abc import Sequence
from itertools import accumulate


def apportion(total_tokens: int, text_lengths: Sequence[int]) -> list[int]:
    """Whole tokens for each event, together exactly `total_tokens`, by text length.

    Rounded down on the running sum: a token is the event's in which its text ends, and one without text (the last, that
    ends an answer) the last event's. Where text is proportional to tokens the shares are exact. An event with text
    holds at least one token, so each gets one as long as there are as many tokens as events; with equally many, the
    usual case, that is one each. Of fewer (an engine that streams half characters) some events get none.
    """
    events = len(text_lengths)
    if total_tokens == events:
        return [1] * events
    whole = sum(text_lengths)
    if not whole:
        text_lengths, whole = [1] * events, events
    so_far = accumulate(text_lengths)
    if total_tokens < events:
        marks = [total_tokens * length // whole for length in so_far]
    else:
        marks, least = [], 0
        for index, length in enumerate(so_far, 1):
            ended = total_tokens * length // whole
            marks.append(max(least + 1, min(ended, total_tokens - events + index)))
            least = marks[-1]
    return [now - before for before, now in zip([0, *marks], marks, strict=False)]
