"""Draws docs/live/: two simulated engines, the proxy before them, three clients with keys, and one engine that dies.

scripts/pictures runs it; `--snapshots FOLDER` also keeps what the feed said, as data for tests.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from random import Random

import aiohttp

DOCS = Path(__file__).parent / "live"
SIZES = ((80, 24), (120, 40), (200, 60))
ENGINES, PROXY = {"a": 18431, "b": 18432}, 18430
MODEL = "meta-llama/Llama-3.3-70B-Instruct"
SIMULATED = ["--model", MODEL, "--gpu", "b200", "--precision", "fp8", "--engine", "vllm"]
CLIENTS = {"search": 6, "agents": 10, "batch": 4}
"""Name and requests at a time."""
SETTLE_S, DEAD_S, DRAWN_S = 45.0, 12.0, 4.0
"""DRAWN_S: a screen is there for so long. One at a time, as one person has: on two cores three of them, the engines and
the clients kept the proxy waiting for milliseconds."""
TMUX = ["tmux", "-L", f"imaxproxy-pictures-{os.getpid()}", "-f", "/dev/null"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--snapshots", type=Path)
    parser.add_argument("--settle", type=float, default=SETTLE_S, help="seconds of load before one engine dies")
    parser.add_argument("--out", type=Path, default=Path("imax-runs") / time.strftime("pictures-%Y%m%d-%H%M%S"))
    asked = parser.parse_args()
    DOCS.mkdir(exist_ok=True)
    with contextlib.ExitStack() as stack:
        engines = {name: stack.enter_context(_engine(port)) for name, port in ENGINES.items()}
        stack.enter_context(_proxy(asked.out))
        stack.enter_context(_load())
        stack.enter_context(_viewer())
        time.sleep(asked.settle)
        engines["b"].terminate()
        time.sleep(DEAD_S)
        for width, height in SIZES:
            with _screen(width, height) as screen:
                time.sleep(DRAWN_S)
                take_screen(f"screen-{screen}", screen, width, height)
        _take_page()
        if asked.snapshots is not None:
            _keep_snapshots(asked.snapshots)


@contextlib.contextmanager
def _running(*command: object, **environment: str) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | environment
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def _engine(port: int) -> "Iterator[subprocess.Popen[bytes]]":
    with _running(sys.executable, "-m", "imaxproxy.sim", *SIMULATED, "--port", port) as process:
        _answers(f"http://127.0.0.1:{port}/health")
        yield process


@contextlib.contextmanager
def _proxy(out: Path) -> Iterator[None]:
    upstreams = [part for name, port in ENGINES.items() for part in ("--upstream", f"{name}=http://127.0.0.1:{port}")]
    keys = ",".join(f"{name}:{_key(name)}" for name in CLIENTS)
    options = [
        "--port",
        PROXY,
        "--out",
        out,
        "--gpu",
        "b200",
        "--gpus",
        2,
        "--no-screen",
        "--ask-usage",
        "--power",
        f"sim:http://127.0.0.1:{ENGINES['a']}",
        "--slo",
        "ttft_ms<500@p90",
    ]
    command = [sys.executable, "-m", "imaxproxy.cli.main", "serve", *upstreams, *options]
    with _running(*command, IMAXPROXY_KEYS=keys):
        _answers(f"http://127.0.0.1:{PROXY}/health")
        yield


def _key(client: str) -> str:
    return f"sk-picture-{client}"


def _answers(url: str, within_s: float = 30.0) -> None:
    over_s = time.monotonic() + within_s
    while time.monotonic() < over_s:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=1):
            return
        time.sleep(0.1)
    raise SystemExit(f"{url} did not answer within {within_s:.0f} s")


@contextlib.contextmanager
def _load() -> Iterator[None]:
    """Conversations and long answers, in a thread; it ends with the proxy."""
    stop = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_clients(stop)))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


async def _clients(stop: threading.Event) -> None:
    async with aiohttp.ClientSession() as session:
        lanes = [(name, lane) for name, lanes in CLIENTS.items() for lane in range(lanes)]
        await asyncio.gather(*(_lane(session, name, lane, stop) for name, lane in lanes))


async def _lane(session: aiohttp.ClientSession, client: str, lane: int, stop: threading.Event) -> None:
    rng = Random(f"{client}-{lane}")
    while not stop.is_set():
        words, answer = round(rng.lognormvariate(6.2, 0.8)), round(rng.lognormvariate(5.6, 0.7))
        body = {
            "model": MODEL,
            "messages": [{"role": "user", "content": " ".join(["word"] * words)}],
            "max_tokens": min(answer, 1500),
            "stream": True,
        }
        headers = {"Authorization": f"Bearer {_key(client)}", "X-Imax-Tag": f"team={client}"}
        url = f"http://127.0.0.1:{PROXY}/v1/chat/completions"
        with contextlib.suppress(aiohttp.ClientError, asyncio.TimeoutError):
            async with session.post(url, json=body, headers=headers) as response:
                async for _ in response.content.iter_any():
                    if stop.is_set() or rng.random() < 1e-5:  # users who leave
                        break
        await asyncio.sleep(rng.expovariate(4.0))


@contextlib.contextmanager
def _viewer() -> Iterator[None]:
    """Somebody who looks all the while, for the history; curl draws nothing."""
    head = f"Authorization: Bearer {_key('search')}"
    with _running("curl", "--silent", "--no-buffer", "--header", head, f"http://127.0.0.1:{PROXY}/imax/live"):
        yield


@contextlib.contextmanager
def _screen(width: int, height: int) -> Iterator[str]:
    name = f"{width}x{height}"
    command = f"{sys.executable} -m imaxproxy.cli.main top http://127.0.0.1:{PROXY}"
    environment = ["-e", f"IMAXPROXY_KEY={_key('search')}", "-e", "TERM=xterm-256color", "-e", "COLORTERM=truecolor"]
    size = ["-x", str(width), "-y", str(height)]
    subprocess.run([*TMUX, "new-session", "-d", "-s", name, *size, *environment, command], check=True)
    try:
        yield name
    finally:
        subprocess.run([*TMUX, "kill-session", "-t", name], check=False)


def take_screen(name: str, session: str, width: int, height: int, title: str = "imaxproxy top") -> None:
    """As text and as a picture."""
    from rich.console import Console
    from rich.text import Text

    coloured = subprocess.run(
        [*TMUX, "capture-pane", "-p", "-e", "-t", session], check=True, capture_output=True
    ).stdout
    text = Text.from_ansi(coloured.decode())
    (DOCS / f"{name}.txt").write_text("\n".join(line.rstrip() for line in text.plain.splitlines()) + "\n")
    if width <= 120:
        with open(os.devnull, "w") as nowhere:
            console = Console(record=True, width=width, height=height, file=nowhere, force_terminal=True)
            console.print(text, soft_wrap=True, end="")
        console.save_svg(str(DOCS / f"{name}.svg"), title=title)


def _take_page() -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        for name, width, height, scheme in (("page-dark", 1280, 1000, "dark"), ("page-phone", 390, 1000, "light")):
            page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            page.goto(f"http://127.0.0.1:{PROXY}/imax/#key={_key('search')}")
            page.wait_for_selector("#streams-table tbody tr:nth-child(3)")
            page.wait_for_timeout(3000)
            page.screenshot(path=str(DOCS / f"{name}.jpg"), type="jpeg", quality=72)
        browser.close()


def _keep_snapshots(folder: Path) -> None:
    """Two of them, ten seconds apart: a window lies between."""
    for number in (1, 2):
        head = {"Authorization": f"Bearer {_key('search')}"}
        request = urllib.request.Request(f"http://127.0.0.1:{PROXY}/imax/live?once=1", headers=head)
        with urllib.request.urlopen(request, timeout=10) as answer:
            (folder / f"serve-{number}.json").write_bytes(answer.read() + b"\n")
        time.sleep(10.0 if number == 1 else 0.0)


if __name__ == "__main__":
    main()
