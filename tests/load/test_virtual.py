from collections import Counter
from collections.abc import Iterator
from itertools import count, pairwise
from operator import itemgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS
from imaxproxy.load import Cancel, Ended, Rules, by_trace, closed_loop
from imaxproxy.load.live_history import LiveHistory
from imaxproxy.load.virtual import Users, VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.metrics import WARMUP, Exchange, Outcome
from imaxproxy.power import Device, PowerLine, PowerSample
from imaxproxy.sim import assemble, parse_args, steady_state
from imaxproxy.sim.assembly import load_models
from imaxproxy.traces import Prompts, TraceRow

FIXED = ("--model", "tiny", "--fixed-step-ms", "5", "--fixed-ttft-ms", "20")
B200 = ("--gpu", "b200", "--no-prefix-caching")


def row(number: int, **fields: object) -> TraceRow:
    lengths = {"input_length": 100, "output_length": 10}
    return TraceRow(request_id=f"r{number}", **{**lengths, "timestamp_ms": 50.0 * number, **fields})  # type: ignore[arg-type]


def player(
    argv: tuple[str, ...],
    found: list[Exchange],
    rules: Rules | None = None,
    power: list[PowerLine] | None = None,
    users: Users | None = None,
) -> VirtualPlayer:
    parts = assemble(parse_args(argv))
    maker = RequestMaker(parts.limits, parts.prefix_block_tokens, "completions", Prompts(0, "salt"))
    sink = power.append if power is not None else None
    return VirtualPlayer(parts, maker, rules or Rules(), found.append, power_sink=sink, users=users)


def play(
    argv: tuple[str, ...],
    rows: list[TraceRow],
    rules: Rules | None = None,
    users: Users | None = None,
    ending: Ended = Ended.FINISHED,
) -> list[Exchange]:
    """Each row's Exchange; afterwards no engine holds anything."""
    found: list[Exchange] = []
    playing = player(argv, found, rules, users=users)
    closed = rules is not None and rules.concurrency
    assert playing.play(closed_loop(rows) if closed else by_trace(rows, 1.0, 0.0, 0)) is ending
    for worker in (*playing.cluster.workers, *playing.cluster.prefill_workers):
        worker.scheduler.check()
        assert (worker.load, worker.scheduler.pool.used_blocks, worker.run) == (0, 0, None)
    return found


def test_warm_ups_are_told_apart_and_counted_nowhere() -> None:
    found: list[Exchange] = []
    playing = player(FIXED, found)
    playing.play(by_trace([row(0, request_kind=WARMUP), row(1)], 1.0, 0.0, 0))
    assert [exchange.ask.kind for exchange in found] == [WARMUP, None]
    assert playing.outcomes[Outcome.COMPLETED] == 1
    assert playing.output_tokens == 10


def test_a_fixed_engine_gives_exactly_what_it_says() -> None:
    (exchange,) = play(FIXED, [row(0)])
    assert exchange.simulated
    assert exchange.outcome is Outcome.COMPLETED
    sent_ns = exchange.ask.sent_ns
    assert sent_ns is not None
    times_ns = list(exchange.timeline.times_ns)
    assert times_ns[0] - sent_ns == 20 * NS_PER_MS
    assert {after - before for before, after in pairwise(times_ns)} == {5 * NS_PER_MS}
    assert exchange.usage is not None
    assert (exchange.usage.input_tokens, exchange.output_tokens) == (100, 10)


def test_requests_leave_when_the_trace_says() -> None:
    found = play(FIXED, [row(number) for number in range(5)])
    assert [exchange.ask.scheduled_ns for exchange in found] == [50 * NS_PER_MS * number for number in range(5)]


def test_what_fills_caches_goes_first_and_the_schedule_begins_behind_it() -> None:
    found: list[Exchange] = []
    warm = [(0, row(0, session_id="s", request_kind=WARMUP)), (0, row(1, session_id="s", request_kind=WARMUP))]
    rules = Rules(duration_s=0.2)
    playing = player(FIXED, found, rules)
    rows = [row(number, session_id="s" if number == 2 else None) for number in range(2, 9)]
    assert playing.play(by_trace(rows, 1.0, 0.0, 0), warm) is Ended.DURATION
    zero_ns = found[1].ended_ns
    assert [exchange.ask.kind for exchange in found] == [WARMUP, WARMUP] + [None] * 5
    assert found[1].ask.started_ns == found[0].ended_ns
    assert [each.ask.scheduled_ns for each in found[2:]] == [zero_ns + 50 * NS_PER_MS * number for number in range(5)]


def test_when_nothing_is_in_flight_for_long_all_that_waits_comes_forward() -> None:
    """By the same, so that what was apart stays so; a gap in which somebody works is left as it is."""
    rows = [row(0), row(1, session_id="s", timestamp_ms=0, output_length=60), row(2, session_id="s", delay_ms=9000.0)]
    rows += [row(3, timestamp_ms=5000), row(4, timestamp_ms=5100), row(5, timestamp_ms=7000)]
    found = {each.ask.request_id: each for each in play(FIXED, rows, Rules(system_idle_s=1.0))}
    sent_ms = {name: (each.ask.sent_ns or 0) / NS_PER_MS for name, each in found.items()}
    ended_ms = {name: each.ended_ns / NS_PER_MS for name, each in found.items()}
    assert sent_ms["r3"] == ended_ms["r1"] + 1000
    assert sent_ms["r4"] == sent_ms["r3"] + 100
    assert sent_ms["r5"] == ended_ms["r4"] + 1000
    assert sent_ms["r2"] == ended_ms["r5"] + 1000


def test_of_sessions_without_end_no_more_is_read_than_there_is_room_for() -> None:
    read = 0

    def endless() -> Iterator[tuple[int | None, TraceRow]]:
        nonlocal read
        for read in count():
            yield None if read else 0, row(read, session_id="s", delay_ms=100.0)

    found: list[Exchange] = []
    parts = assemble(parse_args(FIXED))
    maker = RequestMaker(parts.limits, parts.prefix_block_tokens, "completions", Prompts(0, "salt"))
    playing = VirtualPlayer(parts, maker, Rules(duration_s=2), found.append, held_weight=5)
    assert playing.play(endless()) is Ended.DURATION
    assert 5 < len(found) <= read <= len(found) + 7


def test_lanes_begin_at_their_times_whatever_their_order() -> None:
    found: list[Exchange] = []
    parts = assemble(parse_args(FIXED))
    maker = RequestMaker(parts.limits, parts.prefix_block_tokens, "completions", Prompts(0, "salt"))
    playing = VirtualPlayer(parts, maker, Rules(), found.append, in_order=False)
    playing.play([(offset_ms * NS_PER_MS, row(number)) for number, offset_ms in enumerate((900, 100, 500))])
    assert {each.ask.request_id: each.ask.scheduled_ns for each in found} == {
        "r0": 900 * NS_PER_MS,
        "r1": 100 * NS_PER_MS,
        "r2": 500 * NS_PER_MS,
    }


def test_a_closed_loop_keeps_its_number_in_flight() -> None:
    found = play(FIXED, [row(number) for number in range(9)], Rules(concurrency=3))
    edges = [(exchange.ask.started_ns, 1) for exchange in found] + [(exchange.ended_ns, -1) for exchange in found]
    in_flight, most = 0, 0
    for _, change in sorted(edges):
        in_flight += change
        most = max(most, in_flight)
    assert (len(found), most) == (9, 3)


def test_a_session_waits_for_its_turn() -> None:
    rows = [row(0, session_id="s"), row(1, session_id="s", delay_ms=30.0, timestamp_ms=0.0)]
    first, second = play(FIXED, rows)
    assert second.ask.started_ns == first.ended_ns + 30 * NS_PER_MS


def test_what_waits_for_nobody_is_counted() -> None:
    found = play(FIXED, [row(0), row(1, wait_for=("r9",))])
    assert Counter(exchange.error for exchange in found) == {None: 1, "never_ready": 1}
    # without a dialect the summary takes it for no request at all
    assert {exchange.ask.dialect for exchange in found} == {"completions"}


def test_what_is_too_long_fails_as_it_would_live() -> None:
    long, short = play((*FIXED, "--context-tokens", "200"), [row(0, input_length=195), row(1)])
    assert (long.outcome, long.status, long.error) == (Outcome.FAILED, 400, "http_400")
    assert short.outcome is Outcome.COMPLETED


def test_shared_blocks_are_cached() -> None:
    shared = {"hash_ids": (1, 2), "block_size": 64, "input_length": 128}
    first, second = play(("--gpu", "b200"), [row(0, **shared), row(100, **shared)])
    assert first.usage is not None
    assert second.usage is not None
    assert (first.usage.cached_tokens, second.usage.cached_tokens) == (0, 112)


@pytest.mark.parametrize(("concurrency", "isl"), [(8, 1024), (64, 1024), (16, 8192)])
def test_virtual_time_agrees_with_the_closed_form(concurrency: int, isl: int) -> None:
    rows = [row(number, input_length=isl, output_length=256) for number in range(6 * concurrency)]
    found = play(B200, rows, Rules(concurrency=concurrency))
    tpots_s = [(times[-1] - times[0]) / 1e9 / (len(times) - 1) for times in (one.timeline.times_ns for one in found)]
    models = load_models(parse_args(B200))
    assert models is not None
    closed = steady_state(models.decode, concurrency, isl, 256)
    assert sum(tpots_s) / len(tpots_s) == pytest.approx(closed.tpot_s, rel=0.15)


def test_energy_is_exact_to_the_step() -> None:
    found: list[Exchange] = []
    lines: list[PowerLine] = []
    playing = player(("--gpu", "b200", "--tp", "2"), found, power=lines)
    playing.play(by_trace([row(number, output_length=200) for number in range(8)], 1.0, 0.0, 0))
    boards, samples = lines[:2], lines[2:]
    assert [(board.device, board.simulated) for board in boards if isinstance(board, Device)] == [
        ("sim-gpu-0", True),
        ("sim-gpu-1", True),
    ]
    of_first = [line for line in samples if isinstance(line, PowerSample) and line.device == "sim-gpu-0"]
    assert len(samples) == 2 * len(of_first)
    end_ns = max(one.ended_ns for one in found)
    before, after = [line for line in of_first if line.time_ns <= end_ns][-1], of_first[-1]
    assert after.time_ns > end_ns
    assert (before.energy_mj or 0) / 1000 <= playing.board_energy_j / 2 <= (after.energy_mj or 0) / 1000
    mean_w = playing.board_energy_j / 2 / (end_ns / 1e9)
    assert 150 < mean_w < 1000


def test_speculation_gives_several_tokens_a_step_and_ends_sooner() -> None:
    (plain,) = play(B200, [row(0, output_length=300)])
    (drafted,) = play((*B200, "--acceptance", "0.8,0.6,0.4"), [row(0, output_length=300)])
    assert drafted.output_tokens == plain.output_tokens == 300
    assert len(drafted.timeline.times_ns) < 0.6 * len(plain.timeline.times_ns)
    assert drafted.ended_ns < 0.7 * plain.ended_ns


def test_prefill_and_decode_workers_hand_on() -> None:
    apart = (*B200, "--prefill-workers", "1", "--decode-workers", "1")
    rows = [row(number, input_length=4000, output_length=200, timestamp_ms=30.0 * number) for number in range(20)]
    together, handed = play(B200, rows), play(apart, rows)
    assert all(exchange.output_tokens == 200 for exchange in handed)

    def worst_gap_ns(found: list[Exchange]) -> int:
        return max(after - before for one in found for before, after in pairwise(list(one.timeline.times_ns)[1:]))

    assert worst_gap_ns(handed) < 0.7 * worst_gap_ns(together)  # nobody's prompt is read among the decoding


def test_replicas_share_the_load() -> None:
    rows = [row(number, timestamp_ms=0.0, output_length=100) for number in range(32)]
    one, four = play(B200, rows), play((*B200, "--replicas", "4"), rows)
    assert max(exchange.ended_ns for exchange in four) < 0.8 * max(exchange.ended_ns for exchange in one)


def all_leave(*, tokens: int | None = None, ms: float | None = None, share: float = 1.0) -> Users:
    return Users(cancel=Cancel(share, tokens, ms, seed=0))


def test_a_user_leaves_after_so_many_events() -> None:
    (exchange,) = play(FIXED, [row(0)], users=all_leave(tokens=3))
    assert (exchange.outcome, exchange.error, exchange.ended_ns) == (Outcome.ABORTED, "cancelled", 30 * NS_PER_MS)
    assert [time_ns // NS_PER_MS for time_ns in exchange.timeline.times_ns] == [20, 25, 30]
    assert exchange.output_tokens is None  # the usage comes at the end, which never came


def test_a_user_leaves_after_so_long() -> None:
    (exchange,) = play(FIXED, [row(0)], users=all_leave(ms=33))
    assert (exchange.error, exchange.ended_ns) == ("cancelled", 33 * NS_PER_MS)
    assert [time_ns // NS_PER_MS for time_ns in exchange.timeline.times_ns] == [20, 25, 30]


def test_a_user_who_leaves_before_the_first_token_has_seen_none() -> None:
    early, other = play(FIXED, [row(0, cancel_after_ms=10.0), row(1, timestamp_ms=0.0)])
    assert (early.error, early.ended_ns, len(early.timeline)) == ("cancelled", 10 * NS_PER_MS, 0)
    assert other.timeline.times_ns[0] == 20 * NS_PER_MS


def test_a_user_with_more_patience_than_there_is_to_read_stays() -> None:
    (exchange,) = play(FIXED, [row(0, cancel_after_tokens=11, cancel_after_ms=5000.0)])
    assert exchange.outcome is Outcome.COMPLETED


def test_what_takes_too_long_is_given_up() -> None:
    (exchange,) = play(FIXED, [row(0)], Rules(timeout_s=0.042))
    assert (exchange.outcome, exchange.error) == (Outcome.TRUNCATED, "timeout")
    assert exchange.ended_ns == 42 * NS_PER_MS
    assert len(exchange.timeline) == 5


def test_events_of_several_tokens_are_what_a_user_counts() -> None:
    (drafted,) = play((*B200, "--acceptance", "1.0,1.0"), [row(0, output_length=60)], users=all_leave(tokens=4))
    assert len(drafted.timeline) == 4
    (spaced,) = play((*FIXED, "--tokens-per-event", "4"), [row(0, output_length=60)], users=all_leave(tokens=4))
    assert [time_ns // NS_PER_MS for time_ns in spaced.timeline.times_ns] == [20, 40, 60, 80]


def test_who_leaves_makes_room() -> None:
    rows = [row(number, timestamp_ms=0.0, output_length=400) for number in range(64)]
    stay, leave = play(B200, rows), play(B200, rows, users=all_leave(tokens=20, share=0.7))
    left = {exchange.ask.request_id for exchange in leave if exchange.error == "cancelled"}
    assert 30 < len(left) < 60
    assert all(len(exchange.timeline) == 20 for exchange in leave if exchange.error == "cancelled")
    assert max(exchange.ended_ns for exchange in leave) < 0.8 * max(exchange.ended_ns for exchange in stay)


@given(
    flags=st.sampled_from(
        [(), ("--replicas", "3"), ("--prefill-workers", "2", "--decode-workers", "2"), ("--acceptance", "0.7,0.5")]
    ),
    users=st.lists(
        st.tuples(
            st.floats(0, 300),
            st.integers(1, 9000),
            st.integers(1, 120),
            st.none() | st.integers(1, 150),
            st.none() | st.floats(0, 900),
        ),
        min_size=1,
        max_size=12,
    ),
)
@settings(max_examples=40, deadline=None)
def test_whoever_leaves_when_each_request_has_one_end_and_nothing_is_held(
    flags: tuple[str, ...], users: list[tuple[float, int, int, int | None, float | None]]
) -> None:
    rows = [
        row(
            number,
            timestamp_ms=at_ms,
            input_length=prompt,
            output_length=output,
            cancel_after_tokens=events,
            cancel_after_ms=after_ms,
        )
        for number, (at_ms, prompt, output, events, after_ms) in enumerate(sorted(users, key=itemgetter(0)))
    ]
    found = play(("--gpu", "b200", *flags), rows)
    assert sorted(exchange.ask.request_id for exchange in found) == sorted(one.request_id for one in rows)
    for exchange in found:
        one = rows[int(exchange.ask.request_id[1:])]
        times_ns = exchange.timeline.times_ns
        assert list(times_ns) == sorted(times_ns)
        assert not len(times_ns) or times_ns[-1] <= exchange.ended_ns
        if exchange.outcome is Outcome.COMPLETED:
            assert exchange.output_tokens == one.output_length
        if exchange.error == "cancelled" and exchange.ask.sent_ns is not None and one.cancel_after_ms is not None:
            assert exchange.ended_ns <= exchange.ask.sent_ns + round(one.cancel_after_ms * NS_PER_MS)


def test_a_ramp_opens_places_one_by_one() -> None:
    found = play(FIXED, [row(number, output_length=200) for number in range(8)], Rules(concurrency=4, ramp_s=0.4))
    started_ms = sorted((exchange.ask.started_ns or 0) // NS_PER_MS for exchange in found)
    assert started_ms[:4] == [0, 100, 200, 300]


def test_nothing_is_sent_after_the_duration_and_what_is_in_flight_ends() -> None:
    rows = [row(number, output_length=100) for number in range(10)]
    found = play(FIXED, rows, Rules(duration_s=0.12), ending=Ended.DURATION)
    assert [exchange.ask.request_id for exchange in found] == ["r0", "r1", "r2"]
    assert all(exchange.outcome is Outcome.COMPLETED for exchange in found)


def conversation(turns: int) -> list[TraceRow]:
    return [
        TraceRow(
            request_id=f"r{turn}",
            session_id="s",
            turn=turn,
            timestamp_ms=0.0,
            messages=({"role": "user", "content": "one two three"},),
            messages_mode="delta",
            output_length=7,
            output_mode="exact",
            recorded={"response": {"text": "recorded"}},
        )
        for turn in range(turns)
    ]


def test_a_live_conversation_goes_on_with_what_the_engine_said() -> None:
    live = LiveHistory()
    found = play(FIXED, conversation(3), users=Users(live=live))
    assert [exchange.usage.input_tokens for exchange in found] == [3, 3 + 7 + 3, 3 + 7 + 3 + 7 + 3]
    assert (live.turns, live.answers_missing) == (2, 0)
    recorded = play(FIXED, conversation(3))
    assert [exchange.usage.input_tokens for exchange in recorded] == [3, 3 + 1 + 3, 3 + 1 + 3 + 1 + 3]


def test_a_live_conversation_goes_on_with_what_came_before_a_user_left() -> None:
    live = LiveHistory()
    found = play(FIXED, conversation(2), users=Users(Cancel(1.0, 4, None, 0), live))
    assert found[1].ask.planned_input_tokens == 3 + 4 + 3
    none = LiveHistory()
    play(FIXED, conversation(2), users=Users(Cancel(1.0, None, 1.0, 0), none))
    assert (none.turns, none.answers_missing) == (0, 1)
