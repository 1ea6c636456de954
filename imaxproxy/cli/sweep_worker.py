"""`python -m imaxproxy.cli.sweep_worker`: plays a sweep's virtual points, one a line of stdin. Not for people.

A process of its own, so that cores are used and that a crash costs one point.
"""

import os
import signal
import sys
import threading
import time

import orjson

from imaxproxy.cli.replay import checked
from imaxproxy.cli.sweep_point import parsed
from imaxproxy.cli.virtual_replay import play_virtually
from imaxproxy.errors import ImaxproxyError

_LOOKED_AFTER_S = 0.5


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends us
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    for line in sys.stdin.buffer:
        asked = orjson.loads(line)
        sys.argv = ["imaxproxy", "replay", *asked["argv"]]  # what the run's manifest says it was made by
        try:
            trace, flags = parsed(tuple(asked["argv"]))
            _, load = checked(flags)
            play_virtually(trace, load, flags, asked["number"])
            answer: dict[str, str | None] = {"error": None}
        except ImaxproxyError as error:
            answer = {"error": " ".join(str(error).split())}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


def _end_with(parent: int) -> None:
    """A command that was killed must not leave us at a point that its next run begins anew."""
    while os.getppid() == parent:
        time.sleep(_LOOKED_AFTER_S)
    os._exit(1)


if __name__ == "__main__":
    main()
