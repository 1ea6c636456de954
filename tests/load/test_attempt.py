"""One request put to an engine: how it ends, and when it is put again."""

import pytest
from on_loop import run
from scripted_engine import LAST_CHUNK, STREAM_HEAD, Call, answering, page, sse, token, whole_stream

from imaxproxy.clock import NS_PER_MS
from imaxproxy.load import Ended, Rules
from imaxproxy.load import player as player_module
from imaxproxy.metrics import Outcome
from load.gate import Gate
from load.items import item, playing

pytestmark = pytest.mark.usefixtures("hot_path")


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
