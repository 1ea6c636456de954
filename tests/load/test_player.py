import asyncio
import socket

import pytest
from on_loop import run, until
from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, answering, page, sse, token, whole_stream

from imaxproxy.clock import NS_PER_MS, monotonic_ns
from imaxproxy.errors import UsageError
from imaxproxy.load import Ended, Rules
from imaxproxy.load import player as player_module
from imaxproxy.load.player import LEAD_NS, NO_ENGINE_AFTER
from imaxproxy.metrics import Outcome
from imaxproxy.wire import BaseUrl
from load.items import item, playing

pytestmark = pytest.mark.usefixtures("hot_path")

ANSWER = answering(*whole_stream(2))


class Gate:
    """A script whose answers end when the test says so, in any order."""

    def __init__(self) -> None:
        self.under_way: dict[str, asyncio.Event] = {}
        self.most = 0

    async def __call__(self, call: Call) -> None:
        name, done = call.request.body.decode(), asyncio.Event()
        self.under_way[name] = done
        self.most = max(self.most, len(self.under_way))
        await call.send(STREAM_HEAD, token("a"))
        await done.wait()
        del self.under_way[name]
        await call.send(token("b", "stop"), sse(b"[DONE]") + LAST_CHUNK)

    async def finish(self, name: str) -> None:
        await until(lambda: name in self.under_way, f"{name} to arrive")
        self.under_way[name].set()


def test_an_open_loop_sends_at_its_times_and_waits_for_nobody() -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate) as play:
            for number in range(5):
                play.player.offer(item(f"r{number}", offset_ns=number * 5 * NS_PER_MS))
            play.player.no_more_items()
            await until(lambda: len(gate.under_way) == 5, "all to be under way at once")
            for name in list(gate.under_way):
                await gate.finish(name)
            assert await play.player.finished() is Ended.FINISHED
            zero_ns = play.player.started_ns
            assert zero_ns is not None
            for number in range(5):
                ask = play.exchanges[f"r{number}"].ask
                assert ask.scheduled_ns == zero_ns + number * 5 * NS_PER_MS
                assert ask.sent_ns is not None
                assert ask.scheduled_ns <= ask.started_ns <= ask.sent_ns

    run(scenario())


def test_what_is_offered_out_of_order_leaves_at_its_time() -> None:
    """Lanes begin in the order of the trace, each at some point of its first wait."""

    async def scenario() -> None:
        async with playing(ANSWER) as play:
            for number, offset_ms in enumerate((120, 0, 60, 30)):
                play.player.offer(item(f"r{number}", offset_ns=offset_ms * NS_PER_MS))
            play.player.no_more_items()
            await play.player.finished()
            assert play.asked == ["r1", "r3", "r2", "r0"]

    run(scenario())


def test_time_in_which_nothing_is_in_flight_is_cut_for_all_that_waits() -> None:
    """The schedule says an hour, and a tenth of a second between two; nothing is cut while somebody works."""
    gate = Gate()
    hour_ns = 3600 * 1000 * NS_PER_MS

    async def scenario() -> None:
        async with playing(gate, Rules(system_idle_s=0.02)) as play:
            player = play.player
            player.offer(item("a", offset_ns=0))
            player.offer(item("b", wait_for=("a",), wait_ns=2 * hour_ns))
            player.offer(item("c", offset_ns=hour_ns))
            player.offer(item("d", offset_ns=hour_ns + 100 * NS_PER_MS))
            await until(lambda: "a" in gate.under_way, "the first to arrive")
            assert player.idle_cut_ns == 0
            await gate.finish("a")
            await until(lambda: "d" in gate.under_way, "those of an hour later to arrive")
            assert play.asked == ["a", "c", "d"]
            assert hour_ns * 0.9 < player.idle_cut_ns < hour_ns
            player.offer(item("e", offset_ns=hour_ns + 200 * NS_PER_MS))
            player.no_more_items()
            await until(lambda: "e" in gate.under_way, "one that was offered behind the cut")
            for name in ("c", "d", "e", "b"):
                await gate.finish(name)
            assert await player.finished() is Ended.FINISHED
            a, b, c, d, e = (play.exchanges[name].ask.scheduled_ns or 0 for name in "abcde")
            assert (d - c, e - d) == (100 * NS_PER_MS, 100 * NS_PER_MS)
            assert c - a >= 20 * NS_PER_MS
            assert b - play.exchanges["a"].ended_ns < hour_ns

    run(scenario())


def test_a_warm_up_goes_at_once_in_its_order_and_is_no_outcome() -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(retries=3), starts_itself=False) as play:
            warm: list[int] = []
            play.player.on_warm = lambda: warm.append(play.player.warming)
            play.player.offer(item("w1", before_start=True, kind="warmup"))
            play.player.offer(item("w2", before_start=True, kind="warmup", wait_for=("w1",)))
            play.player.offer(item("a", offset_ns=0, wait_for=("w2",)))
            play.player.no_more_items()
            await gate.finish("w1")
            await until(lambda: "w2" in gate.under_way, "the second to arrive")
            assert (play.player.warming, warm, play.asked) == (1, [], ["w1", "w2"])
            await gate.finish("w2")
            await until(lambda: warm, "the warm-up to end")
            assert (warm, play.asked) == ([0], ["w1", "w2"])
            play.player.start(monotonic_ns())
            await gate.finish("a")
            assert await play.player.finished() is Ended.FINISHED
            assert play.player.outcomes == {Outcome.COMPLETED: 1}
            assert play.exchanges["w1"].ask.scheduled_ns is None

    run(scenario())


def test_a_late_item_is_sent_at_once_and_its_schedule_stands() -> None:
    async def scenario() -> None:
        async with playing(ANSWER) as play:
            play.player.offer(item("a", offset_ns=0))
            await until(lambda: "a" in play.exchanges, "the first to end")
            play.player.offer(item("b", offset_ns=1))
            play.player.no_more_items()
            await play.player.finished()
            assert play.exchanges["b"].ask.scheduled_ns == play.player.started_ns + 1

    run(scenario())


def test_a_closed_loop_is_always_full_and_never_fuller() -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(concurrency=3)) as play:
            for number in range(9):
                play.player.offer(item(f"r{number}"))
            play.player.no_more_items()
            for number in range(9):
                in_flight = min(3, 9 - number)
                there = f"{in_flight} to be under way"
                await until(lambda n=in_flight: len(gate.under_way) == n == play.player.in_flight, there)
                await gate.finish(f"r{number}")
            assert await play.player.finished() is Ended.FINISHED
            assert gate.most == 3
            assert play.engine.connections == 3
            assert all(exchange.ask.scheduled_ns is None for exchange in play.exchanges.values())

    run(scenario())


@pytest.mark.parametrize("concurrency", [None, 8])
def test_what_waits_for_others_goes_when_all_have_ended(concurrency: int | None) -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(concurrency=concurrency)) as play:
            player = play.player
            player.offer(item("c", wait_for=("a", "b"), wait_ns=20 * NS_PER_MS))  # before those it waits for
            player.offer(item("a"))
            player.offer(item("b"))
            player.no_more_items()
            await gate.finish("a")
            await until(lambda: "a" in play.exchanges, "a to end")
            assert sorted(play.asked) == ["a", "b"]
            await gate.finish("b")
            await gate.finish("c")
            assert await player.finished() is Ended.FINISHED
            end_ns = play.exchanges["b"].ended_ns
            assert play.exchanges["c"].ask.started_ns >= end_ns + 20 * NS_PER_MS

    run(scenario())


@pytest.mark.parametrize("concurrency", [None, 8])
def test_a_wait_counts_from_the_end_also_when_the_row_comes_later_than_that(concurrency: int | None) -> None:
    async def scenario() -> None:
        async with playing(ANSWER, Rules(concurrency=concurrency)) as play:
            play.player.offer(item("a"))
            await until(lambda: "a" in play.exchanges, "a to end")
            play.player.offer(item("b", wait_for=("a",), wait_ns=50 * NS_PER_MS))
            play.player.no_more_items()
            await play.player.finished()
            wait_ns = play.exchanges["b"].ask.started_ns - play.exchanges["a"].ended_ns
            assert wait_ns >= 50 * NS_PER_MS

    run(scenario())


def test_what_waits_for_nobody_known_is_counted_and_does_not_hang() -> None:
    async def scenario() -> None:
        async with playing(ANSWER) as play:
            play.player.offer(item("a"))
            play.player.offer(item("lost", wait_for=("nobody",)))
            play.player.offer(item("after", wait_for=("lost",)))
            play.player.offer(item("self", wait_for=("self",)))
            play.player.no_more_items()
            assert await play.player.finished() is Ended.FINISHED
            assert play.asked == ["a"]
            never = {name: exchange.error for name, exchange in play.exchanges.items() if name != "a"}
            assert never == {"lost": "never_ready", "after": "never_ready", "self": "never_ready"}
            assert play.exchanges["lost"].detail == "waits for ['nobody'], which never ended"
            assert play.exchanges["lost"].ask.sent_ns is None

    run(scenario())


def test_a_session_goes_on_after_a_failure() -> None:
    async def scenario() -> None:
        async with playing(answering(page(500, b"{}"))) as play:
            play.player.offer(item("a"))
            play.player.offer(item("b", wait_for=("a",)))
            play.player.no_more_items()
            await play.player.finished()
            assert [play.exchanges[name].error for name in "ab"] == ["http_500", "http_500"]
            assert play.player.outcomes == {Outcome.FAILED: 2}

    run(scenario())


def test_after_the_duration_nothing_is_sent_and_what_flies_may_end() -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(duration_s=0.05)) as play:
            play.player.offer(item("a", offset_ns=0))
            play.player.offer(item("b", offset_ns=10**15))
            play.player.offer(item("c", wait_for=("a",)))
            ending = asyncio.ensure_future(play.player.finished())
            await until(lambda: play.player.free == 0 and "a" in gate.under_way, "the gate to close")
            await gate.finish("a")
            assert await ending is Ended.DURATION
            assert list(play.exchanges) == ["a"]
            assert play.exchanges["a"].outcome is Outcome.COMPLETED
            play.player.offer(item("d"))
            assert repr(play.player) == "<Player 0 in flight, 1 done, 0 free to go>"

    run(scenario())


@pytest.mark.parametrize("after_duration", [False, True])
def test_a_stop_records_what_was_in_flight(after_duration: bool) -> None:
    """Also when the duration was over before: it was cut short all the same."""
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(duration_s=0.01 if after_duration else None)) as play:
            play.player.offer(item("a"))
            play.player.offer(item("later", offset_ns=10**15))
            await until(lambda: "a" in gate.under_way, "a to be under way")
            if after_duration:
                await until(lambda: not play.player.free, "the gate to close")
            await until(lambda: all(each.is_asked for each in play.player._attempts), "a to be asked")
            play.player.stop(Ended.INTERRUPTED)
            assert await play.player.finished() is Ended.INTERRUPTED
            exchange = play.exchanges["a"]
            assert (exchange.outcome, exchange.error) == (Outcome.ABORTED, "stopped")
            assert list(play.exchanges) == ["a"]
            gate.under_way["a"].set()

    run(scenario())


def test_a_stop_while_it_connects_is_no_failure_of_the_engine() -> None:
    async def scenario() -> None:
        async with playing(ANSWER, Rules(concurrency=5)) as play:
            for number in range(5):
                play.player.offer(item(f"r{number}"))
            await asyncio.sleep(0)
            play.player.stop(Ended.INTERRUPTED)
            assert await play.player.finished() is Ended.INTERRUPTED
            assert {exchange.outcome for exchange in play.exchanges.values()} == {Outcome.ABORTED}
            assert len(play.exchanges) == 5

    run(scenario())


def test_an_answer_that_does_not_end_in_time_is_given_up() -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(timeout_s=0.2)) as play:
            play.player.offer(item("a"))
            play.player.no_more_items()
            await play.player.finished()
            exchange = play.exchanges["a"]
            assert (exchange.outcome, exchange.error) == (Outcome.TRUNCATED, "timeout")
            assert len(exchange.timeline) == 1  # what it delivered stays
            gate.under_way["a"].set()

    run(scenario())


@pytest.mark.parametrize("concurrency", [None, 4])
def test_where_no_engine_is_the_run_ends_soon(concurrency: int | None) -> None:
    async def scenario() -> None:
        async with playing(ANSWER, Rules(concurrency=concurrency)) as play:
            with socket.socket() as nobody:
                nobody.bind(("127.0.0.1", 0))
                play.player._connector.pool.url = BaseUrl("127.0.0.1", nobody.getsockname()[1])
                for number in range(NO_ENGINE_AFTER * 3):
                    at_ns = (
                        number * NS_PER_MS if number < NO_ENGINE_AFTER * 2 else 10**15
                    )  # the last: never, on any machine
                    play.player.offer(item(f"r{number}", offset_ns=None if concurrency else at_ns))
                play.player.no_more_items()
                assert await play.player.finished() is Ended.NO_ENGINE
            assert {exchange.error for exchange in play.exchanges.values()} == {"connect_refused"}
            assert NO_ENGINE_AFTER <= len(play.exchanges) < NO_ENGINE_AFTER * 3

    run(scenario())


@pytest.mark.parametrize(
    ("pieces", "outcome", "error"),
    [
        ([page(500, b"{}")], Outcome.FAILED, "http_500"),
        ([STREAM_HEAD, token("a"), LAST_CHUNK], Outcome.TRUNCATED, "no_end"),
        ([STREAM_HEAD, sse(b"{"), sse(b"[DONE]") + LAST_CHUNK], Outcome.FAILED, "malformed_event"),
        ([b"HTTP/9.9 what\r\n\r\n"], Outcome.FAILED, "bad_head"),
    ],
)
def test_what_goes_wrong_is_counted_under_its_name(pieces: list[bytes], outcome: Outcome, error: str) -> None:
    async def scenario() -> None:
        async with playing(answering(*pieces)) as play:
            for number in range(3):
                play.player.offer(item(f"r{number}"))
            play.player.no_more_items()
            assert await play.player.finished() is Ended.FINISHED
            assert {(exchange.outcome, exchange.error) for exchange in play.exchanges.values()} == {(outcome, error)}
            assert play.player.outcomes == {outcome: 3}

    run(scenario())


def test_a_place_of_a_ramp_opens_at_its_time() -> None:
    gate = Gate()

    async def scenario() -> None:
        async with playing(gate, Rules(concurrency=4, ramp_s=0.2)) as play:
            for number in range(8):
                play.player.offer(item(f"r{number}"))
            play.player.no_more_items()
            zero_ns = play.player.started_ns
            assert zero_ns is not None
            await until(lambda: len(gate.under_way) == 4, "all places to be taken")
            for number in range(8):
                await gate.finish(f"r{number}")
            await play.player.finished()
            for place in range(4):
                assert play.exchanges[f"r{place}"].ask.started_ns >= zero_ns + place * 50 * NS_PER_MS

    run(scenario())


def test_places_are_dealt_out_over_the_workers() -> None:
    rules = Rules(concurrency=5, ramp_s=10.0)
    shares = [rules.of_worker(worker, 2) for worker in range(2)]
    assert [share.concurrency for share in shares] == [3, 2]
    assert [share.place_opens_ns(0) for share in shares] == [0, 2_500_000_000]
    assert Rules().of_worker(1, 2) == Rules()
    with pytest.raises(UsageError, match="--workers 6 cannot share --concurrency 5"):
        rules.of_worker(0, 6)


def test_it_ends_when_all_it_was_offered_before_its_start_waits_for_nobody() -> None:
    async def scenario() -> None:
        async with playing(ANSWER, starts_itself=False) as play:
            play.player.offer(item("lost", wait_for=("nobody",)))
            play.player.no_more_items()
            play.player.start(monotonic_ns())
            assert await asyncio.wait_for(play.player.finished(), 5) is Ended.FINISHED
            assert play.exchanges["lost"].error == "never_ready"

    run(scenario())


def test_it_starts_when_it_is_told() -> None:
    async def scenario() -> None:
        async with playing(ANSWER, starts_itself=False) as play:
            play.player.offer(item("a", offset_ns=0))
            await asyncio.sleep(0.01)
            assert play.asked == []
            zero_ns = monotonic_ns() + 5 * NS_PER_MS
            play.player.start(zero_ns)
            play.player.no_more_items()
            await play.player.finished()
            assert play.exchanges["a"].ask.scheduled_ns == zero_ns

    run(scenario())


@pytest.mark.parametrize("how", ["tokens", "time"])
def test_a_user_who_leaves_keeps_what_came(how: str) -> None:
    gate = Gate()
    leaves = {"cancel_after_tokens": 1} if how == "tokens" else {"cancel_after_ns": 50 * NS_PER_MS}

    async def scenario() -> None:
        async with playing(gate) as play:
            play.player.offer(item("a", **leaves))
            play.player.no_more_items()
            await play.player.finished()
            exchange = play.exchanges["a"]
            assert (exchange.outcome, exchange.error) == (Outcome.ABORTED, "cancelled")
            assert len(exchange.timeline) == 1
            gate.under_way["a"].set()

    run(scenario())


def test_a_retry_keeps_its_schedule_and_frees_others_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(player_module, "RETRY_WAIT_NS", NS_PER_MS)
    tries: list[int] = []

    async def script(call: Call) -> None:
        tries.append(0)
        await call.send(*([page(503, b"{}")] if len(tries) < 3 else whole_stream(2)))

    async def scenario() -> None:
        async with playing(script, Rules(retries=2), every_attempt=True) as play:
            play.player.offer(item("a", offset_ns=0))
            play.player.offer(item("b", wait_for=("a",)))
            play.player.no_more_items()
            await play.player.finished()
            asks = [exchange.ask for exchange in play.attempts]
            assert [(ask.request_id, ask.attempt) for ask in asks] == [("a", None), ("a", 1), ("a", 2), ("b", None)]
            assert len({ask.scheduled_ns for ask in asks[:3]}) == 1
            assert play.player.outcomes == {Outcome.FAILED: 2, Outcome.COMPLETED: 2}

    run(scenario())


def test_what_had_begun_to_answer_is_not_tried_again() -> None:
    async def scenario() -> None:
        script = answering(STREAM_HEAD, token("a"), sse({"error": {"message": "oom"}}), sse(b"[DONE]") + LAST_CHUNK)
        async with playing(script, Rules(retries=3)) as play:
            play.player.offer(item("a"))
            play.player.no_more_items()
            await play.player.finished()
            assert play.asked == ["a"]

    run(scenario())


@pytest.mark.parametrize("how", ["fin", "rst"])
def test_what_met_a_kept_connection_that_was_closed_is_sent_on_a_fresh_one(how: str) -> None:
    async def script(call: Call) -> None:
        if call.request.body == b"a" or call.connection > 0:
            await call.send(*whole_stream(2))
        elif how == "rst":
            call.reset()
        else:
            call.close()

    async def scenario() -> None:
        async with playing(script, Rules(concurrency=1)) as play:
            play.player.offer(item("a"))
            play.player.offer(item("b"))
            play.player.no_more_items()
            await play.player.finished()
            assert play.asked == ["a", "b", "b"]
            assert play.player.outcomes == {Outcome.COMPLETED: 2}
            first, second = (exchange.ask for exchange in play.exchanges.values())
            assert (first.retried, second.retried) == (None, "stale_connection")
            assert second.connect_ns is not None

    run(scenario())


def test_a_fresh_connection_without_an_answer_is_a_failure() -> None:
    async def script(call: Call) -> None:
        call.close()

    async def scenario() -> None:
        async with playing(script, Rules(concurrency=1)) as play:
            play.player.offer(item("a"))
            play.player.no_more_items()
            await play.player.finished()
            assert play.asked == ["a"]
            assert play.player.outcomes == {Outcome.FAILED: 1}

    run(scenario())


def test_the_schedule_begins_a_moment_after_the_first_item() -> None:
    """So that the first requests are not late by birth."""

    async def scenario() -> None:
        async with playing(ANSWER) as play:
            play.player.offer(item("a", offset_ns=0))
            assert play.player.started_ns is not None
            play.player.no_more_items()
            await play.player.finished()
            assert play.exchanges["a"].ask.scheduled_ns == play.player.started_ns
            assert LEAD_NS == 50 * NS_PER_MS

    run(scenario())
