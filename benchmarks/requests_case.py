"""Small requests without streaming: wrk -> proxy -> nginx's fixed answer, the proxy alone on its core."""

import re
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cpu import cores, tree_cpu_s
from benchmarks.paths import Unavailable, free_port, installed
from benchmarks.process import Child
from benchmarks.proxies import Proxy

ANSWER = (
    '{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"bench","choices":[{"index":0,"message":'
    '{"role":"assistant","content":"hello there"},"finish_reason":"stop"}],'
    '"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}'
)
ENGINE_CONF = """
daemon off;
worker_processes 1;
error_log stderr error;
pid {folder}/engine.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        default_type application/json;
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""
REQUEST = """
wrk.method = "POST"
wrk.body = '{"model":"bench","messages":[{"role":"user","content":"hello"}],"max_tokens":2}'
wrk.headers["Content-Type"] = "application/json"
"""
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Rate:
    """What one core of a proxy carried when it was asked for all it has."""

    name: str
    connections: int
    per_s: float
    cpu_us: float  # of the proxy, a request
    core_share: float
    p50_ms: float
    p99_ms: float
    bad: int  # not 2xx, or no answer


def rate(proxy: Proxy, connections: int, seconds: float, folder: Path) -> Rate:
    port = free_port()
    config = folder / "engine.conf"
    config.write_text(ENGINE_CONF.format(folder=folder, port=port, answer=ANSWER))
    engine = Child(cores()[0], ["nginx", "-p", folder, "-e", "stderr", "-c", config], folder / "engine.log")
    try:
        engine.ready(f"http://127.0.0.1:{port}/")
        child, entrance = proxy.start(cores()[1], f"http://127.0.0.1:{port}", folder)
        try:
            asked(entrance, connections, 1, folder)  # connections are open, code is warm
            cpu_s = tree_cpu_s(child.pid)
            said = asked(entrance, connections, seconds, folder)
            return result(proxy.name, connections, tree_cpu_s(child.pid) - cpu_s, said)
        finally:
            child.stop()
    finally:
        engine.stop()


def asked(port: int, connections: int, seconds: float, folder: Path) -> str:
    """wrk's own report."""
    script = folder / "request.lua"
    script.write_text(REQUEST)
    flags = ["-t", 1, "-c", connections, "-d", f"{seconds:.0f}s", "--latency", "-s", script]
    command = [installed("wrk", "wrk"), *flags, f"http://127.0.0.1:{port}{PATH}"]
    return Child(cores()[2], command, folder / "wrk.log").wait(30 + 3 * seconds).output


def result(name: str, connections: int, cpu_s: float, said: str) -> Rate:
    requests, wall_s = re.search(r"(\d+) requests in ([\d.]+)s", said), None
    if requests is None:
        raise Unavailable(f"wrk said: {said[-200:]}")
    count, wall_s = int(requests[1]), float(requests[2])
    bad = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", said)))
    bad += sum(sum(map(int, re.findall(r"\d+", line))) for line in said.splitlines() if "Socket errors" in line)
    times = latency_ms(said, "50%"), latency_ms(said, "99%")
    return Rate(name, connections, count / wall_s, cpu_s / count * 1e6, cpu_s / wall_s, *times, bad)


def latency_ms(said: str, which: str) -> float:
    found = re.search(rf"{which}\s+([\d.]+)(us|ms|s)", said)
    if found is None:
        raise Unavailable(f"wrk gave no {which}")
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]]
