"""The player: what ends a run, and what becomes of requests under way then."""

import asyncio
import socket

import pytest
from on_loop import run, until
from scripted_engine import answering, whole_stream

from imaxproxy.clock import NS_PER_MS
from imaxproxy.load import Ended, Rules
from imaxproxy.load.player import NO_ENGINE_AFTER
from imaxproxy.metrics import Outcome
from imaxproxy.wire import BaseUrl
from load.gate import Gate
from load.items import item, playing

pytestmark = pytest.mark.usefixtures("hot_path")

ANSWER = answering(*whole_stream(2))


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
