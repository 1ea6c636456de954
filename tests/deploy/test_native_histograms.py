"""A real Prometheus that keeps native histograms scrapes the proxy: what it says of them is what was recorded."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
import pytest
from on_loop import run
from proxy.running import proxied
from scripted_engine import Call

from imaxproxy.metrics import Histogram, Totals
from imaxproxy.proxy import LocalBoard

pytestmark = pytest.mark.deploy

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: imaxproxy
    static_configs: [{{targets: ['127.0.0.1:{port}']}}]
"""
BUCKET = 2 ** (1 / 32)
"""How wide one is; quantiles are interpolated within it."""
Ask = Callable[[str], Awaitable[float | None]]


def around(counted: Histogram, percent: float) -> tuple[float, float]:
    """The values one rank below and above this percentile: of these, which one it is differs by definition."""
    one = 100 / counted.total
    low_us, high_us = counted.values_at([percent - one, percent + one])
    assert low_us is not None
    assert high_us is not None
    return low_us / 1e6, high_us / 1e6


async def never(call: Call) -> None:
    raise AssertionError(f"an engine was asked for {call.head!r}")


def recorded(seed: int) -> Totals:
    """5,000 requests' worth: two groups of TTFT, ITL with a long tail."""
    totals, rng = Totals(), Random(seed)
    waits = [
        rng.lognormvariate(-2.3, 0.3) if rng.random() < 0.8 else rng.lognormvariate(0.4, 0.5) for _ in range(5_000)
    ]
    totals.tally.histograms["ttft_ms"].record_values(round(wait_s * 1e6) for wait_s in waits)
    gaps = [rng.paretovariate(2.5) * 0.008 for _ in range(20_000)]
    totals.tally.histograms["itl_ms"].record_values([0, 0, *(round(gap_s * 1e6) for gap_s in gaps)])
    return totals


@contextlib.asynccontextmanager
async def prometheus(scraped: int, folder: Path, *flags: str) -> AsyncIterator[Ask]:
    """One that scrapes this port; `ask` gives the value of a query that has one result, None while it has none."""
    (folder / "prometheus.yml").write_text(CONFIG.format(port=scraped))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    command += [f"--web.listen-address=127.0.0.1:{port}", *flags]
    with (folder / "log").open("wb") as log:
        server = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=subprocess.STDOUT)
    try:
        async with aiohttp.ClientSession() as session:

            async def ask(query: str) -> float | None:
                url = f"http://127.0.0.1:{port}/api/v1/query"
                try:
                    async with session.get(url, params={"query": query}) as answer:
                        found: list[Any] = (await answer.json())["data"]["result"]
                except (aiohttp.ClientError, KeyError):  # it has only just started
                    return None
                assert len(found) <= 1, found
                return float(found[0]["value"][1]) if found else None

            yield ask
    finally:
        server.terminate()
        await server.wait()


async def until_it_says(ask: Ask, query: str, value: float) -> None:
    async with asyncio.timeout(60):
        while await ask(query) != value:
            await asyncio.sleep(0.2)


@pytest.fixture(autouse=True)
def needs_prometheus() -> None:
    if shutil.which("prometheus") is None:
        pytest.skip("prometheus is not installed (scripts/test-deploy installs it where it can)")


def test_quantiles_counts_and_sums_are_those_recorded(tmp_path: Path) -> None:
    board, totals = LocalBoard(), Totals()
    both = {name: totals.tally.histograms[f"{name}_ms"] for name in ("ttft", "itl")}

    async def agrees(ask: Ask) -> None:
        for name, counted in both.items():
            series = f"imaxproxy_{name}_seconds"
            await until_it_says(ask, f"histogram_count({series})", counted.total)
            assert await ask(f"histogram_sum({series})") == pytest.approx(counted.weighted_sum / 1e6)
            for percent in (1.0, 10.0, 50.0, 90.0, 99.0, 99.9):
                said_s = await ask(f"histogram_quantile({percent / 100}, {series})")
                assert said_s is not None
                low_s, high_s = around(counted, percent)
                assert low_s / BUCKET < said_s < high_s * BUCKET, (name, percent)
            assert await ask(f"{series}_bucket") is None  # the native one took their place

    async def scenario() -> None:
        async with proxied(never, board=board) as running:
            flag = "--enable-feature=native-histograms"
            async with prometheus(running.port, tmp_path, flag) as ask:
                await until_it_says(ask, "histogram_count(imaxproxy_ttft_seconds)", 0)
                for seed in (1, 2):  # the second one has buckets that the first has not
                    totals.merge(recorded(seed))
                    board.merge(recorded(seed))
                    await agrees(ask)
                assert await ask("imaxproxy_requests_in_flight") == 0
                assert await ask('imaxproxy_requests_total{outcome="completed"}') == 0

    run(scenario(), 120)


def test_one_that_keeps_none_gets_the_classic_buckets(tmp_path: Path) -> None:
    board, counted = LocalBoard(), Histogram()
    board.merge(recorded(1))
    counted.merge(board.totals.tally.histograms["ttft_ms"])

    async def scenario() -> None:
        async with proxied(never, board=board) as running, prometheus(running.port, tmp_path) as ask:
            bucket = 'imaxproxy_ttft_seconds_bucket{le="0.1"}'
            await until_it_says(ask, bucket, counted.counts_up_to([100_000])[0])
            assert await ask("imaxproxy_ttft_seconds_count") == 5_000

    run(scenario(), 120)
