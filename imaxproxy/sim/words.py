"""What a simulated engine says: words of one width, one token each, always in the same order."""

WORD_BYTES = 6


def _words() -> list[bytes]:
    """256 words of one width, each with its space: an event's length does not depend on its text."""
    consonants, vowels = "bdfgklmnprstvwyz", "aeio"
    return [
        f" {consonants[i % 16]}{vowels[i // 16 % 4]}{consonants[(i // 16 + 5 * i) % 16]}{vowels[i // 64]}n".encode()
        for i in range(256)
    ]


WORDS = _words()


def text_of(first: int, tokens: int) -> bytes:
    """The text of `tokens` tokens from number `first` on (1 is a stream's first)."""
    return b"".join([WORDS[number & 255] for number in range(first, first + tokens)])


def stopped_at(stops: tuple[str, ...], output_tokens: int, reasoning_tokens: int) -> tuple[int, int, str] | None:
    """Where the first stop string ends an answer: its token's number, the bytes of that token's text that remain, the
    string. None when none comes. Reasoning is not looked at; of a stop string that spans tokens only the last is cut.
    """
    text = text_of(reasoning_tokens + 1, min(output_tokens - reasoning_tokens, 2 * len(WORDS))).decode()
    found = [(at, stop) for stop in stops if stop and (at := text.find(stop)) >= 0]
    if not found:
        return None
    at, stop = min(found)
    last = (at + len(stop) - 1) // WORD_BYTES
    return reasoning_tokens + last + 1, max(0, at - last * WORD_BYTES), stop
