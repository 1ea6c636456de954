from imaxproxy.load import player
from imaxproxy.load.virtual_item import Memory
from imaxproxy.traces import TraceRow

MESSAGES = ({"role": "user", "content": "hi"},)


def row(name: str, **fields: object) -> TraceRow:
    return TraceRow(request_id=name, **fields)  # type: ignore[arg-type]


def test_a_turn_follows_the_one_before_it_unless_it_names_others() -> None:
    memory = Memory()
    first = memory.item(0, row("a", session_id="s"), live=False)
    second = memory.item(None, row("b", session_id="s"), live=False)
    third = memory.item(None, row("c", session_id="s", wait_for=("a",)), live=False)
    assert [(item.previous, item.wait_for, item.missing) for item in (first, second, third)] == [
        (None, (), set()),
        ("a", ("a",), {"a"}),
        ("b", ("a",), {"a"}),
    ]


def test_a_live_turn_is_also_behind_the_answer_it_goes_on_with() -> None:
    memory = Memory()
    memory.item(0, row("a", session_id="s", messages=MESSAGES), live=True)
    memory.item(0, row("b", session_id="s", messages=MESSAGES), live=True)
    item = memory.item(None, row("c", session_id="s", messages=MESSAGES, wait_for=("a",)), live=True)
    assert item.missing == {"a", "b"}


def test_what_has_ended_is_waited_for_no_more() -> None:
    memory = Memory()
    memory.end("a", 7)
    assert memory.item(0, row("b", wait_for=("a", "x")), live=False).missing == {"x"}


def test_only_so_many_ends_are_remembered_the_oldest_forgotten() -> None:
    memory = Memory()
    for number in range(player.REMEMBERED + 2):
        memory.end(str(number), number)
    assert len(memory.ended_at_ns) == player.REMEMBERED
    assert next(iter(memory.ended_at_ns)) == "2"
