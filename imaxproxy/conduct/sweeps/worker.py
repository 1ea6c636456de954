"""`python -m imaxproxy.conduct.sweeps.worker`: plays points of a sweep, one a line of stdin. Not for people.

A process of its own, so that cores are used and that a crash costs one point. It has one engine at most, and keeps it
for the next point of the same variant.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path

import orjson

from imaxproxy.conduct.replay.options import checked
from imaxproxy.conduct.replay.virtual import play_virtually
from imaxproxy.conduct.sweeps.live import LivePlayer
from imaxproxy.conduct.sweeps.point import parsed
from imaxproxy.errors import ImaxproxyError
from imaxproxy.sweep.point import VIRTUAL

_LOOKED_AFTER_S = 0.5


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the command, which ends us
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # an answer is a line, and nothing else may stand between
    killed = contextlib.suppress(BrokenPipeError)  # the command was: nobody is left to hear
    with contextlib.closing(_Players()) as players, killed, answers:
        for line in sys.stdin.buffer:
            answers.write(orjson.dumps({"error": players.play(**orjson.loads(line))}) + b"\n")
            answers.flush()


class _Players:
    """Points in virtual time need no engine; for the others one is kept, until a point wants another."""

    def __init__(self) -> None:
        self._live: LivePlayer | None = None

    def play(self, argv: list[str], number: int, variant: dict[str, str]) -> str | None:
        """Why it failed; None when it did not. number: which repeat, from 0.  variant: `name`, `mode`, `log`."""
        sys.argv = ["imaxproxy", "replay", *argv]  # what the run's manifest says it was made by
        try:
            if variant["mode"] == VIRTUAL:
                trace, flags = parsed(tuple(argv))
                _, load = checked(flags)
                play_virtually(trace, load, flags, number)
            else:
                self._of(variant).play(tuple(argv))
        except ImaxproxyError as error:
            return " ".join(str(error).split())
        except KeyboardInterrupt:
            return "interrupted"
        return None

    def close(self) -> None:
        """Stop the engine, if one runs."""
        if self._live is not None:
            self._live.close()
            self._live = None

    def _of(self, variant: dict[str, str]) -> LivePlayer:
        if self._live is None or self._live.name != variant["name"]:
            self.close()
            self._live = LivePlayer(variant["name"], variant["mode"], Path(variant["log"]))
        return self._live


def _end_with(parent: int) -> None:
    """A command that was killed must not leave us at a point that its next run begins anew."""
    while os.getppid() == parent:
        time.sleep(_LOOKED_AFTER_S)
    os._exit(1)


if __name__ == "__main__":
    main()
