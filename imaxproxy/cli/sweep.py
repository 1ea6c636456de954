"""`imaxproxy sweep`."""

import contextlib
import fcntl
import os
import shlex
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from imaxproxy.conduct.flags.screen import screen_of, screen_option
from imaxproxy.conduct.output import print_json, say
from imaxproxy.conduct.sweeps.screen import SweepScreen
from imaxproxy.errors import UsageError
from imaxproxy.sweep import DONE, FAILED, PENDING, Curve, SweepRecord, SweepSpec, finished, load_sweep
from imaxproxy.sweep.figures import COLUMNS, figures_of
from imaxproxy.sweep.point import VIRTUAL


@click.command(short_help="Play a grid of recipes, workloads and loads; go on where it stopped.")
@click.argument("spec", metavar="SPEC", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Folder of all runs.  [default: imax-runs/sweep-<SPEC>]")
@click.option("--dry-run", is_flag=True, help="List the points, each as the replay it is; play none.")
@click.option("--knee/--no-knee", default=True, show_default=True, help="End a curve where more load gives no more.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 256),
    default=None,
    show_default="CPUs",
    metavar="N",
    help="Curves in virtual time played at once; with --ray all that is played at once.",
)
@click.option("--ray", metavar="ADDRESS", help="Play points on all nodes of this Ray cluster: auto, or HOST:PORT.")
@screen_option
@click.option("--json", "as_json", is_flag=True, help="Print the points and their figures as JSON.")
def sweep(spec: Path, out: Path | None, **flags: Any) -> int:  # noqa: ANN401 (click)
    """Play every point of SPEC: a TOML file, or one that ships: inferencemax-v1.

    \b
    imaxproxy sweep inferencemax-v1 --dry-run
    imaxproxy sweep my-sweep.toml --out runs/sweep
    imaxproxy frontier runs/sweep/1k1k

    Real engines are started once for all their points. Given again, the command plays only what is not done: after a
    crash, Ctrl-C, or a failure. Exit 1 when a point failed; its reason is kept. docs/sweep.md says what SPEC may hold.
    """
    from imaxproxy.conduct.sweeps.point import check_flags

    plan = load_sweep(spec)
    folder = out or Path("imax-runs") / f"sweep-{plan.path.stem}"
    curves = plan.curves(folder)
    check_flags(plan, curves)
    if flags["dry_run"]:
        _list(plan, curves, as_json=flags["as_json"])
        return 0
    head = {"title": plan.title, "spec": str(plan.path), "spec_sha256": plan.sha256(curves)}
    with _alone(folder):
        record = SweepRecord(folder, head, curves)
        record.save()  # before any other file: by it a folder is known for a sweep's, if this process is killed
        _write_files(curves)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: no process is left behind
        try:
            with screen_of(flags, f"sweep {plan.title}") as hosted:
                _play(curves, record, folder, flags, SweepScreen(hosted, f"sweep {plan.title}", record, curves))
        except KeyboardInterrupt:
            say(f"imaxproxy: interrupted: {record.count(PENDING)} points are not done; the same command goes on")
            return 130
        finally:
            record.save()
    _print(record, curves, folder, as_json=flags["as_json"])
    return 1 if record.count(FAILED) else 0


def _play(curves: list[Curve], record: SweepRecord, folder: Path, flags: dict[str, Any], screen: SweepScreen) -> None:
    """What is virtual first, on all cores; then what is live, alone on the machine. A cluster plays as it has room."""
    from imaxproxy.conduct.sweeps.conductor import Conductor
    from imaxproxy.conduct.sweeps.live import play_live_curves
    from imaxproxy.conduct.sweeps.virtual import play_virtual_curves

    with contextlib.ExitStack() as stack:
        ray = None
        if flags["ray"] is not None:
            from imaxproxy.conduct.sweeps.on_cluster import on_cluster

            ray = stack.enter_context(on_cluster(flags["ray"], flags["jobs"]))
        for is_virtual in (True, False):
            some = [curve for curve in curves if (curve.variant.mode == VIRTUAL) == is_virtual]
            conductor = Conductor(record, some, knee=flags["knee"], watching=screen)
            if ray is not None:
                ray.play(some, conductor)
            elif is_virtual:
                play_virtual_curves(some, conductor, flags["jobs"] or len(os.sched_getaffinity(0)))
            else:
                play_live_curves(some, conductor, folder, screen)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Raises UsageError when another sweep plays into this folder, or it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise UsageError(f"--out {folder} cannot be written: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"another sweep plays into {folder}: wait for it, or choose another --out") from None
        yield


def _write_files(curves: list[Curve]) -> None:
    """The recipes and traces that are made for points."""
    made = dict(file for curve in curves for file in (curve.variant.file, *(p.file for p in curve.points)) if file)
    for path, text in made.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from error


def _list(plan: SweepSpec, curves: list[Curve], *, as_json: bool) -> None:
    points = [point for curve in curves for point in curve.points]
    if as_json:
        print_json({"title": plan.title, "points": [{"run": str(p.run), "replay": list(p.argv)} for p in points]})
        return
    for point in points:
        click.echo(f"imaxproxy replay {shlex.join(point.argv)}")
    say(f"imaxproxy: {len(points)} points of {len(curves)} curves")


def _print(record: SweepRecord, curves: list[Curve], folder: Path, *, as_json: bool) -> None:
    summaries = {point: finished(point.run) for curve in curves for point in curve.points}
    figures = {point: figures_of(summary) for point, summary in summaries.items() if summary is not None}
    if as_json:
        whole = record.as_dict()
        for row, point in zip(whole["points"], (p for curve in curves for p in curve.points), strict=True):
            row["figures"] = figures.get(point)
        print_json({**whole, "sweep": str(folder)})
        return
    from rich.console import Console

    from imaxproxy.report.sweep import print_curve

    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    for curve in curves:
        rows = [(p.run.name, record.state(p), record.reason(p), figures.get(p)) for p in curve.points]
        print_curve(
            console,
            curve.name,
            COLUMNS,
            rows,
            simulated=any(s and s["simulated"] for s in map(summaries.get, curve.points)),
        )
    counts = ", ".join(f"{record.count(state)} {state}" for state in (DONE, FAILED, "skipped") if record.count(state))
    console.print(f"{counts}; runs in {folder}", soft_wrap=True)
    for workload in dict.fromkeys(curve.workload for curve in curves if any(p in figures for p in curve.points)):
        console.print(f"imaxproxy frontier {shlex.quote(str(folder / workload))}", soft_wrap=True)
