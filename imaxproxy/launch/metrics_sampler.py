"""`python -m imaxproxy.launch.metrics_sampler`: an engine's own view, a sample a second, in a process of its own.

Its settings are one line of JSON on stdin; it says `ready` on stdout after the first sample of each engine, and samples
until stdin ends, which it does too when whoever started it is killed. The file's first line says what was sampled and
under which names; each other line is one sample of one engine: `time_ns` (CLOCK_MONOTONIC), and values, or `error`.
"""

import contextlib
import json
import select
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.launch.engines import ENGINES
from imaxproxy.launch.metrics_reading import names_of, read_page, whose_page

SCHEMA = "imaxproxy.engine_metrics/1"
_TIMEOUT_S = 2.0
_MOST_BYTES = 8 << 20

Write = Callable[[dict[str, Any]], None]


@dataclass
class Source:
    """One engine's page, found at the first sample that answers."""

    url: str
    """The server's root."""
    engine: str | None = None
    """Its name, where it is known; else the page tells."""
    names: dict[str, str] = field(default_factory=dict)
    path: str | None = None

    def sample(self, write: Write) -> None:
        """Write one line: values, or why there are none."""
        try:
            text = self._page()
            row: dict[str, Any] = read_page(text, self.names)
        except (OSError, ValueError) as error:
            row = {"error": str(getattr(error, "reason", error))[:200]}
        write({"time_ns": monotonic_ns(), "url": self.url, **row})

    def describe(self) -> dict[str, Any]:
        return {"url": self.url, "engine": self.engine, "path": self.path, "names": self.names}

    def _page(self) -> str:
        """Raises OSError when nobody answers, ValueError for a page of no engine that we know."""
        if self.path is not None:
            return _get(f"{self.url}{self.path}")
        engines = [ENGINES[self.engine]] if self.engine else list(ENGINES.values())
        missing: OSError | None = None
        for path in dict.fromkeys(engine.metrics.path for engine in engines if engine.metrics):
            try:
                text = _get(f"{self.url}{path}")
            except urllib.error.HTTPError as error:
                missing = error
                continue
            found = whose_page(text, engines)
            if found is not None and found.metrics is not None:
                self.engine, self.path, self.names = found.name, path, names_of(found.metrics)
                return text
        raise missing or ValueError("its /metrics page has no name that we know")


def main() -> int:
    """Sample as the settings on stdin say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of stdin tells; the command ends this in its order
    settings = json.loads(sys.stdin.readline())
    sources = [Source(**each) for each in settings["sources"]]
    with Path(settings["path"]).open("ab", buffering=0) as file:

        def write(row: dict[str, Any]) -> None:
            with contextlib.suppress(OSError):  # a full disk: the summary counts the samples that are there
                file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))

        rows: list[dict[str, Any]] = []
        for source in sources:
            source.sample(rows.append)  # finds out what they are, which the first line says
        write({"schema": SCHEMA, "every_s": settings["every_s"], "sources": [each.describe() for each in sources]})
        for row in rows:
            write(row)
        print("ready", flush=True)
        _sample_until_told(sources, write, settings["every_s"])
    return 0


def _sample_until_told(sources: list[Source], write: Write, every_s: float) -> None:
    """On a grid: a slow page delays its own sample, not all that follow. A last sample when the run has ended."""
    due_ns = monotonic_ns()
    while True:
        due_ns = max(due_ns + round(every_s * NS_PER_S), monotonic_ns())
        told, _, _ = select.select([sys.stdin], [], [], (due_ns - monotonic_ns()) / NS_PER_S)
        for source in sources:
            source.sample(write)
        if told:
            return


def _get(url: str) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=_TIMEOUT_S) as answer:
        body: bytes = answer.read(_MOST_BYTES)
    return body.decode("utf-8", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
