"""`X-Imax-Tag: name=value`: what a client writes on its request, as dimensions of the figures."""

import re
from collections.abc import Callable, Iterable

from imaxproxy.metrics import OTHER

TAG_HEADER = "x-imax-tag"
MOST_TAGS = 8
"""Of one request; each costs its histograms another count."""
INVALID = "invalid"
"""Tags that cannot be read, that hold a key, and those past the most, count as `other=invalid`; their request goes its
way."""
_TAG = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]{0,31})=([A-Za-z0-9_.:/@+-]{1,64})")


def tags_of(headers: Iterable[str], is_secret: Callable[[str], bool] = lambda _text: False) -> dict[str, str] | None:
    """All tags of the headers' values, each a comma-separated list; None without any. Of one name the last counts."""
    tags: dict[str, str] = {}
    for text in (part.strip() for header in headers for part in header.split(",")):
        if not text:
            continue
        found = None if is_secret(text) else _TAG.fullmatch(text)
        name, value = found.groups() if found else (OTHER, INVALID)
        if name not in tags and len(tags) >= MOST_TAGS:
            name, value = OTHER, INVALID
        tags[name] = value
    return tags or None
