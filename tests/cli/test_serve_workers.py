"""`serve --workers`: real processes under load, signals and kills."""

import asyncio
import json
import os
import signal
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from proxy.prometheus_messages import families
from scripted_engine import STREAM_HEAD, Call, Script, ScriptedEngine, answering, page, token, whole_stream

from cli.command import Command, Started, lines_of, until
from imaxproxy.proxy.metrics_form import PROTOBUF

StartEngine = Callable[[Script], ScriptedEngine]
CHAT = "/v1/chat/completions"
ASKED = {"model": "m", "messages": [{"role": "user", "content": "one two three"}], "stream": True}


def stats_of(url: str) -> Any:  # noqa: ANN401
    with urllib.request.urlopen(f"{url}/imax/stats", timeout=10) as answer:
        return json.load(answer)


def serving_workers(url: str) -> dict[int, int]:
    """Number -> pid."""
    return {each["worker"]: each["pid"] for each in stats_of(url)["workers"] if each["state"] == "serving"}


def start(command: Command, engine: ScriptedEngine, *flags: object, workers: int = 2) -> Started:
    return command.start(
        "serve", "--upstream", engine.url, "--port", 0, "--workers", workers, "--out", "run", "--json", *flags
    )


def journalled(command: Command, workers: int) -> int:
    """Measured exchanges in the journals."""
    rows = [row for number in range(workers) for row in lines_of(command.folder / "run" / f"exchanges-{number}.jsonl")]
    return len([row for row in rows if row.get("dialect")])


def stop(serving: Started) -> Any:  # noqa: ANN401
    serving.send(signal.SIGTERM)
    return serving.wait().check(0).json


async def ask(session: aiohttp.ClientSession, url: str) -> str:
    """The answer's end, or what went wrong."""
    try:
        async with session.post(url + CHAT, json=ASKED) as answer:
            body = await answer.read()
            return "whole" if answer.status == 200 and body.endswith(b"data: [DONE]\n\n") else f"HTTP {answer.status}"
    except (aiohttp.ClientError, OSError) as error:
        return repr(error)


async def ask_many(url: str, count: int) -> Counter[str]:
    """Each on a connection of its own, so that the kernel shares them out."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:
        return Counter(await asyncio.gather(*(ask(session, url) for _ in range(count))))


class Load:
    """Clients that ask all the time, some on connections that they keep, some on a new one each time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.answers: Counter[str] = Counter()
        self._stopped = False

    async def run_while(self, action: Callable[[], None]) -> None:
        keeping = aiohttp.TCPConnector(limit=0)
        leaving = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=keeping) as one, aiohttp.ClientSession(connector=leaving) as other:
            clients = [asyncio.ensure_future(self._client(session)) for session in [one, other] * 4]
            try:
                await asyncio.to_thread(action)
            finally:
                self._stopped = True
                await asyncio.gather(*clients)

    async def _client(self, session: aiohttp.ClientSession) -> None:
        while not self._stopped:
            self.answers[await ask(session, self._url)] += 1


def test_whichever_worker_answers_says_the_same(command: Command, start_engine: StartEngine) -> None:
    serving = start(command, start_engine(answering(*whole_stream(5))), workers=3)
    url = serving.url()
    assert asyncio.run(ask_many(url, 40)) == {"whole": 40}
    until(lambda: stats_of(url)["requests"]["completed"] == 40, "all to be seen to their end")
    for _ in range(10):
        stats = stats_of(url)
        assert (stats["requests"]["completed"], stats["tokens"]["output"], stats["itl_ms"]["count"]) == (40, 200, 160)
        assert [(each["worker"], each["fresh"]) for each in stats["workers"]] == [(0, True), (1, True), (2, True)]
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        assert b'imaxproxy_requests_total{outcome="completed"} 40.0\n' in answer.read()
    asked = urllib.request.Request(f"{url}/metrics", headers={"Accept": PROTOBUF.content_type})
    with urllib.request.urlopen(asked, timeout=10) as answer:
        made = {family.name: family.metric for family in families(answer.read())}
        assert made["imaxproxy_itl_seconds"][0].histogram.sample_count == 160
    summary = stop(serving)
    journals = [lines_of(command.folder / "run" / f"exchanges-{worker}.jsonl") for worker in range(3)]
    assert min(len(rows) for rows in journals) > 0  # the kernel shared them out
    assert journalled(command, 3) == 40
    assert (summary["requests"]["completed"], summary["itl_ms"]["count"]) == (40, 160)
    reported = command.run("report", "run", "--json").check(0).json
    assert reported == summary


def test_a_killed_worker_is_replaced_and_what_it_journalled_counts(command: Command, start_engine: StartEngine) -> None:
    serving = start(command, start_engine(answering(*whole_stream(3))))
    url = serving.url()
    assert asyncio.run(ask_many(url, 30)) == {"whole": 30}
    until(lambda: stats_of(url)["requests"]["completed"] == 30, "all to be seen to their end")
    pids = serving_workers(url)
    # What ended after the last telling is in the journal only: asked and killed in one go.
    assert asyncio.run(ask_many(url, 30)) == {"whole": 30}
    until(lambda: journalled(command, 2) == 60, "60 lines")
    os.kill(pids[0], signal.SIGKILL)
    serving.says("worker 0 died .exit 137.; its journal is kept")
    until(lambda: set(serving_workers(url)) == {1, 2}, "another worker")
    stats = stats_of(url)
    assert (stats["requests"]["completed"], stats["worker_restarts"]) == (60, 1)
    assert asyncio.run(ask_many(url, 20)) == {"whole": 20}
    assert stop(serving)["requests"]["completed"] == 80


def test_a_worker_killed_under_load_costs_its_streams_and_no_more(command: Command, start_engine: StartEngine) -> None:
    serving = start(command, start_engine(answering(*whole_stream(3))))
    url = serving.url()
    load = Load(url)

    def kill_thrice() -> None:
        for death in range(3):
            asked = load.answers.total() + 50
            until(lambda asked=asked: load.answers.total() > asked, "some load")
            number, pid = min(serving_workers(url).items())
            os.kill(pid, signal.SIGKILL)
            serving.says(f"worker {number} died")
            until(lambda death=death: max(serving_workers(url)) == death + 2, "another worker")

    asyncio.run(load.run_while(kill_thrice))
    until(lambda: not stats_of(url)["in_flight"], "the last exchange to end")
    live, rows = stats_of(url)["requests"], journalled(command, 5)
    summary = stop(serving)["requests"]
    assert live["sent"] == summary["sent"] == rows  # every line once, the dead workers' too
    clients = 8
    assert load.answers.total() - load.answers["whole"] <= 3 * clients
    assert abs(summary["completed"] - load.answers["whole"]) <= 3 * clients


def test_a_constant_load_sees_no_failure_over_restarts(command: Command, start_engine: StartEngine) -> None:
    serving = start(command, start_engine(answering(*whole_stream(3))))
    url = serving.url()
    load = Load(url)

    def restart_thrice() -> None:
        for generation in range(1, 4):
            asked = load.answers.total() + 50
            until(lambda asked=asked: load.answers.total() > asked, "some load")
            serving.send(signal.SIGHUP)
            fresh = {2 * generation, 2 * generation + 1}
            until(lambda fresh=fresh: set(serving_workers(url)) == fresh, "new workers")

    asyncio.run(load.run_while(restart_thrice))
    assert set(load.answers) == {"whole"}
    until(lambda: len(stats_of(url)["workers"]) == 2, "the old workers to be gone")
    summary = stop(serving)
    assert (summary["requests"]["completed"], summary["requests"]["sent"]) == (load.answers["whole"],) * 2


class Held:
    """An engine that begins its streams and ends them when told."""

    def __init__(self) -> None:
        self.begun = 0
        self.go_on = asyncio.Event()

    async def script(self, call: Call) -> None:
        if call.request.line.startswith(b"GET"):
            await call.send(page(404, b"{}"))
            return
        await call.send(STREAM_HEAD, token("a"))
        self.begun += 1
        await self.go_on.wait()
        await call.send(*whole_stream(3)[1:])


@pytest.mark.parametrize("how", ["stop", "restart"])
def test_two_hundred_streams_end_whole(command: Command, start_engine: StartEngine, how: str) -> None:
    held = Held()
    engine = start_engine(held.script)
    serving = start(command, engine)
    url = serving.url()

    def end_them() -> None:
        until(lambda: held.begun == 200, "200 streams")
        serving.send(signal.SIGTERM if how == "stop" else signal.SIGHUP)
        if how == "restart":
            until(lambda: set(serving_workers(url)) == {2, 3}, "new workers")
            assert stats_of(url)["in_flight"] == 200
        else:
            serving.says("streams in flight may end")
        engine.loop.call_soon_threadsafe(held.go_on.set)

    async def both() -> Counter[str]:
        answers, _ = await asyncio.gather(ask_many(url, 200), asyncio.to_thread(end_them))
        return answers

    assert asyncio.run(both()) == {"whole": 200}
    summary = stop(serving) if how == "restart" else serving.wait().check(0).json
    assert (summary["ended"], summary["requests"]["completed"]) == ("finished", 200)


def test_a_clients_limits_hold_over_all_workers(command: Command, start_engine: StartEngine) -> None:
    """Six at once: of the twelve that come, whichever workers they come to; and still six when a worker was killed."""
    held = Held()
    engine = start_engine(held.script)
    serving = start(command, engine, "--max-in-flight", 6)
    url = serving.url()

    def refused() -> int:
        count: int = stats_of(url)["requests"]["by_error"].get("too_many_in_flight", 0)
        return count

    async def twelve_times_six() -> tuple[Counter[str], Counter[str]]:
        first = asyncio.ensure_future(ask_many(url, 12))
        await asyncio.to_thread(until, lambda: refused() == 6, "six to be refused")
        await asyncio.to_thread(os.kill, serving_workers(url)[0], signal.SIGKILL)
        serving.says("worker 0 died")
        left = await asyncio.to_thread(lambda: stats_of(url)["in_flight"])
        again = asyncio.ensure_future(ask_many(url, 12))
        await asyncio.to_thread(until, lambda: refused() == 12 + left, "all that had no room to be refused")
        assert held.begun == 12 - left
        engine.loop.call_soon_threadsafe(held.go_on.set)
        return await first, await again

    first, again = asyncio.run(twelve_times_six())
    assert first["HTTP 429"] == 6
    assert again["HTTP 429"] == 12 - again["whole"]
    assert first["whole"] + again["whole"] == 6
    stop(serving)


def test_a_second_signal_drops_the_streams_of_all(command: Command, start_engine: StartEngine) -> None:
    held = Held()
    serving = start(command, start_engine(held.script))
    url = serving.url()

    def drop() -> None:
        until(lambda: held.begun == 20, "20 streams")
        serving.send(signal.SIGTERM, group=True)  # as a terminal does it: the workers are signalled too
        serving.says("may end")
        serving.send(signal.SIGTERM, group=True)

    async def both() -> Counter[str]:
        answers, _ = await asyncio.gather(ask_many(url, 20), asyncio.to_thread(drop))
        return answers

    assert "whole" not in asyncio.run(both())
    done = serving.wait().check(1)
    assert done.json["ended"] == "dropped streams"
    assert done.json["requests"]["by_error"] == {"stopped": 20}


def test_the_workers_end_with_a_killed_supervisor(command: Command, start_engine: StartEngine) -> None:
    serving = start(command, start_engine(answering(*whole_stream(3))), workers=3)
    url = serving.url()
    assert asyncio.run(ask_many(url, 5)) == {"whole": 5}
    assert len(command.family()) == 4
    serving.send(signal.SIGKILL)
    serving.wait()
    until(lambda: not command.family(), "the workers to end")
    assert command.run("report", "run", "--json").check(0).json["requests"]["completed"] == 5


def test_a_worker_that_does_not_answer_counts_with_what_it_told_last(
    command: Command, start_engine: StartEngine
) -> None:
    serving = start(command, start_engine(answering(*whole_stream(3))))
    url = serving.url()
    assert asyncio.run(ask_many(url, 20)) == {"whole": 20}
    until(lambda: stats_of(url)["requests"]["completed"] == 20, "all to be seen to their end")
    pids = serving_workers(url)
    os.kill(pids[1], signal.SIGSTOP)
    try:
        stats = _from_other(url)
        assert stats["requests"]["completed"] == 20
        assert {each["worker"]: each["fresh"] for each in stats["workers"]} == {0: True, 1: False}
    finally:
        os.kill(pids[1], signal.SIGCONT)
    until(lambda: all(each["fresh"] for each in stats_of(url)["workers"]), "it to answer again")
    stop(serving)


def _from_other(url: str) -> Any:  # noqa: ANN401
    """From the worker that runs: half of the connections wait for the one that does not."""
    while True:
        try:
            with urllib.request.urlopen(f"{url}/imax/stats", timeout=1) as answer:
                return json.load(answer)
        except TimeoutError:
            continue


def test_one_worker_that_is_told_to_go_is_replaced_at_once(command: Command, start_engine: StartEngine) -> None:
    serving = start(command, start_engine(answering(*whole_stream(3))))
    url = serving.url()
    os.kill(serving_workers(url)[0], signal.SIGTERM)
    until(lambda: set(serving_workers(url)) == {1, 2}, "another worker")
    assert asyncio.run(ask_many(url, 10)) == {"whole": 10}
    assert stats_of(url)["worker_restarts"] == 0
    assert stop(serving)["requests"]["completed"] == 10


def test_workers_that_cannot_start_end_the_command(command: Command, start_engine: StartEngine) -> None:
    """Their journal's place is taken by a directory."""
    (command.folder / "run" / "meter-1.jsonl").mkdir(parents=True)
    done = start(command, start_engine(answering())).wait()
    assert done.code == 1
    assert "worker 1 could not start" in done.err
    assert not command.family()


def test_all_workers_together_say_how_the_upstreams_stand(command: Command, start_engine: StartEngine) -> None:
    up, down = start_engine(answering(*whole_stream(2))), start_engine(lambda call: call.send(page(503, b"{}")))
    flags = ["--upstream", down.url, "--health-interval", "0.05", "--ask-usage", "final"]
    serving = start(command, up, *flags)
    url = serving.url()
    line = f"upstream {down.url} ejected after 3 failures: http_503"
    until(lambda: serving.err.count(line) == 2, "each worker to find out for itself")
    assert asyncio.run(ask_many(url, 8)) == {"whole": 8}
    first, second = stats_of(url)["upstreams"]
    assert (first["url"], first["up"], first["up_workers"], first["counts"]) == (up.url, True, 2, {"requests": 8})
    assert (second["url"], second["up"], second["up_workers"], second["ejections"]) == (down.url, False, 0, 2)
    assert stop(serving)["requests"]["completed"] == 8


def test_auto_is_one_a_core(command: Command, start_engine: StartEngine) -> None:
    engine = start_engine(answering(*whole_stream(3)))
    serving = command.start("serve", "--upstream", engine.url, "--port", 0, "--workers", "auto", "--out", "run")
    cores = len(os.sched_getaffinity(0))
    said = serving.says(r"-> \S+?( by \d+ workers)?; journal")[1]
    assert said == (f" by {cores} workers" if cores > 1 else None)
    serving.send(signal.SIGTERM)
    serving.wait().check(0)


@pytest.mark.parametrize("count", ["0", "-1", "1025", "many", "1.5"])
def test_a_number_of_workers(command: Command, count: str) -> None:
    done = command.run("serve", "--upstream", "http://e", "--workers", count, "--out", "run")
    assert "is not a number of workers from 1 to 1024, or auto" in done.complaint()


def test_the_live_view_is_of_all_workers_streams_in_flight_included(
    command: Command, start_engine: StartEngine
) -> None:
    async def script(call: Call) -> None:
        if b'"hold"' in call.request.body:
            await call.send(STREAM_HEAD, token(" a"), token(" b"))
            await call.gone()
        else:
            await call.send(*whole_stream(4))

    serving = start(command, start_engine(script))
    url = serving.url()

    async def watch() -> None:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True)) as session:
            held = [await session.post(url + CHAT, json={**ASKED, "user": "hold"}) for _ in range(12)]
            assert set((await ask_many(url, 8)).elements()) == {"whole"}
            async with session.get(f"{url}/imax/live") as feed:
                async for line in feed.content:
                    snapshot = json.loads(line[6:]) if line.startswith(b"data: ") else None
                    if snapshot is not None and snapshot["now"]["seconds"]:
                        break
            assert snapshot is not None
            assert (snapshot["in_flight"]["count"], len(snapshot["in_flight"]["streams"])) == (12, 12)
            assert {row["tokens"] for row in snapshot["in_flight"]["streams"]} == {2}
            assert snapshot["run"]["requests"]["completed"] == 8
            assert len(serving_workers(url)) == 2
            for answer in held:
                answer.close()

    asyncio.run(watch())
    stop(serving)
