"""`python -m imaxproxy.conduct.replay.worker`: the data process that `imaxproxy replay` starts. Not for people."""

import errno
import os
import resource
import sys
from pathlib import Path

import orjson
import uvloop

from imaxproxy.load.worker import WorkerSettings, play, say
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.journal import Journal


def main() -> None:
    line = _first_line()
    if not line:
        return  # the command gave up before it began
    settings = WorkerSettings.from_dict(orjson.loads(line))
    journal = Journal(RunDirectory(Path(settings.out)), settings.worker)
    try:
        ended = uvloop.run(play(settings, journal.add, journal.add_health))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        sys.exit(f"imaxproxy: worker {settings.worker} has no file left of {most}: give more by `ulimit -n`")
    finally:
        journal.close()
    say({"ended": ended.value, "lost_lines": journal.lost})


def _first_line() -> bytes:
    """Byte by byte: what stands behind it belongs to the event loop."""
    line = b""
    while (byte := os.read(sys.stdin.fileno(), 1)) not in (b"", b"\n"):
        line += byte
    return line


if __name__ == "__main__":
    main()
