"""Share the engine's token total over the events that carried the text."""

from collections.abc import Sequence
from itertools import accumulate


def apportion(total_tokens: int, text_lengths: Sequence[int]) -> list[int]:
    """Whole tokens for each event, together exactly `total_tokens`.

    Every event with text holds at least one token, so each gets one, and what is left over is shared by text length,
    rounded on the running sum. With as many tokens as events, the usual case, that is one each. Fewer tokens than
    events (an engine that streams half characters) are shared by text length alone, and some events get none.
    """
    events = len(text_lengths)
    if total_tokens == events:
        return [1] * events
    floor = 1 if total_tokens > events else 0
    spare = total_tokens - floor * events
    whole = sum(text_lengths)
    if not whole:
        text_lengths, whole = [1] * events, events
    marks = [spare * length_so_far // whole for length_so_far in accumulate(text_lengths)]
    return [floor + now - before for before, now in zip([0, *marks], marks, strict=False)]
