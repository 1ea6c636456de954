"""Streamed answers carried by C: what it recognises, what it hands over, and that it stops when told."""

import errno
import os
import shutil
import socket
from array import array
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_loop import run

from imaxproxy.errors import UsageError
from imaxproxy.metrics import ReadStamps
from imaxproxy.wire import hot_path, read_stamps, splice
from imaxproxy.wire.reception import BATCH_READS, LONG_READ_BYTES
from imaxproxy.wire.splice import STILL_OPEN, Splices, Taken, splices
from wire.test_template import EVENT, GOOD, chunk, event, learned

if not splice._built():
    pytest.skip("the C part is not built here", allow_module_level=True)

from imaxproxy.wire import _splice
from wire.carried import Carried, all_read, unread_bytes

END = b"0\r\n\r\n"
RESET_ON_CLOSE = b"\1\0\0\0\0\0\0\0"


def chars_of(taken: Taken) -> list[int]:
    return array("i", taken.event_chars).tolist()


def armed(carried: Carried, *, chunked: bool = True) -> None:
    template = learned(chunked=chunked)
    assert carried.splice.arm(template.prefix, template.suffix, chunked)


def recognised(raw: bytes, *, chunked: bool = True) -> list[int] | None:
    """Characters of each event that C knows in one read; None when the read was kept."""
    with Carried() as carried:
        armed(carried, chunked=chunked)
        carried.feed(raw)
        taken = carried.take()
    assert taken.reads == ([] if taken.event_chars else [raw])
    return chars_of(taken) or None


def matched(raw: bytes, *, chunked: bool = True) -> list[int] | None:
    """As `recognised`, by the template itself."""
    found = learned(chunked=chunked).match(raw)
    return None if found is None else found[0]


texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), min_size=1, max_size=6)


@pytest.mark.parametrize("chunked", [True, False])
@given(texts)
@settings(max_examples=60, deadline=None)
def test_recognises_a_row_of_events_as_the_template_does(chunked: bool, texts: list[str]) -> None:
    raw = b"".join(chunk(event(text)) if chunked else event(text) for text in texts)
    assert recognised(raw, chunked=chunked) == matched(raw, chunked=chunked) == list(map(len, texts))


@pytest.mark.parametrize("chunked", [True, False])
@given(texts, st.data())
@settings(max_examples=150, deadline=None)
def test_recognises_no_damaged_event_that_the_template_does_not(
    chunked: bool, texts: list[str], data: st.DataObject
) -> None:
    raw = bytearray(b"".join(chunk(event(text)) if chunked else event(text) for text in texts))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.one_of(st.integers(0, 255), st.sampled_from(b'"\\u0\r\n{}')))
    found = recognised(bytes(raw), chunked=chunked)
    assert found is None or found == matched(bytes(raw), chunked=chunked)


@pytest.mark.parametrize(
    ("body", "chars"),
    [
        (rb"\n", 1),
        (rb"a\"b\\\/", 5),
        (rb"\u00e9\u20AC", 2),
        ("é€😀".encode(), 3),
        (b"\x7f", 1),
        (rb"\ud83d\ude00", None),  # a surrogate pair is for the full parse
        (rb"\x", None),
        (rb"\u12", None),
        (rb"\u12g4", None),
        (b"\x1f", None),
        (b"\xc3", None),
        (b"\xc0\xaf", None),  # overlong
        (b"\xe0\x80\xaf", None),
        (b"\xed\xa0\x80", None),  # half of a surrogate pair
        (b"\xf4\x90\x80\x80", None),  # above U+10FFFF
        (b"\xff", None),
        (b"", None),
        (b"a\0b", None),
        (b"\\\0", None),
    ],
)
def test_counts_characters_as_json_does(body: bytes, chars: int | None) -> None:
    for chunked in (True, False):
        raw = EVENT % (b'"' + body + b'"')
        found = recognised(chunk(raw) if chunked else raw, chunked=chunked)
        assert found == (None if chars is None else [chars]), chunked


@pytest.mark.parametrize(
    "raw",
    [
        GOOD[:-1],
        GOOD + b"\r\n",
        GOOD + chunk(event("x").replace(b"null", b'"stop"')),
        GOOD + chunk(b"data: [DONE]\n\n"),
        GOOD + END,
        GOOD.replace(b"\r\ndata", b";x\r\ndata"),  # chunk extension
        b"0x" + GOOD,
        b"1" + GOOD,
        b"0" * 7 + GOOD,  # nine digits
        b"ffffffff\r\n" + GOOD,
        chunk(event("ab") + event("cd")),
    ],
)
def test_keeps_what_is_no_such_row(raw: bytes) -> None:
    assert recognised(raw) is None


def test_an_event_carries_the_time_of_its_read() -> None:
    with Carried() as carried:
        armed(carried)
        before_ns = carried.splice.last_read_ns
        carried.feed(GOOD, GOOD + GOOD)
        last_ns = carried.splice.last_read_ns
        times_ns = array("q", carried.take().event_times_ns).tolist()
    assert before_ns < times_ns[0] < times_ns[1] == times_ns[2] == last_ns


def test_what_is_not_recognised_is_kept_until_it_is_armed_again() -> None:
    with Carried() as carried:
        odd = chunk(b": ping\n\n")
        armed(carried)
        carried.feed(GOOD, odd, GOOD)
        template = learned()
        assert not carried.splice.arm(template.prefix, template.suffix, True), "nobody has looked at what is kept"
        taken = carried.take()
        assert (chars_of(taken), taken.reads) == ([2], [odd, GOOD])
        assert taken.read_times_ns == sorted(taken.read_times_ns)
        armed(carried)
        carried.feed(GOOD)
        assert (chars_of(carried.take()), carried.take().reads) == ([2], [])


def test_python_is_told_soon_at_first_and_then_by_batches() -> None:
    with Carried(batch_reads=BATCH_READS) as carried:
        told = []
        for number in range(2 + 4 + 8 + 2 * BATCH_READS):
            carried.feed(GOOD)
            if carried.needs_python():
                told.append(number + 1)
                carried.take()
        assert told == [2, 2 + 4, 2 + 4 + 8, 2 + 4 + 8 + 16, 2 + 4 + 8 + 32]


@pytest.mark.parametrize("read", [END, b"\r\n", b"x", GOOD.replace(b"\n\n\r\n", b"\r\n\r\n")])
def test_behind_what_may_be_the_last_read_nothing_is_read(read: bytes) -> None:
    """So an answer's end is known before its engine can send more, and its client is sent nothing of that."""
    with Carried(client=True) as carried:
        carried.feed(GOOD, read)
        carried.until_ready()
        carried.engine.sendall(b"more")
        carried.splice.resume()  # meant for something earlier: nobody has seen this yet
        assert carried.take().reads == [GOOD, read]
        assert unread_bytes(carried.ours) == len(b"more")
        assert carried.client.recv(1000) == GOOD + read
        carried.splice.resume()
        all_read(carried.ours)
        assert carried.client.recv(1000) == b"more"


def test_a_long_read_is_told_at_once() -> None:
    with Carried() as carried:
        carried.feed(b"x" * (LONG_READ_BYTES + 1))
        carried.until_ready()
        assert sum(map(len, carried.take().reads)) == LONG_READ_BYTES + 1


def test_a_client_gets_the_very_bytes() -> None:
    with Carried(client=True) as carried:
        armed(carried)
        sent = [GOOD, b": oddly\n\n", GOOD, END]
        carried.feed(*sent)
        assert carried.client.recv(10_000) == b"".join(sent)


def test_a_client_that_lags_stops_the_reads_and_nothing_is_lost() -> None:
    with Carried(client=True) as carried:
        carried.to_client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        carried.client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        carried.engine.setblocking(False)
        flood, sent, kept, unsent = bytes(range(1, 251)) * 4000, 0, bytearray(), b""
        while not unsent:
            with suppress(BlockingIOError):
                sent += carried.engine.send(flood[sent : sent + 8000])
            carried.splice.resume()  # meant for something earlier: what waits for Python now is not to be overtaken
            if carried.needs_python():
                taken = carried.take()
                unsent = taken.unsent
                kept += b"".join(taken.reads)
        read_before = len(kept)
        carried.engine.send(b"more")
        assert carried.take().reads == []  # paused, whatever comes
        taken_by_client = carried.client.recv(read_before - len(unsent), socket.MSG_WAITALL)
        assert taken_by_client + unsent == flood[:read_before]
        carried.splice.resume()
        carried.until_ready()
        assert carried.take().reads


def test_a_client_that_has_left_is_for_its_transport_to_find() -> None:
    with Carried(client=True) as carried:
        carried.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        carried.client.close()
        carried.feed(GOOD)
        carried.until_ready()
        taken = carried.take()
        assert (taken.unsent, taken.reads, taken.end) == (GOOD, [GOOD], STILL_OPEN)


def test_memory_is_bounded_while_nobody_takes() -> None:
    with Carried() as carried:
        carried.engine.setblocking(False)
        refused_in_a_row = 0
        while refused_in_a_row < 2000:  # all buffers between are full, and stay so
            try:
                carried.engine.send(bytes(1 << 16))
                refused_in_a_row = 0
            except BlockingIOError:
                refused_in_a_row += 1
                os.sched_yield()
        assert unread_bytes(carried.ours)
        assert sum(map(len, carried.take().reads)) < (1 << 18) + (1 << 16)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("data", [b"", GOOD])
def test_the_end_comes_behind_what_came_before_it(data: bytes, reset: bool) -> None:
    with Carried() as carried:
        armed(carried)
        carried.feed(data) if data else None
        if reset:
            carried.engine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        carried.engine.close()
        carried.until_ready()
        taken = carried.take()
        assert (len(chars_of(taken)), taken.end) == (bool(data), errno.ECONNRESET if reset else 0)


def test_an_end_that_comes_with_the_last_data_is_seen() -> None:
    """Edge-triggered: no second event tells of it."""
    for _ in range(50):
        with Carried(paused=True) as carried:
            armed(carried)
            carried.engine.sendall(GOOD)
            carried.engine.close()
            carried.splice.resume()
            carried.until_ready()
            taken = carried.take()
            assert (chars_of(taken), taken.end) == ([2], 0)


def test_paused_it_reads_nothing_and_stopped_it_never_does() -> None:
    with Carried(paused=True) as carried:
        carried.engine.sendall(GOOD)
        assert carried.take().reads == []
        carried.splice.resume()
        all_read(carried.ours)
        assert carried.take().reads == [GOOD]
        carried.splice.pause()
        carried.engine.sendall(b"x" * 10)
        carried.splice.stop()
        carried.splice.stop()
        carried.splice.resume()
        assert carried.splicer.splices() == 0
        assert carried.take().reads == []
        assert unread_bytes(carried.ours) == 10


def test_many_on_one_thread_each_get_their_own() -> None:
    with Carried(client=True) as one, Carried(client=True, splicer=one.splicer) as other:
        assert one.splicer.splices() == 2
        one.feed(b"the first")
        other.feed(b"the second")
        assert (one.client.recv(100), other.client.recv(100)) == (b"the first", b"the second")
        assert (one.take().reads, other.take().reads) == ([b"the first"], [b"the second"])


def test_a_descriptor_has_one_splice() -> None:
    with Carried() as carried:
        for fd, error in ((carried.ours.fileno(), FileExistsError), (9999, OSError), (-1, ValueError)):
            with pytest.raises(error):
                _splice.Splice(carried.splicer, fd, -1, 16, False)
        with pytest.raises(ValueError, match="quote"):
            carried.splice.arm(b"data: ", b"x", True)
        with pytest.raises(ValueError, match="at least 1"):
            carried.splicer.ready(0)
        assert carried.splicer.splices() == 1


def test_a_loop_has_one_thread_and_lets_it_go() -> None:
    async def scenario() -> Splices:
        found = splices()
        assert found is not None
        assert found is splices()
        assert repr(found) == "<Splices: 0 on their way>"
        return found

    run(scenario())


def test_the_variable_chooses_and_says_what_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splice, "_wanted", "python")
    assert hot_path() == "python"
    monkeypatch.setattr(splice, "_wanted", "")
    assert hot_path() == "c"
    monkeypatch.setattr(splice, "_built", lambda: False)
    assert hot_path() == "python"
    monkeypatch.setattr(splice, "_wanted", "c")
    with pytest.raises(UsageError, match="not built here"):
        hot_path()
    monkeypatch.setattr(splice, "_wanted", "rust")
    with pytest.raises(UsageError, match="IMAXPROXY_HOT_PATH must be c or python"):
        hot_path()


def test_of_an_answer_each_read_is_told_until_its_head_was_read() -> None:
    with Carried(batch_reads=1) as carried:
        carried.splice.begin()
        carried.feed(b"HTTP/1.1 200 OK\r\nContent-Ty")
        carried.until_ready()
        assert carried.take().reads == [b"HTTP/1.1 200 OK\r\nContent-Ty"]
        carried.splice.expect(16)
        carried.feed(GOOD)
        assert not carried.needs_python(), "two reads may wait at first"
        carried.feed(GOOD)
        carried.until_ready()
        assert carried.take().reads == [GOOD, GOOD]


def test_the_next_answer_knows_nothing_of_the_last_ones_events() -> None:
    with Carried() as carried:
        armed(carried)
        carried.splice.begin()
        carried.feed(GOOD)
        carried.until_ready()
        assert carried.take().reads == [GOOD]


def test_what_comes_unasked_stirs_a_splice_and_so_does_the_end() -> None:
    with Carried() as carried:
        assert not carried.splice.stirred
        carried.feed(GOOD)
        assert carried.splice.stirred
        carried.take()
        assert not carried.splice.stirred
        armed(carried)
        carried.feed(GOOD)
        assert carried.splice.stirred
        carried.take()
        carried.engine.close()
        carried.until_ready()
        assert carried.splice.stirred


@pytest.mark.parametrize("batch_reads", [0, -1])
def test_batches_are_of_one_read_or_more(batch_reads: int) -> None:
    with Carried() as carried, pytest.raises(ValueError, match="at least 1"):
        carried.splice.expect(batch_reads)


def test_many_at_a_high_rate_are_gathered_and_none_is_lost() -> None:
    """Long enough for the thread to wait between its rows of reads; each event comes to its own splice."""
    with ExitStack() as stack:
        first = stack.enter_context(Carried())
        many = [first, *(stack.enter_context(Carried(splicer=first.splicer)) for _ in range(19))]
        for carried in many:
            armed(carried)
        rounds = 300
        for _ in range(rounds):
            for carried in many:
                carried.engine.sendall(GOOD)
        for carried in many:
            all_read(carried.ours)
            assert len(chars_of(carried.take())) == rounds


def test_read_stamps_are_of_the_running_loop() -> None:
    async def scenario() -> None:
        assert read_stamps() is None, "nothing was carried"
        through = splices()
        assert through is not None
        splice.LoopReads.made = 3
        assert read_stamps() == ReadStamps({}, 0, 3)
        assert read_stamps() == ReadStamps({}, 0, 0)

    run(scenario())


def test_a_part_of_other_sources_is_as_good_as_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(splice._SOURCES, tmp_path / "csrc")
    monkeypatch.setattr(splice, "_SOURCES", tmp_path / "csrc")
    assert splice._built.__wrapped__()
    newer = tmp_path / "csrc" / "haul.c"
    newer.write_text(newer.read_text() + "/* newer */")
    assert not splice._built.__wrapped__()
