"""A simulated engine of its own process, and a client that sees bytes."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class RunningSim:
    """One simulated engine that listens."""

    port: int
    described: dict[str, Any]
    truth_path: Path
    process: "subprocess.Popen[bytes]"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes."""
        return f"http://127.0.0.1:{self.port}/v1"

    def stop(self) -> list[dict[str, Any]]:
        """End it and give back its truth."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=10) == 0
        return [json.loads(line) for line in self.truth_path.read_text().splitlines()]

    def connect(self) -> socket.socket:
        """An open connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


StartSim = Callable[..., RunningSim]


@pytest.fixture(scope="session")
def start_sim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartSim]:
    """Start simulated engines with these flags; they end with the session."""
    processes = []

    def start(*flags: str) -> RunningSim:
        truth_path = tmp_path_factory.mktemp("sim") / "truth.jsonl"
        process = subprocess.Popen(
            [sys.executable, "-m", "imaxproxy.sim", "--model", "tiny", "--truth", str(truth_path), *flags],
            stdout=subprocess.PIPE,
        )
        processes.append(process)
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        return RunningSim(ready["port"], ready["engine"], truth_path, process)

    yield start
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.fixture(scope="session")
def fast_sim(start_sim: StartSim) -> RunningSim:
    """A token a millisecond, shared by the tests that only read answers."""
    return start_sim("--fixed-step-ms", "1", "--fixed-ttft-ms", "2", "--context-tokens", "4096")


def raw_request(path: str, body: object, *headers: str) -> bytes:
    """A request as bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [
        f"POST {path} HTTP/1.1",
        "Host: sim",
        "Content-Type: application/json",
        f"Content-Length: {len(content)}",
        *headers,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + content


@contextmanager
def sent(sim: RunningSim, path: str, body: object, *headers: str) -> Iterator[socket.socket]:
    """A connection on which the request was sent."""
    with sim.connect() as connection:
        connection.sendall(raw_request(path, body, *headers))
        yield connection


def read_all(connection: socket.socket) -> bytes:
    """Everything until the peer closes; `Connection: close` makes it do so."""
    pieces = []
    while piece := connection.recv(65536):
        pieces.append(piece)
    return b"".join(pieces)


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """What came until `wanted` was in it."""
    received = b""
    while wanted not in received:
        piece = connection.recv(65536)
        assert piece, f"the peer closed before {wanted!r}"
        received += piece
    return received


def dechunked(response: bytes) -> bytes:
    """The body of a chunked response. Raises ValueError if it does not end as HTTP wants."""
    rest, body = response.split(b"\r\n\r\n", 1)[1], b""
    while True:
        size, rest = rest.split(b"\r\n", 1)
        length = int(size, 16)
        if not length:
            if rest != b"\r\n":
                raise ValueError(f"after the last chunk comes {rest!r}")
            return body
        body, rest = body + rest[:length], rest[length:]
        if rest[:2] != b"\r\n":
            raise ValueError(f"a chunk ends in {rest[:2]!r}")
        rest = rest[2:]


def events(body: bytes) -> list[str]:
    """The data of each SSE event."""
    return [event.removeprefix("data: ") for event in body.decode().split("\n\n") if event]
