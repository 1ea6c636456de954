"""Two requests before a run: how the engine counts our words, so that prompts have the length that the trace says.

No tokenizer is needed: the engine reports `usage.prompt_tokens`, and two prompts of different length give both
unknowns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imaxproxy.errors import ImaxproxyError
from imaxproxy.traces import Fit, Prompts, TraceRow

SHORT_WORDS, LONG_WORDS = 64, 1088
"""Their distance, 1,024, shows a word list of which one word in a thousand is two tokens."""
_FITS_WITHIN = 0.0005

AskTokens = Callable[[str], int | None]
"""Sends a prompt and gives the engine's count of its tokens; None when it reports none."""


class NotCalibrated(ImaxproxyError):
    """The engine's counts are not to be had, or make no sense; a run can go on without."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the two requests found.

        tokens_per_word = (long tokens - short tokens) / (long words - short words)
        overhead_tokens = short tokens - tokens_per_word x short words

    Overhead is the chat template's, with the lead's.
    """

    overhead_tokens: float
    tokens_per_word: float
    lead: str

    @property
    def fits(self) -> bool:
        """Whether each word is one token here: lengths are then exact, and so are the borders of blocks."""
        return abs(self.tokens_per_word - 1.0) <= _FITS_WITHIN

    def fit(self) -> Fit:
        """For `Prompts`: exact where the list fits; else lengths are held on average."""
        slope = 1.0 if self.fits else self.tokens_per_word
        return Fit(max(0, round(self.overhead_tokens)), slope, self.lead)


def calibrate(ask: AskTokens, words: Sequence[str], salt: str) -> Calibration:
    """Send two prompts and solve for overhead and slope. Raises NotCalibrated.

    The long prompt begins with the short one, so that both have the same first word.
    """
    lead = words[0]
    prompts = Prompts(0, f"calibration {salt}", words=words, fit=Fit(lead=lead))
    texts = [prompts.text(TraceRow("calibration", input_length=count)) for count in (SHORT_WORDS, LONG_WORDS)]
    short, long = (counted_tokens(ask, text) for text in texts)
    slope = (long - short) / (LONG_WORDS - SHORT_WORDS)
    if slope <= 0:
        raise NotCalibrated(
            f"the engine counts {long} tokens in {LONG_WORDS} words and {short} in {SHORT_WORDS}: it cuts prompts "
            "short, or counts something else"
        )
    return Calibration(short - slope * SHORT_WORDS, slope, lead)


def counted_tokens(ask: AskTokens, text: str) -> int:
    """The engine's count of this prompt. Raises NotCalibrated when it says none."""
    tokens = ask(text)
    if tokens is None:
        raise NotCalibrated("the engine reports no usage.prompt_tokens")
    return tokens
