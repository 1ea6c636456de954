"""The player: requests that wait for others."""

import pytest
from on_loop import run, until
from scripted_engine import answering, page, whole_stream

from imaxproxy.clock import NS_PER_MS, monotonic_ns
from imaxproxy.load import Ended, Rules
from imaxproxy.metrics import Outcome
from load.gate import Gate
from load.items import item, playing

pytestmark = pytest.mark.usefixtures("hot_path")

ANSWER = answering(*whole_stream(2))


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
