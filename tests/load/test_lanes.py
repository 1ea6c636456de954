from dataclasses import replace
from itertools import islice

import pytest

from imaxproxy.errors import UsageError
from imaxproxy.load import LanePlan, Placement
from imaxproxy.metrics import WARMUP
from imaxproxy.traces import TextSalt, TraceRow


def trees(count: int, turns: int = 4) -> list[TraceRow]:
    """Sessions one after the other, of so many turns; the second turn of each spawns a sub-agent of two."""
    rows = []
    for number in range(count):
        name = f"t{number}"
        for turn in range(turns):
            rows.append(
                TraceRow(
                    f"{name}.{turn}",
                    session_id=name,
                    timestamp_ms=1000.0 * turn,
                    delay_ms=100.0,
                    input_length=10 * (turn + 1),
                    output_length=5,
                    hash_ids=(number * 100 + turn,),
                    block_size=1000,
                )
            )
            if turn == 1:
                for step in range(2):
                    waits = (f"{name}.1",) if not step else ()
                    rows.append(
                        TraceRow(
                            f"{name}.a{step}",
                            session_id=f"{name}a",
                            parent_session_id=name,
                            wait_for=waits,
                            input_length=3,
                            output_length=2,
                        )
                    )
    return rows


def plan(rows: list[TraceRow], lanes: int, share: float = 0.5, advances: int = 0) -> LanePlan:
    made = LanePlan(lanes, 0, (share, share), advances)
    made.look(rows)
    return made


def drawn(made: LanePlan, rows: list[TraceRow], count: int) -> list[tuple[int | None, TraceRow]]:
    return list(islice(made.scheduled(lambda: rows, TextSalt("x")), count))


def test_lanes_begin_in_the_middle_and_each_is_warmed_up_before() -> None:
    rows = trees(4)
    made = plan(rows, 2)
    warm = list(made.warmups(lambda: rows, TextSalt("x")))
    assert [row.request_id for row in warm] == ["t0#warmup", "t1#warmup"]
    assert {(row.request_kind, row.output_length) for row in warm} == {(WARMUP, 1)}
    assert warm[0].hash_ids == (1,)
    schedule = drawn(made, rows, 20)
    begun = [(offset, row.request_id) for offset, row in schedule if offset is not None]
    assert [name for _, name in begun] == ["t0.2", "t1.2"]
    assert all(0 < (offset or 0) < 100_000_000 for offset, _ in begun)  # somewhere within the wait of 100 ms
    assert not any(name.startswith("t0#") for _, row in schedule for name in row.wait_for)


def test_a_lane_goes_on_with_its_next_tree_when_all_of_the_one_before_has_ended() -> None:
    rows = trees(4)
    by_id = {row.request_id: row for _, row in drawn(plan(rows, 2), rows, 100)}
    assert by_id["t2.0"].wait_for == ("t0.3",)  # the sub-agent's turns lay before the middle
    assert by_id["t2.0"].wait_ms == 0
    assert by_id["t3.0"].wait_for == ("t1.3",)
    assert set(by_id["t0.0~1"].wait_for) == {"t2.3", "t2.a1"}
    assert set(by_id["t2.0~1"].wait_for) == {"t0.3~1", "t0.a1~1"}


def test_each_lap_shares_no_block_and_no_name_with_another() -> None:
    rows = trees(2)
    schedule = [row for _, row in drawn(plan(rows, 1, 0.0), rows, 60)]
    assert len({row.request_id for row in schedule}) == 60
    blocks = [row.hash_ids for row in schedule if row.hash_ids]
    assert len(set(blocks)) == len(blocks)


@pytest.mark.parametrize("lanes", [1, 2, 3, 5, 8])
def test_a_lane_never_plays_two_trees_at_once(lanes: int) -> None:
    """Play it: everything ends in the order in which it may; so many trees are at work at any time, and no more."""
    rows = trees(3)
    made = plan(rows, lanes)
    schedule = drawn(made, rows, 120)
    ended: set[str] = set()
    last_of_session: dict[str, str] = {}
    waiting = []
    for offset, row in schedule:
        waits = row.wait_for or ((last_of_session[row.session_id],) if row.session_id in last_of_session else ())
        last_of_session[str(row.session_id)] = row.request_id
        waiting.append((offset, row, waits))
    first_round = {(row.parent_session_id or row.session_id) for offset, row, waits in waiting if not waits}
    assert len(first_round) == lanes
    left = waiting
    while left:
        may = [each for each in left if ended.issuperset(each[2])]
        assert may, "nothing may go on"
        at_work = {each[1].parent_session_id or each[1].session_id for each in may}
        assert len(at_work) <= lanes
        ended |= {each[1].request_id for each in may}
        left = [each for each in left if each not in may]


def test_more_lanes_than_trees_play_them_again_from_the_start() -> None:
    rows = trees(2)
    made = plan(rows, 5)
    warm = [row.request_id for row in made.warmups(lambda: rows, TextSalt("x"))]
    assert warm == ["t0#warmup", "t1#warmup", "t0#warmup~1", "t1#warmup~1", "t0#warmup~2"]
    begun = [row.request_id for offset, row in drawn(made, rows, 60) if offset is not None]
    assert begun == ["t0.2", "t1.2", "t0.2~1", "t1.2~1", "t0.2~2"]


def test_what_was_asked_for_one_token_is_not_asked_again() -> None:
    rows = trees(2, turns=6)
    made = plan(rows, 1, advances=2)
    warm = [row.request_id for row in made.warmups(lambda: rows, TextSalt("x"))]
    assert warm == ["t0#warmup", "t0.3", "t0.4"]
    schedule = drawn(made, rows, 10)
    assert [row.request_id for _, row in schedule][:2] == ["t0.5", "t1.0"]
    assert schedule[1][1].wait_for == ("t0.5",)


def test_workers_share_the_lanes() -> None:
    """All rows of a lane are one worker's, warm-up included, and all workers together play every one once."""
    rows = trees(5)
    made = plan(rows, 4)
    whole = [row.request_id for _, row in drawn(made, rows, 100)]
    found: list[str] = []
    for worker in range(3):
        placement = Placement(3)
        warm = ((0, row) for row in made.warmups(lambda: rows, TextSalt("x")))
        warmed = {row.session_id for _, row in placement.part(warm, worker)}
        part = [row for _, row in placement.part(drawn(made, rows, 100), worker)]
        assert warmed <= {row.session_id for row in part}
        found += [row.request_id for row in part]
    assert sorted(found) == sorted(whole)


def test_sub_agents_that_wait_for_nobody_keep_their_distance() -> None:
    rows = [
        TraceRow("m0", session_id="m", timestamp_ms=1000, input_length=1),
        TraceRow("s0", session_id="s", parent_session_id="m", timestamp_ms=4000, input_length=1),
    ]
    made = plan(rows, 1, 0.0)
    first, second, third, fourth = drawn(made, rows, 4)
    assert (first[0], second[0]) == (0, 3_000_000_000)
    assert (third[1].wait_for, third[1].wait_ms) == (("m0", "s0"), 0)
    assert (fourth[1].wait_for, fourth[1].wait_ms) == (("m0", "s0"), 3000)
    slow = list(islice(made.scheduled(lambda: rows, TextSalt("x"), speed=2.0), 2))
    assert slow[1][0] == 1_500_000_000


def test_a_trace_without_sessions_has_no_lanes() -> None:
    with pytest.raises(UsageError, match="no row of this trace names one"):
        plan([TraceRow("a", input_length=1)], 1)


def test_so_much_is_held_that_all_lanes_can_begin() -> None:
    assert (plan(trees(4), 2).queue_items, plan(trees(4), 1000).queue_items) == (256, 1001)
    rows = [replace(row, hash_ids=tuple(range(64 * 40_000))) for row in trees(1, 1)] + trees(4)[6:]
    assert plan(rows, 1).held_weight == 3 * 40_001
    assert plan(trees(4), 2).held_weight == 2_000  # a short trace is not read again and again beforehand
