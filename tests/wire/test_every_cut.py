"""B01: a stream cut at any byte gives the same Exchange, its Timeline included."""

import pytest

from imaxproxy.metrics import Exchange
from imaxproxy.wire import HeadReader, Reception
from wire.streams import ASK, FRAMINGS, READ_NS, Recorded, names, receive

STREAMS = [name for name in names() if Recorded.load(name).streamed]
ONE_OF_EACH_DIALECT = [
    "vllm-chat-stream-usage",
    "sglang-completions-stream-contusage",
    "vllm-responses-stream",
    "sglang-messages-stream",
]


def every_cut_gives_the_same(name: str, framing: str) -> None:
    """Both halves of a cut read have its stamp, so that nothing at all may differ."""
    recorded = Recorded.load(name)
    chunks = recorded.chunks(framing)
    whole = receive(recorded, framing, chunks)
    for index, read in enumerate(chunks):
        for place in range(1, len(read)):
            times_ns = [(number + 1) * READ_NS for number in range(len(chunks))]
            times_ns.insert(index, times_ns[index])
            reads = [*chunks[:index], read[:place], read[place:], *chunks[index + 1 :]]
            assert stamped(recorded, framing, reads, times_ns) == whole, (name, index, place)


def stamped(recorded: Recorded, framing: str, reads: list[bytes], times_ns: list[int]) -> Exchange:
    """As `receive`, the reads' times given. The exchange ends at the same moment, however many reads there were."""
    parsed = HeadReader().feed(recorded.head(framing))
    assert parsed is not None
    reception = Reception(parsed[0], 0, recorded.dialect)
    for at_ns, read in zip(times_ns, reads, strict=True):
        reception.times_ns.append(at_ns)
        reception.reads.append(read)
        if len(reception.reads) == 5:
            reception.digest()
    reception.digest()
    broken = None if reception.done else reception.at_eof(reset=False)
    aborted = "client_left" if recorded.aborted else None
    return reception.close(ASK, times_ns[-1] + READ_NS, broken, aborted)


@pytest.mark.parametrize("name", ONE_OF_EACH_DIALECT)
def test_cut_at_every_byte(name: str) -> None:
    every_cut_gives_the_same(name, "event")


@pytest.mark.slow
@pytest.mark.parametrize("framing", FRAMINGS)
@pytest.mark.parametrize("name", STREAMS)
def test_every_recording_cut_at_every_byte(name: str, framing: str) -> None:
    if Recorded.load(name).aborted and framing in ("until_close", "length"):
        pytest.skip("cut off by us: no length was known, and its end is no end")
    every_cut_gives_the_same(name, framing)
