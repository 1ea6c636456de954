"""Which engines `imaxproxy engine launch` keeps running: a file each, in a folder that goes when the user logs out."""

import contextlib
import json
import os
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imaxproxy.errors import ImaxproxyError, UsageError

READY = "ready"
STARTING = "starting"


def runtime_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """$XDG_RUNTIME_DIR/imaxproxy, or a folder of this user's in the one for temporary files. Made where it is missing.

    Raises ImaxproxyError when somebody else owns it: they could make us signal processes of their choice.
    """
    given = environment.get("XDG_RUNTIME_DIR")
    folder = Path(given) / "imaxproxy" if given else Path(tempfile.gettempdir()) / f"imaxproxy-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImaxproxyError(f"{folder} cannot be made ({error.strerror}): set XDG_RUNTIME_DIR") from error
    if folder.stat().st_uid != os.getuid():
        raise ImaxproxyError(f"{folder} belongs to another user: set XDG_RUNTIME_DIR to a folder of yours")
    return folder


@dataclass(frozen=True, slots=True)
class RunningEngine:
    """One engine that is kept running, as its file says."""

    name: str
    recipe: str
    engine: str
    model: str
    """The name clients ask for."""
    url: str
    """The server's root."""
    log_dir: str
    started_at: str
    gpus: tuple[str, ...] = ()
    state: str = STARTING
    pid: int = 0
    """Of the command that keeps it."""
    born: int = 0
    """When that process started, in ticks since boot: its number may be another's by now."""

    @classmethod
    def read(cls, path: Path) -> "RunningEngine | None":
        """None when the file is gone, or was written half by a process that was killed."""
        try:
            row = json.loads(path.read_bytes())
            return cls(**{**row, "gpus": tuple(row["gpus"])})
        except (OSError, ValueError, KeyError, TypeError):
            return None

    @property
    def keeper_lives(self) -> bool:
        return self.pid > 0 and _born(self.pid) == self.born

    def signal(self, number: int) -> None:
        """To the command that keeps it. No harm when that is gone."""
        if self.keeper_lives:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL to the command that keeps it: its wardens see to the engine."""
        self.signal(signal.SIGKILL)


class Register:
    """All of them."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = (folder or runtime_folder()) / "engines"
        self._folder.mkdir(mode=0o700, exist_ok=True)

    def engines(self) -> list[RunningEngine]:
        """Those whose keeper lives, by name; files of dead ones are taken away."""
        found = []
        for path in sorted(self._folder.glob("*.json")):
            engine = RunningEngine.read(path)
            if engine is not None and engine.keeper_lives:
                found.append(engine)
            else:
                path.unlink(missing_ok=True)
        return found

    def find(self, name: str | None) -> RunningEngine:
        """By name; without one, the only one there is. Raises UsageError that says which run."""
        engines = self.engines()
        if name is None and len(engines) == 1:
            return engines[0]
        for engine in engines:
            if engine.name == name:
                return engine
        names = ", ".join(engine.name for engine in engines)
        if not names:
            raise UsageError("no engine runs: start one with `imaxproxy engine launch RECIPE`")
        raise UsageError(f"{'which engine' if name is None else f'no engine {name!r}'}? Running: {names}")

    def check_free(self, name: str) -> None:
        """Raises UsageError when an engine of that name runs."""
        for engine in self.engines():
            if engine.name == name:
                raise UsageError(
                    f"an engine {name!r} runs at {engine.url}: `imaxproxy engine stop {name}` first, or give --name"
                )

    def put(self, engine: RunningEngine) -> RunningEngine:
        """Write or write anew; this process is its keeper."""
        kept = replace(engine, pid=os.getpid(), born=_born(os.getpid()) or 0)
        path = self._path(engine.name)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(kept), indent=1))
        part.replace(path)
        return kept

    def remove(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"


def _born(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; None when there is no such process, or it has ended and waits for its parent."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])
