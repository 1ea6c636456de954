"""How deep JSON nests, kept under a bound while it is read in pieces."""

from itertools import accumulate

MOST_DEPTH = 1024
"""orjson's own bound. ijson has none and keeps a path for each level: 300 kB of `[` would take it 200 GB."""
_BRACKETS = b"[]{}"
_NO_BRACKETS = bytes(set(range(256)) - set(_BRACKETS))
_STEPS = dict(zip(_BRACKETS, (1, -1, 1, -1), strict=True))


class JsonDepth:
    """The depth behind each piece of a document, wherever it is cut. Brackets within strings count nothing.

    What is no JSON is the parser's to find: the count is right up to there.
    """

    def __init__(self) -> None:
        self.depth = 0
        self._in_string = False
        self._half_escape = b""

    def feed(self, data: bytes) -> None:
        """Take the next piece. Raises ValueError where it goes deeper than MOST_DEPTH."""
        brackets = self._outside_strings(data).translate(None, _NO_BRACKETS)
        opened = brackets.count(b"[") + brackets.count(b"{")
        if self.depth + opened > MOST_DEPTH:
            deepest = max(accumulate(map(_STEPS.__getitem__, brackets), initial=self.depth))
            if deepest > MOST_DEPTH:
                raise ValueError(f"it nests deeper than {MOST_DEPTH} levels")
        self.depth += 2 * opened - len(brackets)

    def _outside_strings(self, data: bytes) -> bytes:
        """Every other part between quotes, once those that are escaped are gone."""
        text = (self._half_escape + data).replace(rb"\\", b"")
        self._half_escape = text[-1:] if text.endswith(b"\\") else b""
        parts = text.replace(b'\\"', b"").split(b'"')
        outside = parts[self._in_string :: 2]
        self._in_string ^= len(parts) % 2 == 0
        return b"".join(outside)
