"""The process that counts, and the player that goes on meanwhile."""

from pathlib import Path

import pytest
from on_loop import run
from scripted_engine import LAST_CHUNK, STREAM_HEAD, answering, sse, token, usage
from traces.test_tokenizer import saved

from imaxproxy.load import answer_tokens
from imaxproxy.load.answer_tokens import AnswerTokens, with_tokens
from imaxproxy.load.attempt import ask_of
from imaxproxy.metrics import ANSWER, WARMUP, CountedBy, Exchange, Outcome, Timeline, mark
from load.items import Playing, item, playing

SAID = (STREAM_HEAD, token("one two"), token(" two"))
DONE = token("", "stop") + sse(b"[DONE]") + LAST_CHUNK


def played(tmp_path: Path, *pieces: bytes, requests: int = 3, **fields: object) -> Playing:
    saved(tmp_path, ("one", "two"))

    async def scenario() -> Playing:
        counter = await AnswerTokens.started(str(tmp_path))
        async with playing(answering(*pieces), counter=counter) as play:
            for number in range(requests):
                play.player.offer(item(f"r{number}", offset_ns=0, **fields))
            play.player.no_more_items()
            await play.player.finished()
            await counter.close()
            return play

    return run(scenario())


def test_an_engine_that_tells_no_tokens_has_them_counted(tmp_path: Path) -> None:
    play = played(tmp_path, *SAID, DONE)
    assert [exchange.counted_by for exchange in play.attempts] == [CountedBy.TOKENIZER] * 3
    assert [exchange.timeline.tokens for exchange in play.attempts] == [[2, 1]] * 3
    assert play.player.output_tokens == 9


def test_of_a_stream_that_is_cut_what_had_come_is_counted(tmp_path: Path) -> None:
    (exchange,) = played(tmp_path, *SAID, LAST_CHUNK, requests=1).attempts
    assert (exchange.error, exchange.output_tokens, exchange.counted_by) == ("no_end", 3, CountedBy.TOKENIZER)


@pytest.mark.parametrize("kind", [None, WARMUP])
def test_what_the_engine_tells_goes_before_and_warm_ups_do_not_count(tmp_path: Path, kind: str | None) -> None:
    pieces = (*SAID, usage(7), DONE) if kind is None else (*SAID, DONE)
    (exchange,) = played(tmp_path, *pieces, requests=1, kind=kind).attempts
    assert exchange.output_tokens == (7 if kind is None else None)


def test_what_does_not_fit_stays_uncounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_tokens, "_WAITING_BYTES", 10)
    (exchange,) = played(tmp_path, *SAID, DONE, requests=1).attempts
    assert exchange.counted_by is CountedBy.EVENTS


def test_a_counter_that_dies_is_no_silence(tmp_path: Path) -> None:
    saved(tmp_path, ("one", "two"))
    with pytest.raises(RuntimeError, match="ended with code 1"):
        run(AnswerTokens.started(str(tmp_path / "none")))

    async def killed() -> None:
        counter = await AnswerTokens.started(str(tmp_path))
        counter._process.kill()
        counter.count(exchange_of(2), b"x", lambda _: None)
        await counter.close()

    with pytest.raises(RuntimeError, match="1 answers uncounted"):
        run(killed())


def exchange_of(events: int) -> Exchange:
    timeline = Timeline(range(events), [mark(ANSWER, 0)] * events, counted=False)
    return Exchange(ask_of(item("a"), 0, None), Outcome.COMPLETED, 9, timeline=timeline)


def test_counts_of_other_events_than_those_that_came_are_not_taken() -> None:
    exchange = exchange_of(2)
    assert with_tokens(exchange, [1, 2]).output_tokens == 3
    assert with_tokens(exchange, [1]) is with_tokens(exchange, None) is exchange
