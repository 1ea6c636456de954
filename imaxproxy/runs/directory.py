"""A run directory: which file lies where in it."""

import itertools
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """One run's files. `create` makes a new one, `open` takes one that exists."""

    path: Path

    @classmethod
    def create(cls, path: Path | None, command: str) -> "RunDirectory":
        """`path`, or `imax-runs/<time>-<command>`. Raises UsageError when it is not writable or holds a run."""
        default = Path("imax-runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{command}"
        chosen = path or default
        try:
            if path is None:
                chosen = _made_anew(default)
            run = cls(chosen)
            chosen.mkdir(parents=True, exist_ok=True)
            if run.manifest.exists() or run.journals():
                raise UsageError(f"--out {chosen} holds a run already: choose another directory, or remove it first")
            probe = chosen / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UsageError(f"--out {chosen} cannot be written: {error.strerror}") from error
        return run

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Raises UsageError when there is no run in it."""
        run = cls(path)
        if not path.is_dir():
            raise UsageError(f"{path} is no directory: give the run directory that `serve` or `replay` printed")
        if not run.journals():
            raise UsageError(f"{path} holds no exchanges-*.jsonl: it is not a run directory")
        if not os.access(path, os.R_OK):
            raise UsageError(f"{path} cannot be read")
        return run

    @property
    def manifest(self) -> Path:
        return self.path / "manifest.json"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def histograms(self) -> Path:
        return self.path / "histograms.hlog"

    @property
    def power(self) -> Path:
        """What the sampler, or the simulated engine, read of the boards."""
        return self.path / "power.jsonl"

    @property
    def power_now(self) -> Path:
        """What these have come to so far; there while they are read."""
        from imaxproxy.power import NOW_NAME  # only who watches asks, and the player process need not know power

        return self.path / NOW_NAME

    @property
    def energy(self) -> Path:
        """What each request's share of the energy was."""
        return self.path / "energy.jsonl"

    @property
    def log(self) -> Path:
        """What an engine that the command started has printed."""
        return self.path / "engine.log"

    @property
    def engine_metrics(self) -> Path:
        """What the engines said of themselves, a sample a second."""
        return self.path / "engine_metrics.jsonl"

    def journal(self, worker: int) -> Path:
        return self.path / f"exchanges-{worker}.jsonl"

    def meter(self, worker: int) -> Path:
        return self.path / f"meter-{worker}.jsonl"

    def capture(self, worker: int) -> Path:
        """What one worker of `serve` captured, as it comes."""
        return self.path / f"capture-{worker}.jsonl"

    @property
    def trace(self) -> Path:
        """All that was captured, as one trace."""
        return self.path / "trace.jsonl"

    def captures(self) -> list[Path]:
        return sorted(self.path.glob("capture-*.jsonl"))

    def journals(self) -> list[Path]:
        return sorted(self.path.glob("exchanges-*.jsonl"))

    def meters(self) -> list[Path]:
        return sorted(self.path.glob("meter-*.jsonl"))


def _made_anew(path: Path) -> Path:
    """The folder, or with -2, -3, ... where another run began in the same second. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        chosen = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            chosen.mkdir()
        except FileExistsError:
            continue
        break
    return chosen
