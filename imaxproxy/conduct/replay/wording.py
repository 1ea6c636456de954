"""Which words a run's prompts are made of, and how many tokens the engine counts in them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.conduct.output import say
from imaxproxy.load import Scheduled
from imaxproxy.load.ask_tokens import engine_counts
from imaxproxy.load.calibrate import AskTokens, Calibration, NotCalibrated, calibrate
from imaxproxy.load.word_search import single_token_words
from imaxproxy.traces import Fit, Prompts, shipped_words
from imaxproxy.wire import BaseUrl

if TYPE_CHECKING:
    from imaxproxy.traces.tokenizer import Tokenizer

LEAST_WORDS = 256
"""Fewer give prompts that repeat themselves, and a block too few ways to differ."""


@dataclass(frozen=True, slots=True)
class Wording:
    """Which words, and how they are counted."""

    words: tuple[str, ...] | None = None
    """None: the list that ships."""
    fit: Fit = field(default_factory=Fit)
    described: dict[str, Any] = field(default_factory=lambda: {"calibrated": False})
    """For the manifest."""

    def prompts(self, seed: int, salt: str) -> Prompts:
        """A maker of prompts of its own, for one worker."""
        return Prompts(seed, salt, words=self.words, fit=self.fit)


def wording_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that say how prompts of exact length are made."""
    for option in (
        click.option(
            "--tokenizer",
            metavar="DIR",
            type=click.Path(path_type=Path),
            help="The model's tokenizer.json or its folder: prompts of its own words, exact; it counts answers too "
            "where the engine does not.",
        ),
        click.option(
            "--calibrate",
            type=click.Choice(["auto", "always", "never"]),
            default="auto",
            show_default=True,
            help="Ask the engine with two requests how it counts our prompts.",
        ),
    ):
        command = option(command)
    return command


class Wordings:
    """Finds out a command's wording: the tokenizer at once, what the engine counts when it is there, and once."""

    def __init__(self, flags: dict[str, Any]) -> None:
        """Raises UsageError for a tokenizer that cannot be read, or with which lengths cannot be exact."""
        self._flags = flags
        self._tokenizer: Tokenizer | None = None
        self._words: tuple[str, ...] | None = None
        self._found: Wording | None = None
        if flags["tokenizer"] is not None:
            from imaxproxy.traces.tokenizer import fitting_words, load_tokenizer

            self._tokenizer = load_tokenizer(flags["tokenizer"])
            self._words = fitting_words(self._tokenizer)

    @property
    def tokenizer_path(self) -> str | None:
        """Where it lies, for other processes."""
        return None if self._tokenizer is None else str(self._flags["tokenizer"].resolve())

    def of(self, url: BaseUrl, model: str, salt: str, *, makes_prompts: bool, embedded: bool) -> Wording:
        """makes_prompts: the trace has rows without text.  embedded: the engine counts words; nobody need ask it.

        Raises NotCalibrated under `--calibrate always`.
        """
        if self._found is None:
            when = self._flags["calibrate"]
            asks = when == "always" or (when == "auto" and makes_prompts and not embedded)
            self._found = calibrated(self._words, url, model, self._flags, salt) if asks else Wording(self._words)
        return self._found

    def counted(self, part: Scheduled) -> Scheduled:
        """The schedule, rows of text with their lengths where there is a tokenizer."""
        if self._tokenizer is None:
            return part
        from imaxproxy.traces.tokenizer import CountTokens

        count = CountTokens(self._tokenizer)
        return ((offset_ns, count.counted(row)) for offset_ns, row in part)


def calibrated(words: tuple[str, ...] | None, url: BaseUrl, model: str, flags: dict[str, Any], salt: str) -> Wording:
    """Ask the engine. Raises NotCalibrated under `--calibrate always`; else it is said, and the run goes on without."""
    ask = engine_counts(url, model, flags["endpoint"], flags["api_key"])
    try:
        return _calibrated(words, ask, salt)
    except NotCalibrated as why:
        if flags["calibrate"] == "always":
            raise
        say(f"imaxproxy: prompts are not calibrated: {why}; compare tokens.input with the trace")
        return Wording(words, described={"calibrated": False, "why": str(why)})


def _calibrated(words: tuple[str, ...] | None, ask: AskTokens, salt: str) -> Wording:
    found = calibrate(ask, words or shipped_words(), salt)
    if found.fits:
        say(f"imaxproxy: each word is one token to the engine, {found.fit().overhead_tokens} more a prompt")
        return _wording(words, found)
    if words is not None:
        say(
            f"imaxproxy: the engine counts {found.tokens_per_word:.3f} tokens in a word that is one to --tokenizer: "
            "is it this model's? Lengths and shared blocks hold on average only"
        )
        return _wording(words, found)
    return _repaired(found, ask, salt)


def _repaired(found: Calibration, ask: AskTokens, salt: str) -> Wording:
    """The list that ships does not fit: the words of it that do, if they are enough."""
    say(f"imaxproxy: the engine counts {found.tokens_per_word:.3f} tokens a word: looking for words that are one token")
    words = single_token_words(ask, shipped_words())
    if len(words) >= LEAST_WORDS:
        again = calibrate(ask, words, salt)
        if again.fits:
            say(f"imaxproxy: {len(words)} words are one token each: prompts are made of them, and exact")
            return _wording(words, again)
    say(
        f"imaxproxy: only {len(words)} words are one token each: lengths and shared blocks hold on average; "
        "pass --tokenizer DIR for exact ones"
    )
    return _wording(None, found)


def _wording(words: tuple[str, ...] | None, found: Calibration) -> Wording:
    described = {
        "calibrated": True,
        "overhead_tokens": found.overhead_tokens,
        "tokens_per_word": found.tokens_per_word,
        "fits": found.fits,
        "words": len(words or shipped_words()),
    }
    return Wording(words, found.fit(), described)
