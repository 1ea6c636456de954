"""`python -m imaxproxy.power`: the sampler as a process of its own, so that no token's stamp ever waits for a sensor.

It takes its settings as one line of JSON on stdin, answers with one line of JSON on stdout when it is calibrated (or
with `{"error": ...}`), and samples until stdin ends, which it does when the command that started it is killed too.
"""

import contextlib
import json
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson

from imaxproxy.clock import NS_PER_S, monotonic_ns
from imaxproxy.errors import ImaxproxyError
from imaxproxy.power.file import NOW_NAME, PowerLog
from imaxproxy.power.mapping import Mapping
from imaxproxy.power.opening import openers
from imaxproxy.power.sample import PowerLine
from imaxproxy.power.sampler import Sampler

_FLUSH_NS = NS_PER_S // 2
"""What a kill may cost."""


def main() -> int:
    """Sample as the settings on stdin say."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the run; the command then ends this, in its order
    settings = json.loads(sys.stdin.readline())
    try:
        with _log(Path(settings["path"])) as sink:
            mapping = Mapping(**settings["mapping"])
            sampler = Sampler(
                openers(settings["sources"]), sink, monotonic_ns, _wait, mapping=mapping, tick_ms=settings["tick_ms"]
            )
            sampler.begin()
            sampler.settle()
            devices = sampler.calibrate(round(settings["calibrate_s"] * NS_PER_S))
            _say({"devices": [device.as_row() for device in devices]})
            sampler.run()
            sampler.close()
    except ImaxproxyError as error:
        _say({"error": str(error)})
        return error.exit_code
    return 0


def _say(answer: dict[str, object]) -> None:
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.buffer.write(orjson.dumps(answer, option=orjson.OPT_APPEND_NEWLINE))
        sys.stdout.buffer.flush()


def _nap(until_ns: int) -> bool:
    """Sleep, whatever stdin says."""
    time.sleep(max(until_ns - monotonic_ns(), 0) / NS_PER_S)
    return False


def _wait(until_ns: int) -> bool:
    """Sleep; True when stdin has ended or speaks, which both mean: stop."""
    while True:
        left_s = max(until_ns - monotonic_ns(), 0) / NS_PER_S
        ready, _, _ = select.select([sys.stdin], [], [], left_s)
        if ready:
            return True
        if monotonic_ns() >= until_ns:
            return False


@contextlib.contextmanager
def _log(path: Path) -> Iterator[Callable[[PowerLine], None]]:
    """Lines into the file; through to it twice a second."""
    try:
        log = PowerLog(open(path, "wb", buffering=1 << 16), path.with_name(NOW_NAME))  # noqa: SIM115 (the log closes it)
    except OSError as error:
        raise ImaxproxyError(f"cannot write {path}: {error.strerror}") from error
    due_ns = 0

    def sink(line: PowerLine) -> None:
        nonlocal due_ns
        log.add(line)
        if line.time_ns >= due_ns:
            log.flush()
            due_ns = line.time_ns + _FLUSH_NS

    try:
        yield sink
    finally:
        log.close()


if __name__ == "__main__":
    sys.exit(main())
