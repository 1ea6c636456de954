"""python -m benchmarks.fairness: does a stream at full speed hurt those beside it?

One engine, one proxy. Four paced streams (an event each 5 ms, stamped) run while another stream sends 400,000 events as
fast as the proxy takes them, its client reading, gone after the first MB, or not reading at all. /health is asked every
20 ms. Prints the paced events' delay, write to read, and the slowest /health. The proxy has a core of its own.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import uvloop

from benchmarks.cpu import cores, steal_s
from benchmarks.paths import free_port
from benchmarks.proxies import Imaxproxy

EVENTS, PACED, ITL_S, SECONDS = 400_000, 4, 0.005, 5.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CLIENTS = "none", "reads", "leaves", "sleeps"


def event(text: str) -> bytes:
    data = {"id": "c-1", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}
    payload = b"data: " + json.dumps(data).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(payload), payload)


END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


async def engine(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int((head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]) or 0)
            body = await reader.readexactly(length)
            if b"flood" in body:
                await flood(writer)
            elif body:
                await paced(writer)
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    writer.close()


async def flood(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    block = event(" word") * 100
    for _ in range(EVENTS // 100):
        writer.write(block)
        await writer.drain()
        if writer.transport.is_closing():
            return
    writer.write(END)


async def paced(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    due_s = time.monotonic()
    for _ in range(round(SECONDS / ITL_S)):
        due_s += ITL_S
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        if writer.transport.is_closing():
            return
        writer.write(event(f"t{time.monotonic_ns():019d}"))
    writer.write(END)


async def serve(port: int) -> None:
    server = await asyncio.start_server(engine, "127.0.0.1", port)
    await server.serve_forever()


async def ask(port: int, model: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    body = json.dumps({"model": model, "messages": [], "stream": True}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: p\r\nConnection: close\r\n"
    writer.write(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    return reader, writer


async def delays_ms(port: int) -> list[float]:
    reader, _ = await ask(port, "paced")
    found = []
    with suppress(asyncio.IncompleteReadError):
        while True:
            line = await reader.readuntil(b"\n\n")
            now_ns, at = time.monotonic_ns(), line.find(b'"t')
            if at >= 0 and line[at + 2 : at + 21].isdigit():
                found.append((now_ns - int(line[at + 2 : at + 21])) / 1e6)
    return found


async def flooded(port: int, client: str) -> float:
    """A client of the flood; how many MB it read."""
    reader, writer = await ask(port, "flood")
    read = 0
    while client == "reads" or read < 1 << 20:
        data = await reader.read(1 << 18)
        if not data:
            break
        read += len(data)
    if client == "leaves":
        writer.transport.abort()
    elif client == "sleeps":
        await asyncio.sleep(SECONDS)
    return read / 1e6


async def slowest_health_ms(port: int, until_s: float) -> float:
    worst_ms = 0.0

    def get() -> float:
        before_s = time.monotonic()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
            answer.read()
        return (time.monotonic() - before_s) * 1e3

    while time.monotonic() < until_s:
        worst_ms = max(worst_ms, await asyncio.to_thread(get))
        await asyncio.sleep(0.02)
    return worst_ms


async def measure(port: int, client: str) -> str:
    """A row of the table."""
    running = [asyncio.ensure_future(delays_ms(port)) for _ in range(PACED)]
    await asyncio.sleep(0.5)
    flood_started_s = time.monotonic()
    flooding = asyncio.ensure_future(flooded(port, client)) if client != "none" else None
    health_ms = await slowest_health_ms(port, flood_started_s + SECONDS - 1)
    ordered = sorted(delay for one in await asyncio.gather(*running) for delay in one)
    read_mb = await flooding if flooding is not None else 0.0
    half, tail, most = ordered[len(ordered) // 2], ordered[len(ordered) * 99 // 100], ordered[-1]
    return f"| {client} | {read_mb:.0f} | {len(ordered)} | {half:.2f} | {tail:.2f} | {most:.2f} | {health_ms:.1f} |"


def memory_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def main() -> None:
    if len(sys.argv) > 1:  # the engine's process
        uvloop.run(serve(int(sys.argv[1])))
    rig, own, _ = cores()
    os.sched_setaffinity(0, {rig})
    folder, port, stolen_s = Path(tempfile.mkdtemp()), free_port(), steal_s()
    behind = subprocess.Popen([sys.executable, "-m", "benchmarks.fairness", str(port)])
    try:
        proxy, entrance = Imaxproxy().start(own, f"http://127.0.0.1:{port}", folder)
        try:
            print("| flood's client | it read, MB | paced events | delay p50 ms | p99 ms | max ms | /health max ms |")
            print("| --- | --- | --- | --- | --- | --- | --- |")
            for client in CLIENTS:
                before_mb = memory_mb(proxy.pid)
                print(uvloop.run(measure(entrance, client)), flush=True)
                print(f"the proxy's peak memory grew by {memory_mb(proxy.pid) - before_mb:.1f} MB", file=sys.stderr)
        finally:
            proxy.stop()
    finally:
        behind.kill()
    print(f"stolen by the hypervisor: {steal_s() - stolen_s:.1f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
