"""Who follows whom."""

from imaxproxy.proxy.sessions import MOST_LANES, Sessions, Step


def step(
    name: str = "a", turn: int | None = 0, start: float = 0, end: float | None = None, blocks: list[int] | None = None
) -> Step:
    return Step(name, turn, start, start + 1 if end is None else end, blocks or [])


def test_turns_of_a_conversation_are_one_session_with_the_users_pauses() -> None:
    sessions = Sessions()
    assert sessions.place(step(turn=0, start=0, end=10)) == ("s1", 0, None)
    assert sessions.place(step(turn=1, start=25, end=30)) == ("s1", 1, 15)
    assert sessions.place(step(turn=3, start=31)) == ("s1", 3, 1)  # one in between was not captured


def test_who_opens_alike_is_someone_else() -> None:
    sessions = Sessions()
    assert [sessions.place(step(turn=0, start=at))[0] for at in (0, 5, 10)] == ["s1", "s2", "s3"]
    assert sessions.place(step(name="b"))[0] == "s4"


def test_what_runs_at_the_same_time_is_not_one_after_the_other() -> None:
    sessions = Sessions()
    assert sessions.place(step(turn=None, start=0, end=10))[0] == "s1"
    assert sessions.place(step(turn=None, start=5, end=20)) == ("s2", 0, None)
    assert sessions.place(step(turn=None, start=15)) == ("s1", 1, 5)


def test_a_turn_goes_to_the_conversation_whose_prompt_it_goes_on_with() -> None:
    """The last block is a part, and changes when more comes."""
    sessions = Sessions()
    sessions.place(step(turn=0, start=0, blocks=[1, 2, 3]))
    sessions.place(step(turn=0, start=2, blocks=[1, 5, 6]))
    assert sessions.place(step(turn=1, start=9, blocks=[1, 2, 33, 44]))[0] == "s1"
    assert sessions.place(step(turn=1, start=9, blocks=[1, 5, 66]))[0] == "s2"
    assert sessions.place(step(turn=1, start=20, blocks=[1, 7, 8]))[0] == "s3"
    assert sessions.place(step(turn=2, start=30, blocks=[1]))[0] == "s4"  # its history was cut


def test_memory_is_bounded() -> None:
    sessions = Sessions()
    for at in range(3 * MOST_LANES):
        sessions.place(step(turn=0, start=2 * at))
    assert len(sessions._lanes["a"]) == MOST_LANES
