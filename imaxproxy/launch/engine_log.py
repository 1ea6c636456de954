"""What an engine's log says while it starts, and what stands in it when it has died."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.launch.engine import Failure, Milestone

_TAIL_BYTES = 256 << 10
_SHOWN_LINES = 3
_SHOWN_CHARACTERS = 300
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_PREFIX = re.compile(
    r"^(\([^)]*pid=\d+\)\s*)?"  # vLLM: (EngineCore pid=31531)
    r"(\[?\d{4}-\d\d-\d\d[T ][\d:.,]+Z?\]?\s*(TP\d+\s*)?)?"
    r"((DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d [\d:]+\s+(\[[^\]]*\]\s*)?)?"
)
_ERROR = re.compile(
    r"^[\w.]*(Error|Exception|Interrupt|Exit)\b(:|$)"  # Python: the last line of a traceback
    r"|\berror\b\s*:|^error\b|\bERROR\b|\bFATAL\b|\bpanicked at\b|\bterminate called\b|\bfailed to\b|what\(\):",
    re.IGNORECASE,
)
_VAGUE = re.compile(
    r"See root cause above|Engine core initialization failed|^Traceback|^SystemExit|^KeyboardInterrupt$"
    r"|For further information visit|EngineCore failed to start\.?$|See stack trace \(above\)",
)
"""Lines that say that there is an error, not which."""
_HARMLESS = re.compile(
    r"^(\([^)]*pid=\d+\)\s*)?(DEBUG|INFO)\b"  # what an engine itself says is no error
    r"|\[TRT-LLM\]\s*\[[IVD]\]|^[\d.]{12} [ID] "  # the same of TensorRT-LLM and of llama-server
    r"|server_args=|non-default args"  # its own flags, read back: any word may stand there
    r"|Ignore import error"  # SGLang's, of models that nobody asked for
)
"""Lines that name no cause, whatever words are in them."""


class LogReader:
    """New whole lines of a file that another process appends to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def lines(self) -> list[str]:
        """What came since the last call, in whole lines. A \\r ends one too: progress bars use it."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                new = file.read()
        except FileNotFoundError:
            return []
        self._at += len(new)
        *whole, self._rest = re.split(rb"[\r\n]+", self._rest + new)
        return [_clean(line.decode("utf-8", errors="replace")) for line in whole if line]


class Progress:
    """How far a start has come, by the milestones of the log; it never goes back."""

    def __init__(self, milestones: Sequence[Milestone]) -> None:
        self._milestones = milestones
        self.share = 0.0
        self.says = "starting"

    def read(self, lines: Sequence[str]) -> bool:
        """Look for milestones; True when there is news."""
        news = False
        for line in lines:
            for milestone in self._milestones:
                if milestone.share > self.share and milestone.pattern.search(line):
                    self.share, self.says, news = milestone.share, milestone.says, True
        return news


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Why an engine died, as far as its log tells."""

    errors: tuple[str, ...]
    """Its own last error lines, the plainest ones; its last lines when none looks like an error."""
    advice: str | None


def diagnose(logs: Sequence[Path], failures: Sequence[Failure]) -> Diagnosis:
    """Look for the surest failure in the logs' ends, and for the lines worth showing. `failures`: the surest first."""
    raw = [line for log in logs for line in _end_of(log)]
    suspects = [_clean(line) for line in raw if not _HARMLESS.search(line)]
    for failure in failures:
        for line in reversed(suspects):
            if found := failure.pattern.search(line):
                said = (_shortened(line),)
                return Diagnosis(said, failure.advice.format(found[0], *(group or "" for group in found.groups())))
    errors = [line for line in suspects if _ERROR.search(line) and not _VAGUE.search(line)]
    chosen = list(dict.fromkeys(errors))[-_SHOWN_LINES:] or [_clean(line) for line in raw[-_SHOWN_LINES:]]
    return Diagnosis(tuple(map(_shortened, chosen)), None)


def tail(log: Path, lines: int | None = None) -> list[str]:
    """The log's last lines, without colours, times and process names; [] when there is none."""
    found = [_clean(line) for line in _end_of(log)]
    return found if lines is None else found[-lines:]


def _end_of(log: Path) -> list[str]:
    """Its last lines without colours; blank ones and those that only tell a time are left out."""
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return []
    lines = (_ANSI.sub("", line).rstrip() for line in re.split(r"[\r\n]+", text))
    return [line for line in lines if _clean(line)]


def _clean(line: str) -> str:
    return _PREFIX.sub("", _ANSI.sub("", line).rstrip())


def _shortened(line: str) -> str:
    line = line.strip()
    return line if len(line) <= _SHOWN_CHARACTERS else f"{line[:_SHOWN_CHARACTERS]}..."
