"""The player: what leaves when, in an open loop and in a closed one."""

import asyncio

import pytest
from on_loop import run, until
from scripted_engine import answering, whole_stream

from imaxproxy.clock import NS_PER_MS, monotonic_ns
from imaxproxy.load import Ended, Rules
from imaxproxy.load.player import LEAD_NS
from load.gate import Gate
from load.items import item, playing

pytestmark = pytest.mark.usefixtures("hot_path")

ANSWER = answering(*whole_stream(2))


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
