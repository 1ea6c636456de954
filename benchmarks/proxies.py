"""The proxies compared. Each starts in front of a source, and says after its stop what it saw."""

import json
import re
import subprocess
from pathlib import Path
from typing import Protocol

from benchmarks.gateways import BareRelay, LiteLlm, Smg
from benchmarks.paths import Unavailable, free_port, imaxproxy, installed
from benchmarks.process import Child
from benchmarks.truth import Figures

VALID = "valid"
"""A contestant's remark on its own figures when it stands by them; any other is the reason why not."""


class Proxy(Protocol):
    name: str
    most_streams: int | None
    """Not run with more: it is saturated already."""

    def version(self) -> str:
        """Raises Unavailable when it is not installed."""

    def start(self, core: int, upstream: str, folder: Path) -> tuple[Child, int]:
        """Start it, wait until it is ready; give the process and its port."""

    def reported(self, folder: Path) -> tuple[Figures, str]:
        """What it says it saw, and its own remark on how far to trust that."""


NGINX_CONF = """
daemon off;
worker_processes 1;
error_log stderr error;
pid {folder}/nginx.pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream source {{ server {upstream}; keepalive 1024; }}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /ready {{ return 200; }}
        location / {{
            proxy_pass http://source;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 3600s;
        }}
    }}
}}
"""


class Nginx:
    """The bar: a C proxy that reports nothing. Unbuffered, one worker, keep-alive to the upstream, no access log."""

    name = "nginx"
    most_streams = None

    def version(self) -> str:
        command = [installed("nginx", "nginx-light"), "-v"]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stderr
        return text.strip().rpartition("/")[2]

    def start(self, core: int, upstream: str, folder: Path) -> tuple[Child, int]:
        port = free_port()
        config = folder / "nginx.conf"
        config.write_text(NGINX_CONF.format(folder=folder, upstream=upstream.removeprefix("http://"), port=port))
        child = Child(core, ["nginx", "-p", folder, "-e", "stderr", "-c", config], folder / "nginx.log")
        child.ready(f"http://127.0.0.1:{port}/ready")
        return child, port

    def reported(self, folder: Path) -> tuple[Figures, str]:
        return Figures(), "reports nothing"


class Imaxproxy:
    """The proxy under test, with its defaults."""

    name = "imaxproxy"
    most_streams = None

    def version(self) -> str:
        return imaxproxy_version()

    def start(self, core: int, upstream: str, folder: Path) -> tuple[Child, int]:
        port = free_port()
        command = [imaxproxy(), "serve", "--upstream", upstream, "--port", port, "--out", folder / "run"]
        child = Child(core, command, folder / "imaxproxy.log")
        child.ready(f"http://127.0.0.1:{port}/health")
        return child, port

    def reported(self, folder: Path) -> tuple[Figures, str]:
        return imaxproxy_reported(folder / "run")


def imaxproxy_version() -> str:
    done = subprocess.run([imaxproxy(), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+\S*", done.stdout)
    if done.returncode or not found:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Unavailable(f"imaxproxy --version: {' '.join(last)}")
    return found.group()


def imaxproxy_reported(run: Path) -> tuple[Figures, str]:
    """The figures of a run directory's summary.json (docs: the run directory), and its verdict on the meter."""
    found = sorted(run.rglob("summary.json"))
    if not found:
        raise Unavailable("wrote no summary.json")
    summary = json.loads(found[0].read_text())
    ttft, itl, meter = summary["ttft_ms"] or {}, summary["itl_ms"] or {}, summary["meter"] or {}
    figures = Figures(ttft.get("p50"), ttft.get("p99"), itl.get("p50"), itl.get("p99"), summary["tokens"]["output"])
    return figures, VALID if meter.get("valid") else "; ".join(map(str, meter.get("reasons", [])))


PROXIES: tuple[Proxy, ...] = (Nginx(), Imaxproxy(), BareRelay(), Smg(), LiteLlm())
