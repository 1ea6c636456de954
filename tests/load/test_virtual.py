from collections import Counter
from itertools import pairwise

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.load import Ended, Rules, by_trace, closed_loop
from imaxproxy.load.virtual import VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.sim import PowerSample, assemble, parse_args, steady_state
from imaxproxy.sim.assembly import load_models
from imaxproxy.traces import Prompts, TraceRow

FIXED = ("--model", "tiny", "--fixed-step-ms", "5", "--fixed-ttft-ms", "20")
B200 = ("--gpu", "b200", "--no-prefix-caching")


def row(number: int, **fields: object) -> TraceRow:
    lengths = {"input_length": 100, "output_length": 10}
    return TraceRow(request_id=f"r{number}", **{**lengths, "timestamp_ms": 50.0 * number, **fields})  # type: ignore[arg-type]


def player(
    argv: tuple[str, ...], found: list[Exchange], rules: Rules | None = None, power: list[PowerSample] | None = None
) -> VirtualPlayer:
    parts = assemble(parse_args(argv))
    maker = RequestMaker(parts.limits, parts.prefix_block_tokens, "completions", Prompts(0, "salt"))
    sink = power.append if power is not None else None
    return VirtualPlayer(parts, maker, rules or Rules(), found.append, power_sink=sink)


def play(argv: tuple[str, ...], rows: list[TraceRow], rules: Rules | None = None) -> list[Exchange]:
    found: list[Exchange] = []
    playing = player(argv, found, rules)
    closed = rules is not None and rules.concurrency
    assert playing.play(closed_loop(rows) if closed else by_trace(rows, 1.0, 0.0, 0)) is Ended.FINISHED
    return found


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
    samples: list[PowerSample] = []
    playing = player(("--gpu", "b200", "--tp", "2"), found, power=samples)
    playing.play(by_trace([row(number, output_length=200) for number in range(8)], 1.0, 0.0, 0))
    assert playing.cluster.energy_j > 0
    by_device = Counter(sample.device for sample in samples)
    assert set(by_device) == {0, 1}
    last = [sample for sample in samples if sample.device == 0][-1]
    assert last.energy_j <= playing.cluster.energy_j / 2
    mean_w = playing.cluster.energy_j / 2 / (max(one.ended_ns for one in found) / 1e9)
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
