"""Two requests before a run: how the engine counts our words, so that prompts have the length that the trace says.

No tokenizer is needed: the engine reports `usage.prompt_tokens`, and two prompts of different length give both
unknowns.
"""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.traces import PATHS, Endpoint, Fit, Prompts, TraceRow
from imaxproxy.wire import BaseUrl

SHORT_WORDS, LONG_WORDS = 64, 1088
"""Their distance, 1,024, shows a word list of which one word in a thousand is two tokens."""
_FITS_WITHIN = 0.0005
_TIMEOUT_S = 120.0
_SHOWN_CHARACTERS = 200

AskTokens = Callable[[str], int | None]
"""Sends a prompt and gives the engine's count of its tokens; None when it reports none."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What the two requests found.

    tokens_per_word = (long tokens - short tokens) / (long words - short words)
    overhead_tokens = short tokens - tokens_per_word x short words
    """

    overhead_tokens: float
    tokens_per_word: float

    @property
    def fits(self) -> bool:
        """Whether each word is one token here: lengths are then exact, and so are the borders of blocks."""
        return abs(self.tokens_per_word - 1.0) <= _FITS_WITHIN

    def fit(self) -> Fit:
        """For `Prompts`: exact where the list fits; else lengths are held on average."""
        slope = 1.0 if self.fits else self.tokens_per_word
        return Fit(max(0, round(self.overhead_tokens)), slope)

    def warning(self) -> str | None:
        """One line, where prompts cannot be exact."""
        if self.fits:
            return None
        return (
            f"the engine counts {self.tokens_per_word:.3f} tokens a word: the word list does not fit its tokenizer; "
            f"prompts are scaled to hold their length on average, but blocks that the trace shares lose their borders; "
            f"give --tokenizer DIR for exact ones"
        )


def calibrate(
    ask: AskTokens, prompts: Prompts, short_words: int = SHORT_WORDS, long_words: int = LONG_WORDS
) -> Calibration:
    """Send two prompts and solve for overhead and slope. Raises UsageError when the engine's counts make no sense.

    prompts: without a fit of its own, and with the run's salt, so that no cache is hit and none of the run's is filled.
    """
    counted = []
    for words in (short_words, long_words):
        text = prompts.text(TraceRow(f"calibration-{words}", input_length=words))
        tokens = ask(text)
        if tokens is None:
            raise UsageError("calibration: the engine reports no usage.prompt_tokens; leave calibration out")
        counted.append(tokens)
    slope = (counted[1] - counted[0]) / (long_words - short_words)
    if slope <= 0:
        raise UsageError(
            f"calibration: {long_words} words are {counted[1]} tokens to the engine and {short_words} words "
            f"{counted[0]}: it cuts prompts short, or counts something else; leave calibration out"
        )
    return Calibration(counted[0] - slope * short_words, slope)


def engine_counts(url: BaseUrl, model: str, endpoint: Endpoint, api_key: str | None = None) -> AskTokens:
    """Ask an engine, for one token of answer. The function raises UsageError when the engine cannot be asked."""

    def ask(text: str) -> int | None:
        asked = {"messages": [{"role": "user", "content": text}]} if endpoint == "chat" else {"prompt": text}
        answer = _post(url, PATHS[endpoint], {**asked, "model": model, "max_tokens": 1, "stream": False}, api_key)
        usage = answer.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return tokens if type(tokens) is int else None

    return ask


def _post(url: BaseUrl, path: str, body: dict[str, Any], api_key: str | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # straight, as the player connects
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            said = error.read(_SHOWN_CHARACTERS).decode(errors="replace")
        raise UsageError(f"calibration: the engine answered {error.code}: {' '.join(said.split())}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UsageError(f"calibration: no usable answer from {url} ({error})") from None
    return answer if isinstance(answer, dict) else {}
