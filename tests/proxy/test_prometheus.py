import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imaxproxy.clock import NS_PER_MS
from imaxproxy.metrics import (
    ANSWER,
    Ask,
    CountedBy,
    Exchange,
    HealthSample,
    Outcome,
    Timeline,
    Totals,
    Usage,
    mark,
    objectives_of,
)
from imaxproxy.proxy.merged import Gauges, Merged, WorkerState
from imaxproxy.proxy.prometheus import exposition


def exchange(ttft_ms: int = 100, **more: object) -> Exchange:
    """Four tokens, 10 ms apart."""
    ask = Ask("r", "/v1/chat/completions", 0, 0, dialect="chat", **more)  # type: ignore[arg-type]
    times_ns = [(ttft_ms + 10 * number) * NS_PER_MS for number in range(4)]
    return Exchange(
        ask, Outcome.COMPLETED, times_ns[-1], 200, streamed=True, model="m", usage=Usage(7, 4),
        counted_by=CountedBy.USAGE, timeline=Timeline(times_ns, [mark(ANSWER, 1)] * 4),
    )  # fmt: skip


def totals_of(*exchanges: Exchange) -> Totals:
    totals = Totals(objectives_of("ttft_ms<200"))
    for each in exchanges:
        totals.add(each)
    return totals


BUSY = totals_of(
    exchange(100, tags={"team": "x"}, upstream="http://a:1", client="red", client_retry=1),
    exchange(300, tags={"team": "y"}, retried="stale_connection"),
    Exchange(Ask("f", "/v1/chat/completions", 0, dialect="chat"), Outcome.FAILED, 1, error="connect_refused"),
    Exchange(Ask("m", "/v1/models", 0, 1), Outcome.COMPLETED, 2, status=200),
)
BUSY.take_refused(Counter({"no_key": 3}))
BUSY.add_health(HealthSample(0, 1, 10**9, 10**8, {120: 49, 900: 1}))
WORKERS = [WorkerState(0, 11, "serving", True, 0.0), WorkerState(3, 14, "serving", False, 0.9)]
BESIDE: dict[str, Any] = {
    "power": {"watts": 800.0, "boards": 2, "energy_j": 5e6, "boundary": "board", "source": "nvml", "age_s": 0.5},
    "cost": {"usd": 12.5},
    "engine_metrics": {
        "running": 3, "waiting": 1, "kv_usage": 0.25, "prefix_hit_share": 0.5, "accepted_per_step": 2.5,
        "preemptions": 4, "age_s": 0.75,
    },
}  # fmt: skip
MERGED = Merged(BUSY, Gauges(in_flight=5, connections=9), lost_lines=2, workers=WORKERS, restarts=1, beside=BESIDE)


@pytest.fixture(scope="module")
def samples() -> dict[tuple[str, ...], float]:
    """Of a busy proxy, by name and label values."""
    return dict(samples_of(exposition(MERGED, {"simulated": True})))


def key(name: str, *label_values: str) -> tuple[str, ...]:
    return name, *sorted(label_values)


def samples_of(page: bytes) -> Iterator[tuple[tuple[str, ...], float]]:
    for family in text_string_to_metric_families(page.decode()):
        for sample in family.samples:
            yield key(sample.name, *sample.labels.values()), sample.value


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        (("imaxproxy_requests_total", "completed"), 2),
        (("imaxproxy_requests_total", "failed"), 1),
        (("imaxproxy_requests_total", "aborted"), 0),
        (("imaxproxy_request_errors_total", "connect_refused"), 1),
        (("imaxproxy_request_endings_total", "complete"), 2),
        (("imaxproxy_request_endings_total", "not_connected"), 1),
        (("imaxproxy_request_endings_total", "no_end"), 0),
        (("imaxproxy_request_flags_total", "no_usage"), 0),
        (("imaxproxy_requests_passed_through_total",), 1),
        (("imaxproxy_client_retries_total",), 1),
        (("imaxproxy_refused_total", "no_key"), 3),
        (("imaxproxy_upstream_retries_total", "stale_connection"), 1),
        (("imaxproxy_tokens_total", "input"), 14),
        (("imaxproxy_tokens_total", "output"), 8),
        (("imaxproxy_upstream_requests_total", "http://a:1", "completed"), 1),
        (("imaxproxy_client_tokens_total", "red", "output"), 4),
        (("imaxproxy_tag_requests_total", "team", "x", "completed"), 1),
        (("imaxproxy_tag_tokens_total", "team", "y", "output"), 4),
        (("imaxproxy_ttft_seconds_bucket", "0.05"), 0),
        (("imaxproxy_ttft_seconds_bucket", "0.15"), 1),
        (("imaxproxy_ttft_seconds_bucket", "0.5"), 2),
        (("imaxproxy_ttft_seconds_bucket", "+Inf"), 2),
        (("imaxproxy_ttft_seconds_count",), 2),
        (("imaxproxy_ttft_seconds_sum",), 0.4),
        (("imaxproxy_itl_seconds_count",), 6),
        (("imaxproxy_tpot_seconds_sum",), 0.02),
        (("imaxproxy_e2e_seconds_sum",), 0.46),
        (("imaxproxy_loop_lag_seconds_count",), 50),
        (("imaxproxy_loop_lag_seconds_bucket", "0.0005"), 49),
        (("imaxproxy_meter_cpu_seconds_total",), 0.1),
        (("imaxproxy_journal_lost_lines_total",), 2),
        (("imaxproxy_requests_in_flight",), 5),
        (("imaxproxy_client_connections",), 9),
        (("imaxproxy_simulated",), 1),
        (("imaxproxy_worker_fresh", "0"), 1),
        (("imaxproxy_worker_fresh", "3"), 0),
        (("imaxproxy_worker_restarts_total",), 1),
        (("imaxproxy_meter_valid",), 1),
        (("imaxproxy_slo_requests_total", "true"), 1),
        (("imaxproxy_slo_requests_total", "false"), 2),
        (("imaxproxy_model_requests_total", "m", "completed"), 2),
        (("imaxproxy_upstream_ttft_seconds_bucket", "http://a:1", "0.15"), 1),
        (("imaxproxy_upstream_ttft_seconds_sum", "http://a:1"), 0.1),
        (("imaxproxy_power_watts", "board", "nvml"), 800),
        (("imaxproxy_energy_joules_total", "board", "nvml"), 5e6),
        (("imaxproxy_power_boards",), 2),
        (("imaxproxy_power_age_seconds",), 0.5),
        (("imaxproxy_cost_usd_total",), 12.5),
        (("imaxproxy_engine_requests_running",), 3),
        (("imaxproxy_engine_requests_waiting",), 1),
        (("imaxproxy_engine_kv_usage_ratio",), 0.25),
        (("imaxproxy_engine_prefix_hit_ratio",), 0.5),
        (("imaxproxy_engine_tokens_per_step",), 2.5),
        (("imaxproxy_engine_preemptions_total",), 4),
        (("imaxproxy_engine_age_seconds",), 0.75),
    ],
)
def test_what_is_counted_is_shown(samples: dict[tuple[str, ...], float], sample: tuple[str, ...], value: float) -> None:
    assert samples[key(*sample)] == pytest.approx(value)


def test_what_nobody_counted_is_not_said_to_be_0(samples: dict[tuple[str, ...], float]) -> None:
    assert ("imaxproxy_tokens_total", "cached") not in samples


def test_a_proxy_that_has_seen_nothing_has_a_page_too() -> None:
    samples = dict(samples_of(exposition(Merged(Totals(), Gauges(), 0), None)))
    assert samples["imaxproxy_requests_total", "completed"] == 0
    assert samples[("imaxproxy_ttft_seconds_count",)] == 0
    assert not any(name.startswith(("imaxproxy_tag", "imaxproxy_worker_fresh")) for name, *_ in samples)


def test_what_nobody_measures_has_no_series() -> None:
    page = exposition(Merged(BUSY, Gauges(), 0, beside={"power": None, "cost": None, "engine_metrics": None}), None)
    names = {found[0] for found, _ in samples_of(page)}
    assert not any(name.startswith(("imaxproxy_power", "imaxproxy_energy", "imaxproxy_cost")) for name in names)
    assert not any(name.startswith("imaxproxy_engine") for name in names)
    old = {"power": {**BESIDE["power"], "watts": None}, "engine_metrics": {**BESIDE["engine_metrics"], "running": None}}
    names = {found[0] for found, _ in samples_of(exposition(Merged(BUSY, Gauges(), 0, beside=old), None))}
    assert {"imaxproxy_energy_joules_total", "imaxproxy_engine_requests_waiting"} <= names
    assert not {"imaxproxy_power_watts", "imaxproxy_engine_requests_running"} & names


def test_label_sets_are_bounded_whatever_clients_send() -> None:
    totals = totals_of(*(exchange(tags={f"t{n}": f"v{n}"}, upstream="u", client=f"c{n}") for n in range(200)))
    totals.merge(totals_of(*(replace(exchange(), model=f"m{n}") for n in range(200))))
    series = list(samples_of(exposition(Merged(totals, Gauges(), 0), None)))
    assert len(series) == len(set(series))
    for name, most in (("client", 65), ("model", 65), ("tag", 16 * 64 + 1)):
        assert 2 < sum(1 for (found, *_), _ in series if found == f"imaxproxy_{name}_requests_total") <= 4 * most


def test_promtool_finds_no_fault() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian package prometheus) is not installed")
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=exposition(MERGED, None), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
