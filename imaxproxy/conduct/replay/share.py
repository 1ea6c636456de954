"""`--share I/N`: one machine's part of a schedule that several play without knowing of each other."""

from dataclasses import dataclass
from typing import Any

import click

from imaxproxy.clock import monotonic_ns
from imaxproxy.conduct.replay.session import WORKER_MODULE
from imaxproxy.errors import UsageError
from imaxproxy.load.process import Crew
from imaxproxy.load.share import ALL, Share
from imaxproxy.load.start_time import StartTime, unix_s_of


@dataclass(frozen=True, slots=True)
class ShareChoice:
    """What the flags say."""

    share: Share = ALL
    start: StartTime | None = None
    """None: as soon as the workers are ready."""

    @classmethod
    def of(cls, flags: dict[str, Any]) -> "ShareChoice":
        """Raises UsageError for flags that do not go together."""
        text, start = flags.get("share"), flags.get("start_time")
        if text is None:
            if start is not None:
                raise UsageError("--start-time is for the shares of a schedule: give --share I/N too, or leave it out")
            return cls()
        share = Share.parse(text)
        if start is None:
            raise UsageError("--share needs --start-time: the same time for all shares, some time after the last is up")
        if flags["salt"] is None:
            raise UsageError("--share needs --salt WORD, the same for all shares (and a new one for each run)")
        if flags["recipe"] is not None:
            raise UsageError("--share sends to an engine that all shares reach: give --url, not --engine")
        if flags["repeat"] > 1:
            raise UsageError("--share plays once, at --start-time: leave --repeat out")
        return cls(share, StartTime.at(unix_s_of(start)))

    def crew(self, workers: int) -> Crew:
        """This share's workers; they start at the start time."""
        start = self.start
        if start is None:
            return Crew(WORKER_MODULE, workers, self.share)

        def on_ready(crew: Crew) -> None:
            start.check(monotonic_ns())
            crew.start(start.zero_ns)

        return Crew(WORKER_MODULE, workers, self.share, on_ready)


def share_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """The flags that `ShareChoice` takes."""
    for option in (
        click.option(
            "--start-time",
            metavar="T",
            help="With --share: when all shares start: Unix seconds, or ISO 8601 with a zone.",
        ),
        click.option(
            "--share",
            metavar="I/N",
            help="Play share I, from 0, of N; `imaxproxy merge` makes one run of all. See docs/many-machines.md.",
        ),
    ):
        command = option(command)
    return command
