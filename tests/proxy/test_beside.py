import asyncio
import threading

import pytest
from on_loop import run, until
from scripted_engine import answering, whole_stream

from imaxproxy.metrics import Exchange, Outcome
from imaxproxy.proxy import proxy as proxy_module
from imaxproxy.proxy.beside import beside
from proxy.running import get, post, proxied


def test_it_is_another_thread() -> None:
    async def scenario() -> None:
        assert await beside(threading.get_ident) != (threading.get_ident(), False)

    run(scenario())


def test_it_is_done_to_its_end_when_we_are_cancelled() -> None:
    go_on = threading.Event()

    async def scenario() -> None:
        task = asyncio.ensure_future(beside(lambda: go_on.wait(10)))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        assert await task == (True, True)

    run(scenario())


def test_a_very_long_answer_is_recorded_once_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_module, "LONG_ANSWER_EVENTS", 50)
    threads: list[int] = []

    async def scenario() -> None:
        async with proxied(answering(*whole_stream(100))) as running:
            sink = running.proxy._sink

            def noting(exchange: Exchange) -> None:
                threads.append(threading.get_ident())
                sink(exchange)

            running.proxy._sink = noting
            client = await running.connect()
            await client.send(post(b"{}") + get(b"/imax/stats"))
            await until(lambda: running.exchanges, "the record")
            exchange = await running.exchange()
            assert (exchange.outcome, exchange.output_tokens) == (Outcome.COMPLETED, 100)
            await client.read_until(b"\r\n0\r\n\r\n")
            page = await client.read_page()
            assert b'"completed":1' in page[1]
            assert b'"output":100' in page[1]
            assert len(threads) == 1
            assert threads != [threading.get_ident()]

    run(scenario())
