"""The template of streams whose events carry a number that rises by one: `/v1/responses` of most engines.

A plain Template would fail at every event. This one writes the number that must come next and compares bytes; a
number out of order is left to the full parse, which flags it.
"""

import re
from dataclasses import dataclass

from imaxproxy.wire.dialect import Facts
from imaxproxy.wire.template import LONGEST_SIZE_LINE, PAYLOAD_BYTES, PLAIN, Template, characters

_NUMBER = re.compile(rb'"sequence_number": ?(\d+)(?=[,}])')


@dataclass(slots=True)
class NumberedTemplate:
    """One event is: `before` number `between` text `after`, or the text first and the number behind it."""

    kind: int
    chunked: bool
    facts: Facts
    """Holds the last event's number."""
    before: bytes
    between: bytes
    after: bytes
    text_first: bool

    def around(self, number: int) -> tuple[bytes, bytes]:
        """What stands before and behind the text of the event of this number."""
        digits = b"%d" % number
        if self.text_first:
            return self.before, self.between + digits + self.after
        return self.before + digits + self.between, self.after

    def match_reads(self, reads: list[bytes]) -> list[int] | None:
        """As `Template.match_reads`."""
        if not self.chunked or self.facts.sequence_number is None:
            return None
        number, texts = self.facts.sequence_number, []
        for read in reads:
            number += 1
            prefix, suffix = self.around(number)
            payload_at = read.find(b"\n") + 1
            if not (
                read.startswith(prefix, payload_at)
                and read.endswith(suffix)
                and PAYLOAD_BYTES[read[:payload_at]] == len(read) - payload_at - 2
            ):
                return None
            texts.append(read[payload_at + len(prefix) : -len(suffix)])
        return self._taken(texts, number)

    def match(self, raw: bytes) -> tuple[list[int], list[int]] | None:
        """As `Template.match`."""
        if self.facts.sequence_number is None:
            return None
        number, at = self.facts.sequence_number, 0
        texts: list[bytes] = []
        ends: list[int] = []
        while at < len(raw):
            number += 1
            one = Template(self.kind, *self.around(number), self.chunked)
            payload_at = raw.find(b"\n", at, at + LONGEST_SIZE_LINE) + 1 if self.chunked else at
            text_at = payload_at + len(one.prefix)
            if self.chunked:
                text_end = payload_at + PAYLOAD_BYTES[raw[at:payload_at]] + 2 - len(one.suffix)
            else:
                text_end = raw.find(one.suffix, text_at)
            if (
                text_end <= text_at
                or not raw.startswith(one.prefix, payload_at)
                or not raw.startswith(one.suffix, text_end)
            ):
                return None
            texts.append(raw[text_at:text_end])
            at = text_end + len(one.suffix)
            ends.append(at)
        lengths = self._taken(texts, number)
        return None if lengths is None else (lengths, ends)

    def _taken(self, texts: list[bytes], number: int) -> list[int] | None:
        lengths = characters(texts)
        if lengths is not None:
            self.facts.sequence_number = number
        return lengths


def learn_numbered(
    read: bytes, kind: int, text: str, key: str, *, chunked: bool, facts: Facts
) -> NumberedTemplate | None:
    """The template of an event that came alone in one read; None when it cannot be told safely from its bytes."""
    raw_text = text.encode()
    if not key or not raw_text or raw_text.translate(None, PLAIN):
        return None
    event = read[read.index(b"\n") + 1 if chunked else 0 :]
    numbers = list(_NUMBER.finditer(event))
    for colon in (b'":"', b'": "'):
        needle = b'"' + key.encode() + colon + raw_text + b'"'
        if event.count(needle) != 1 or len(numbers) != 1:
            continue
        text_end = event.index(needle) + len(needle) - 1
        spans = sorted([(text_end - len(raw_text), text_end), numbers[0].span(1)])
        (a, b), (c, d) = spans
        text_first = spans[0][1] == text_end
        template = NumberedTemplate(kind, chunked, facts, event[:a], event[b:c], event[d:], text_first)
        prefix, suffix = template.around(int(numbers[0][1]))
        return template if b <= c and event == prefix + raw_text + suffix else None
    return None
