"""A workload spec: a TOML file from which a canonical trace is made, the same bytes for the same seed anywhere."""

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from imaxproxy import __version__
from imaxproxy.errors import UsageError
from imaxproxy.shipped import shipped
from imaxproxy.traces.file import found
from imaxproxy.traces.generate.agent import Agent
from imaxproxy.traces.generate.arrive import SessionStarts
from imaxproxy.traces.generate.cancel import Cancellations
from imaxproxy.traces.generate.chat import Chat
from imaxproxy.traces.generate.clients import Clients
from imaxproxy.traces.generate.common import Generator
from imaxproxy.traces.generate.lengths import Lengths
from imaxproxy.traces.generate.reasoning import Reasoning
from imaxproxy.traces.generate.shared_prefix import SharedPrefix
from imaxproxy.traces.generate.table import Table
from imaxproxy.traces.row import TraceRow

KINDS: dict[str, Callable[[Table], Generator | Clients]] = {
    "fixed": Lengths.fixed,
    "lengths": Lengths.drawn,
    "shared_prefix": SharedPrefix.parse,
    "chat": Chat.parse,
    "agent": Agent.parse,
    "reasoning": Reasoning.parse,
    "clients": Clients.parse,
}
"""A new kind of workload is a new entry here."""
_AMOUNTS = ("concurrency", "conversations", "requests", "warmups")
"""Keys that say how many are drawn: one more changes none of the others (Generator), so they are another load only."""


@dataclass(frozen=True)
class Spec:
    """A spec that was read and checked, ready to make rows."""

    path: Path
    kind: str
    seed: int
    about: Mapping[str, Any]
    generator: Generator | Clients
    starts: SessionStarts | None
    cancellations: Cancellations | None
    settings: Mapping[str, Any]
    """The file as read, with what was set against it."""

    def rows(self) -> Iterator[TraceRow]:
        """The trace, drawn as it is read. Raises UsageError for draws that cannot be met."""
        if isinstance(self.generator, Clients):
            rows = self.generator.stamped(self.seed)
        else:
            sessions = self.generator.sessions(self.seed)
            rows = self.starts.stamp(sessions, self.seed) if self.starts else chain.from_iterable(sessions)
        return self.cancellations.apply(rows, self.seed) if self.cancellations else rows

    def workload_sha256(self) -> str:
        """Of all that makes a request what it is, not of how many there are.

        Two specs that have it in common draw the same requests, one of them more of them.
        """
        drawn = {name: value for name, value in self.settings.items() if name not in ("about", *_AMOUNTS)}
        text = json.dumps(drawn | {"seed": self.seed}, sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def header(self) -> dict[str, Any]:
        """What a trace file says of where it comes from."""
        known = {name: self.about[name] for name in ("source", "license", "date") if name in self.about}
        generator = {"name": self.kind, "version": __version__, "seed": self.seed, "params": dict(self.settings)}
        return {**known, "generator": generator}


def load_spec(path: str | Path, *, seed: int | None = None, changes: Mapping[str, Any] | None = None) -> Spec:
    """Read a spec: a TOML file, or the name of one that ships in `workloads/`.

    seed: instead of the file's own (0 where it has none).  changes: keys set against the file, "arrivals.rate_per_s"
    for one of a table. Raises UsageError, naming file and key.
    """
    path = found(Path(path))
    if not path.is_file():
        names = ", ".join(each.stem for each in shipped_specs())
        raise UsageError(f"{path}: no such spec; name a TOML file, or one of {names}")
    settings = _with_changes(_parsed(path), changes or {}, str(path))
    if seed is not None:
        settings["seed"] = seed
    table = Table(settings, str(path))
    about = table.raw("about", {})
    kind = table.choice("kind", tuple(KINDS))
    drawn_seed = table.whole("seed", 0, least=-(2**63), most=2**63)
    cancel = table.table("cancel") if table.has("cancel") else None
    starts = table.table("arrivals") if table.has("arrivals") else None
    if starts is not None and kind == "clients":
        raise UsageError(f"{path}: `arrivals`: clients come in their own rhythm; give `rate_per_s` and `cv`")
    spec = Spec(
        path=path,
        kind=kind,
        seed=drawn_seed,
        about=about if isinstance(about, dict) else {},
        generator=KINDS[kind](table),
        starts=None if starts is None else SessionStarts.parse(starts),
        cancellations=None if cancel is None else Cancellations.parse(cancel),
        settings=settings,
    )
    table.close()
    return spec


def shipped_specs() -> list[Path]:
    """The specs in `workloads/`, by name; what has a `schema` there is a sweep's."""
    return [path for path in sorted(shipped("workloads").glob("*.toml")) if "schema" not in _parsed(path)]


def _parsed(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error})") from None


def _with_changes(settings: dict[str, Any], changes: Mapping[str, Any], where: str) -> dict[str, Any]:
    for name, value in changes.items():
        *tables, key = name.split(".")
        table = settings
        for each in tables:
            table = table.setdefault(each, {})
            if not isinstance(table, dict):
                raise UsageError(f"{where}: `{name}`: {each} is no table")
        table[key] = value
    return settings
