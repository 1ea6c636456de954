"""Several run directories, each a share of one schedule, as one run: nothing missing, nothing twice, no figure rounded.

All shares' times are moved so that their schedules' zeros fall together, which is the only place where two machines'
clocks meet. Durations stay as they are, so the histograms are, bit for bit, the sum of the shares'.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from imaxproxy.errors import UsageError
from imaxproxy.runs.directory import RunDirectory
from imaxproxy.runs.helpers import cores
from imaxproxy.runs.journal import worker_of
from imaxproxy.runs.manifest import KILLED, Manifest
from imaxproxy.runs.merged_samples import merged_metrics, merged_power
from imaxproxy.runs.shares import Loss, Record
from imaxproxy.runs.shift import move_all, moves_of, write_lines

_OF_ONE_SHARE = frozenset({"share", "url", "trace", "strict", "engine_metrics"})
"""Settings in which shares of one schedule may differ; those of `--power` too, which one share may measure for all."""
_GRAVITY = ("finished", "duration", "no_engine", "interrupted", KILLED)
"""How a run has ended whose shares ended differently: as the last of these that one of them says."""


@dataclass(frozen=True, slots=True)
class ShareRun:
    """One share's run directory."""

    run: RunDirectory
    manifest: Manifest
    record: Record

    @classmethod
    def open(cls, path: Path) -> "ShareRun":
        """Raises UsageError for a run that is no share of a schedule."""
        run = RunDirectory.open(path)
        manifest = Manifest.read(run)
        if manifest is None:
            raise UsageError(f"{path} has no manifest.json: nothing says which share of which schedule it is")
        records = manifest.shares or []
        if not records:
            raise UsageError(f"{path} is a whole run, and no share of one: play shares with `replay --share I/N`")
        if len(records) > 1:
            raise UsageError(f"{path} was merged already: give the {len(records)} runs that it was made of")
        share = cls(run, manifest, records[0])
        share._check_workers()
        return share

    @property
    def path(self) -> Path:
        return self.run.path

    @property
    def index(self) -> int:
        return int(self.record["index"])

    @property
    def was_cut(self) -> bool:
        """It wrote no end: it was killed, was never begun, or still plays."""
        return self.manifest.ended == KILLED

    def _check_workers(self) -> None:
        """Raises UsageError for journals of workers that the share does not have: they would be counted twice."""
        found = {worker_of(path) for path in (*self.run.journals(), *self.run.meters())}
        if strange := sorted(found - set(self.record["workers"])):
            raise UsageError(f"{self.path} holds files of worker {strange[0]}, which share {self.index} does not have")
        if missing := sorted(set(self.record["workers"]) - {worker_of(path) for path in self.run.journals()}):
            raise UsageError(f"{self.path} lacks exchanges-{missing[0]}.jsonl, the journal of one of its workers")


def open_shares(paths: Sequence[Path], *, allow_missing: bool, limit_share: float) -> "Shares":
    """The shares, checked against each other.

    Raises UsageError for shares that overlap, that come of different schedules or versions, and, unless
    `allow_missing`, when one is missing or was cut. What a cut one has is merged; all of its part counts as lost.
    """
    runs = sorted((ShareRun.open(path) for path in paths), key=lambda share: share.index)
    first = next((run for run in runs if not run.was_cut), runs[0])
    for run in runs:
        _check_same(first, run)
    for one, other in pairwise(runs):
        if one.index == other.index:
            raise UsageError(
                f"{one.path} and {other.path} are both share {one.index}/{one.record['of']}: give one of them"
            )
    of = int(first.record["of"])
    missing = sorted(set(range(of)) - {run.index for run in runs})
    if missing and not allow_missing:
        named = ", ".join(f"{index}/{of}" for index in missing)
        raise UsageError(f"of {of} shares, {named} are missing: give their runs as well, or pass --allow-missing")
    cut = [run for run in runs if run.was_cut]
    if cut and not allow_missing:
        raise UsageError(
            f"{cut[0].path} (share {cut[0].index}/{of}) did not play to its end: it was killed, or never began: pass "
            "--allow-missing to merge what it has, its part counted as lost"
        )
    why = {index: f"share {index}/{of}" for index in missing}
    why |= {run.index: f"share {run.index}/{of} (cut short: what it has is merged)" for run in cut}
    return Shares(tuple(runs), first, _loss(why, of, len(first.record["workers"]), limit_share))


@dataclass(frozen=True, slots=True)
class Shares:
    """Those of one schedule, in their order."""

    runs: tuple[ShareRun, ...]
    first: ShareRun
    """The first that was not cut: it knows all of what they have in common."""
    loss: Loss | None

    def merge(self, out: RunDirectory, progress: Callable[[float], None] = lambda _: None) -> Manifest:
        """Write the journals, the meters' health, power and the engines' metrics as one run's, and its manifest.

        progress: hears how far the journals are, 0 to 1.
        """
        manifest = self._manifest()
        replace(manifest, ended=KILLED).write(out)  # what it says until all has been written
        moves = [move for share in self.runs for move in moves_of(share.run, out, self._shift_ns(share))]
        move_all(moves, cores(), progress)
        parts = [(share.run, str(share.record["host"]), self._shift_ns(share)) for share in self.runs]
        powers = [(run.power, host, by_ns) for run, host, by_ns in parts]
        for path, lines in ((out.power, merged_power(powers)), (out.engine_metrics, merged_metrics(parts))):
            _write_if_any(path, lines)
        manifest.write(out)
        return manifest

    def _shift_ns(self, share: ShareRun) -> int:
        """What takes a share's clock to that of the first one that was not cut."""
        return int(self.first.record["zero_ns"]) - int(share.record["zero_ns"])

    def _manifest(self) -> Manifest:
        first = self.first.manifest
        manifests = [share.manifest for share in self.runs]
        settings = {name: value for name, value in first.settings.items() if name != "share"}
        for manifest in manifests:  # whoever measured power says from where
            settings |= {k: v for k, v in manifest.settings.items() if k == "power_sources"}
        records = [share.record | {"ended": share.manifest.ended} for share in self.runs]
        return replace(
            first,
            settings=settings,
            trace=_merged_trace(first.trace or {}, [manifest.trace or {} for manifest in manifests]),
            shares=records,
            lost=None if self.loss is None else self.loss.as_dict(),
            ended=max((manifest.ended for manifest in manifests), key=_gravity),
            lost_lines=sum(manifest.lost_lines for manifest in manifests),
        )


def _gravity(ended: str) -> int:
    return _GRAVITY.index(ended) if ended in _GRAVITY else len(_GRAVITY)


def _check_same(first: ShareRun, other: ShareRun) -> None:
    """Raises UsageError that names the first thing in which they differ."""
    for what, mine, theirs in (
        ("version of imaxproxy", first.manifest.version, other.manifest.version),
        ("number of shares", first.record["of"], other.record["of"]),
        ("command", first.manifest.command, other.manifest.command),
        ("trace", *_known(first, other, _trace_id)),
        ("start time", first.record["start"].get("unix_s"), other.record["start"].get("unix_s")),
        ("calibration of prompts", *_known(first, other, _prompts)),
        ("workers", len(first.record["workers"]), len(other.record["workers"])),
    ):
        if mine != theirs:
            raise UsageError(
                f"{first.path} and {other.path} differ in their {what} ({mine} and {theirs}): not one schedule"
            )
    mine, theirs = _schedule_settings(first.manifest), _schedule_settings(other.manifest)
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            raise UsageError(
                f"{first.path} and {other.path} differ in --{name.replace('_', '-')} ({mine.get(name)} and "
                f"{theirs.get(name)}): not one schedule"
            )


def _schedule_settings(manifest: Manifest) -> dict[str, Any]:
    return {
        name: value
        for name, value in manifest.settings.items()
        if name not in _OF_ONE_SHARE and not name.startswith("power")
    }


def _known(one: ShareRun, other: ShareRun, fact: Callable[[Manifest], object]) -> tuple[object, object]:
    """The fact of both; the same where one of them was cut before it had written it."""
    if one.was_cut or (other.was_cut and fact(other.manifest) is None):
        return None, None
    return fact(one.manifest), fact(other.manifest)


def _trace_id(manifest: Manifest) -> object:
    trace = manifest.trace or {}
    return (trace["sha256"], trace.get("format")) if trace.get("sha256") else None


def _prompts(manifest: Manifest) -> object:
    return (manifest.trace or {}).get("prompts")


def _loss(why: Mapping[int, str], of: int, workers_each: int, limit_share: float) -> Loss | None:
    """why: the lost shares, and what is to be said of each."""
    if not why:
        return None
    lost = sorted(why)
    workers = tuple(worker for i in lost for worker in range(i * workers_each, (i + 1) * workers_each))
    return Loss(len(lost) / of, "workers", workers, ", ".join(why[index] for index in lost), limit_share)


def _merged_trace(first: dict[str, Any], traces: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The first one's facts; what each share did to its own part is added up."""
    merged = dict(first)
    for name in ("live_turns", "answers_missing", "below_overhead"):
        if name in merged:
            merged[name] = sum(trace.get(name, 0) for trace in traces)
    return merged


def _write_if_any(path: Path, lines: Iterator[bytes]) -> None:
    first = next(lines, None)
    if first is not None:
        write_lines(path, _chained(first, lines))


def _chained(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
