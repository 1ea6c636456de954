"""The keys that a request shows, to be kept out of what is written down of it."""

import re

from multidict import CIMultiDictProxy

from imaxproxy.wire import SECRET_HEADERS

_SHORTEST = 8
"""Shorter ones guard nothing; `none` and `EMPTY` are words of prompts."""
_NAMES = tuple(name.decode() for name in sorted(SECRET_HEADERS))
_ISSUED = re.compile(r"\b(?:sk|pk|rk|hf|gsk|xai|nvapi|ghp|glpat)[-_][\w-]{16,}|\bAIza[\w-]{16,}")
"""As providers issue them. Long enough that `hf-tokenizers` and `sk-learn` are words."""


def keys_of(headers: CIMultiDictProxy[str]) -> list[str]:
    """Its keys and cookies, each header's value and the last word of it."""
    lines = [value for name in _NAMES for value in headers.getall(name, ())]
    return long_words(lines)


def long_words(lines: list[str]) -> list[str]:
    """The longest first, so that what contains another is found before it."""
    words = {word for line in lines for word in (line, line.rpartition(" ")[2])}
    return sorted((word for word in words if len(word) >= _SHORTEST), key=len, reverse=True)


def holds_key(text: str, headers: CIMultiDictProxy[str]) -> bool:
    """Whether a client wrote one of its keys, or what looks like anyone's, where words are expected."""
    return _ISSUED.search(text) is not None or any(key in text for key in keys_of(headers))
