"""Bytes of a terminal's keyboard, and the names of keys that they are."""

from collections.abc import Iterator

_NAMES = {
    b"\r": "enter",
    b"\n": "enter",
    b"\t": "tab",
    b" ": "space",
    b"\x7f": "backspace",
    b"\x08": "backspace",
    b"\x03": "q",  # Ctrl-C where the terminal makes no signal of it
}
_SEQUENCES = {
    b"[A": "up",
    b"[B": "down",
    b"[C": "right",
    b"[D": "left",
    b"OA": "up",
    b"OB": "down",
    b"OC": "right",
    b"OD": "left",
    b"[H": "home",
    b"OH": "home",
    b"[1~": "home",
    b"[5~": "pageup",
    b"[6~": "pagedown",
    b"[Z": "backtab",
}
_ESC = 0x1B


class KeyReader:
    """Cuts what the keyboard sent into keys, however reads cut it. Knows no terminal and no clock."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, data: bytes) -> list[str]:
        """The keys that are complete. A lone escape waits for `flush`: it may be the head of an arrow."""
        self._left += data
        return list(self._keys())

    @property
    def waits(self) -> bool:
        """Something has come that is no whole key yet."""
        return bool(self._left)

    def flush(self) -> list[str]:
        """Nothing more is coming: an escape was the key itself."""
        left, self._left = self._left, b""
        return ["esc"] if left[:1] == b"\x1b" else []

    def _keys(self) -> Iterator[str]:
        while self._left:
            if self._left[0] == _ESC:
                length = _sequence_length(self._left)
                if length is None:
                    return
                if name := _SEQUENCES.get(self._left[1:length], "esc" if length == 1 else ""):
                    yield name
            else:
                length = _letter_length(self._left)
                if length > len(self._left):
                    return
                if name := _name(self._left[:length]):
                    yield name
            self._left = self._left[length:]


def _sequence_length(data: bytes) -> int | None:
    """Of the escape sequence at the head (ECMA-48, section 5.4); None when its end has not come."""
    if len(data) == 1:
        return None
    if data[1:2] == b"O":
        return 3 if len(data) >= 3 else None
    if data[1:2] != b"[":
        return 1  # the escape key, and then another one
    for index in range(2, len(data)):
        if 0x40 <= data[index] <= 0x7E:
            return index + 1
    return None


def _letter_length(data: bytes) -> int:
    """Of the UTF-8 character at the head, by its first byte."""
    return 1 if data[0] < 0xC0 else 2 if data[0] < 0xE0 else 3 if data[0] < 0xF0 else 4


def _name(letter: bytes) -> str:
    """A letter is its own name; what cannot be shown has none."""
    if letter in _NAMES:
        return _NAMES[letter]
    text = letter.decode("utf-8", "ignore")
    return text if text.isprintable() else ""
