"""`python -m imaxproxy.live.otlp.exporter`: a run's journal as OpenTelemetry's GenAI metrics, over OTLP/HTTP.

Its settings are one line of JSON on stdin (`Exporting`); it exports until stdin ends, then once more, and says on
stdout how many exports there were and how many failed. The environment's OTEL_EXPORTER_OTLP_HEADERS and
OTEL_EXPORTER_OTLP_CERTIFICATE count.
"""

import json
import logging
import select
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from imaxproxy import __version__
from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import ImaxproxyError
from imaxproxy.live.feed.journal_follower import JournalFollower
from imaxproxy.live.otlp.process import Exporting
from imaxproxy.metrics import Exchange
from imaxproxy.power import read_now
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.exports.facts import Facts
from imaxproxy.runs.exports.otel import METRICS, values_of

_LOOK_S = 0.5
_SHUTDOWN_MS = 10_000
_READ_NS = 400 * NS_PER_MS
_LEFT_OUT = frozenset({"gen_ai.client.operation.time_per_output_chunk"})
"""A record costs 5 us, and there would be one for each event; `imaxproxy export --format otel` has it."""


@dataclass
class _Log:
    """How exports went."""

    exports: int = 0
    failed: int = 0
    why: str = ""


class _Exporter(OTLPMetricExporter):  # type: ignore[misc, unused-ignore]  # Any, where the extra is not there
    """Counts its failures: the SDK only logs them."""

    def __init__(self, endpoint: str, log: _Log) -> None:
        super().__init__(endpoint=endpoint)
        self._log_of_ours = log

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float | None = 10_000,
        **kwargs: Any,  # noqa: ANN401 (the SDK's)
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        self._log_of_ours.exports += 1
        if result is not MetricExportResult.SUCCESS:
            self._log_of_ours.failed += 1
        return result


class _LastWords(logging.Handler):
    """Keeps the SDK's newest complaint, for the one line that the command says in the end."""

    def __init__(self, log: _Log) -> None:
        super().__init__(logging.WARNING)
        self._log_of_ours = log

    def emit(self, record: logging.LogRecord) -> None:
        self._log_of_ours.why = " ".join(record.getMessage().split())[:300]


class GenAiMetrics:
    """Records each exchange on the instruments that the conventions name."""

    def __init__(self, provider: MeterProvider, facts: Facts, read_power: Callable[[], dict[str, Any] | None]) -> None:
        meter = provider.get_meter("imaxproxy", __version__)
        self._facts, self._read_power = facts, read_power
        self._instruments = {
            name: meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=bounds)
            for name, (unit, bounds) in METRICS.items()
            if name not in _LEFT_OUT
        }
        meter.create_observable_gauge("imaxproxy.power", [self._watts], "W", "Drawn now by all counted boards.")
        meter.create_observable_counter("imaxproxy.energy", [self._joules], "J", "Drawn since the start by them.")

    def add(self, exchange: Exchange) -> None:
        if exchange.ask.dialect is None:
            return
        for name, labels, value in values_of(exchange, self._facts):
            self._instruments[name].record(value, dict(labels))

    def _watts(self, _options: CallbackOptions) -> Iterable[Observation]:
        row = self._read_power()
        return [] if row is None or row["watts"] is None else [Observation(row["watts"], _boundary(row))]

    def _joules(self, _options: CallbackOptions) -> Iterable[Observation]:
        row = self._read_power()
        return [] if row is None else [Observation(row["energy_j"], _boundary(row))]


def main() -> int:
    """Export as the settings on stdin say."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the end of stdin tells; the command ends this in its order
    exporting = Exporting(**json.loads(sys.stdin.readline()))
    run, log = RunDirectory(Path(exporting.run)), _Log()
    logger = logging.getLogger("opentelemetry")
    logger.addHandler(_LastWords(log))
    logger.propagate = False
    reader = PeriodicExportingMetricReader(_Exporter(exporting.endpoint, log), exporting.every_s * 1000)
    provider = MeterProvider([reader], _resource(exporting, run), shutdown_on_exit=False)
    facts = Facts(model=exporting.model, framework=exporting.provider)
    metrics = GenAiMetrics(provider, facts, lambda: _power(run))
    follower = JournalFollower(run, metrics.add, lambda _sample: None)
    while not select.select([sys.stdin], [], [], _LOOK_S)[0]:
        follower.read(_READ_NS)
    while not follower.read(_READ_NS):
        pass
    provider.shutdown(_SHUTDOWN_MS)
    print(json.dumps({"exports": log.exports, "failed": log.failed, "why": log.why or "no answer"}), flush=True)
    return 0


def _resource(exporting: Exporting, run: RunDirectory) -> Resource:
    return Resource.create(
        {
            "service.name": "imaxproxy",
            "service.version": __version__,
            "service.instance.id": exporting.instance or run.path.name,
            "imaxproxy.simulated": exporting.simulated,
        }
    )


def _power(run: RunDirectory) -> dict[str, Any] | None:
    try:
        return read_now(run.power_now)
    except ImaxproxyError:  # unreadable: the summary will say what is wrong with the samples
        return None


def _boundary(row: dict[str, Any]) -> dict[str, str]:
    return {"boundary": row["boundary"], "source": row["source"]}


if __name__ == "__main__":
    sys.exit(main())
