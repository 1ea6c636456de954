"""What is made when, with no process: the test plays the worker."""

from collections.abc import Iterator

import pytest

from imaxproxy.load import Feeder, Item, Turn
from imaxproxy.load import feeding as feeding_module
from imaxproxy.load.feeding import QUEUE_ITEMS
from imaxproxy.traces import TraceRow


def make(turn: Turn) -> Item:
    answer = b"" if turn.answer is None else str(turn.answer["content"]).encode()
    return Item(turn.row.request_id, "/", answer or b"x" * 100, turn.offset_ns, wait_for=turn.follows)


def feeder_of(rows: list[TraceRow], *, live: bool = False) -> Feeder:
    return Feeder([(None, row) for row in rows], make, live=live)


def session(name: str, turns: int) -> list[TraceRow]:
    return [TraceRow(f"{name}{number}", session_id=name) for number in range(turns)]


def test_of_a_session_one_turn_is_made_ahead_and_no_more() -> None:
    feeder = feeder_of([*session("a", 3), TraceRow("x")])
    items = feeder.items()
    assert [next(items).request_id, next(items).request_id] == ["a0", "x"]
    feeder.told.put({"sent": ["a0"]})
    item = next(items)
    assert (item.request_id, item.wait_for) == ("a1", ("a0",))
    feeder.told.put({"sent": ["x", "a1"]})
    assert next(items).request_id == "a2"
    assert next(items, None) is None


def test_with_live_history_a_turn_is_made_of_the_answer_before_it() -> None:
    feeder = feeder_of(session("a", 2), live=True)
    items = feeder.items()
    assert next(items).request_id == "a0"
    feeder.told.put({"sent": ["a0"]})
    feeder.told.put({"sent": [], "done": [["a0", {"content": "live"}]]})
    assert next(items).data == b"live"


def test_a_full_queue_waits_for_room_and_a_session_does_not_wait_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    feeder = feeder_of([*session("a", 2), *(TraceRow(f"r{number}") for number in range(QUEUE_ITEMS * 2))])
    items = feeder.items()
    made = [next(items).request_id for _ in range(QUEUE_ITEMS)]
    assert made[0] == "a0"
    feeder.told.put({"sent": ["a0"]})
    assert next(items).request_id == "a1"  # although the queue is full of others
    assert next(items).request_id == made[-1].replace(made[-1][1:], str(int(made[-1][1:]) + 1))
    assert repr(feeder) == f"<Feeder {QUEUE_ITEMS + 1} queued, 0 held, 0 ready>"


def test_the_queue_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeding_module, "QUEUE_BYTES", 250)
    feeder = feeder_of([TraceRow(f"r{number}") for number in range(9)])
    items = feeder.items()
    assert [next(items).request_id for _ in range(3)] == ["r0", "r1", "r2"]
    feeder.told.put(None)  # the worker has ended while we wait for room
    assert next(items, None) is None


def test_what_waits_for_a_later_row_does_not_block_it() -> None:
    waiting = [TraceRow(f"w{number}", wait_for=("last",)) for number in range(QUEUE_ITEMS * 2)]
    feeder = feeder_of([*waiting, TraceRow("last")])
    items = feeder.items()
    assert next(items).request_id == "last"
    feeder.told.put({"sent": ["last"]})
    assert [item.request_id for item in items] == [row.request_id for row in waiting]


def test_rows_that_wait_are_read_up_to_their_weight_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn of an agent has a thousand hash ids: few of them take what many others do."""
    monkeypatch.setattr(feeding_module, "HELD_WEIGHT", 100)
    read: list[str] = []

    def rows() -> Iterator[tuple[int, TraceRow]]:
        for number in range(1000):
            read.append(str(number))
            waits = ("0",) if number else ()
            yield 0, TraceRow(str(number), wait_for=waits, hash_ids=tuple(range(640)), block_size=1)

    feeder = Feeder(rows(), make)
    items = feeder.items()
    assert next(items).request_id == "0"
    feeder.told.put({"sent": []})  # looks again, and finds no room
    feeder.told.put({"sent": ["0"]})
    assert next(items).request_id == "1"
    assert len(read) <= 100 // 11 + 3


def test_what_waits_for_nobody_is_handed_on_to_be_counted() -> None:
    feeder = feeder_of([TraceRow("a"), TraceRow("lost", wait_for=("nobody",)), TraceRow("self", wait_for=("self",))])
    items = feeder.items()
    assert next(items).request_id == "a"
    feeder.told.put({"sent": ["a"]})
    assert sorted(item.request_id for item in items) == ["lost", "self"]


def test_a_fork_and_its_join() -> None:
    rows = [
        TraceRow("main0", session_id="m"),
        TraceRow("sub0", session_id="s", wait_for=("main0",)),
        TraceRow("sub1", session_id="t", wait_for=("main0",)),
        TraceRow("main1", session_id="m", wait_for=("sub0", "sub1")),
    ]
    feeder = feeder_of(rows)
    items = feeder.items()
    assert next(items).request_id == "main0"
    feeder.told.put({"sent": ["main0"]})
    assert sorted(next(items).request_id for _ in range(2)) == ["sub0", "sub1"]
    feeder.told.put({"sent": ["sub1", "sub0"]})
    assert next(items).wait_for == ("sub0", "sub1")
