"""`--otlp`: a run's figures pushed to an OpenTelemetry collector."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from imaxproxy.conduct.output import say
from imaxproxy.errors import UsageError
from imaxproxy.runs import RunDirectory

if TYPE_CHECKING:
    from imaxproxy.live.otlp import OtlpProcess

OTLP_OPTION = click.option(
    "--otlp",
    metavar="URL",
    help="Push GenAI metrics to this OpenTelemetry collector (OTLP/HTTP): http://HOST:4318. Needs imaxproxy[otlp].",
)


def check_otlp(flags: dict[str, Any]) -> None:
    """Raises UsageError for what is no collector's URL, and without the extra."""
    if flags.get("otlp") is not None:
        from imaxproxy.live.otlp import endpoint_of

        if flags.get("virtual"):
            raise UsageError("--otlp pushes while time passes, and --virtual has no such time: leave one out")
        endpoint_of(flags["otlp"])


@contextlib.contextmanager
def exporting(
    run: RunDirectory, flags: dict[str, Any], engine: dict[str, Any] | None, model: str | None = None
) -> Iterator[None]:
    """Within, what the run's journal gets is exported; at the end the rest of it. What goes wrong is said, no more."""
    process = exporter_of(run, flags, engine, model)
    if process is None:
        yield
        return
    process.start()
    try:
        yield
    finally:
        failure = process.stop()
        if failure is not None:
            say(f"imaxproxy: {failure}")


def exporter_of(
    run: RunDirectory,
    flags: dict[str, Any],
    engine: dict[str, Any] | None,
    model: str | None = None,
    instance: str | None = None,
) -> "OtlpProcess | None":
    """What exports a run, not yet started; None without the flag. Raises UsageError without the extra.

    instance: which of several it is, where several export one run.
    """
    if flags.get("otlp") is None:
        return None
    from imaxproxy.live.otlp import Exporting, OtlpProcess, endpoint_of

    described = engine or {}
    return OtlpProcess(
        Exporting(
            str(run.path.absolute()),
            endpoint_of(flags["otlp"]),
            provider=described.get("engine"),
            model=model or described.get("model"),
            simulated=bool(described.get("simulated")),
            instance=instance,
        )
    )
