"""The real exporter process before a real OTLP/HTTP receiver."""

import socket
from pathlib import Path

import pytest

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.live.otlp import ENDPOINT_PATH, Exporting, OtlpProcess, endpoint_of
from imaxproxy.metrics import ANSWER, WARMUP, Ask, CountedBy, Exchange, Outcome, Timeline, Usage, mark
from imaxproxy.power.accrual import SCHEMA, write_now
from imaxproxy.runs import Journal, RunDirectory
from imaxproxy.runs.exports.otel import METRICS
from live.otlp.receiver import attributes, receiving

CHAT = "/v1/chat/completions"


def exchange(name: str, ttft_ms: int, kind: str | None = None) -> Exchange:
    """Five tokens, 20 ms apart."""
    times_ns = [(ttft_ms + 20 * number) * NS_PER_MS for number in range(5)]
    return Exchange(
        Ask(name, CHAT, 0, 0, dialect="chat", kind=kind),
        Outcome.COMPLETED,
        times_ns[-1],
        status=200,
        streamed=True,
        model="m",
        first_event_ns=times_ns[0],
        usage=Usage(100, 5),
        counted_by=CountedBy.USAGE,
        timeline=Timeline(times_ns, [mark(ANSWER, 1)] * 5),
    )


def journalled(folder: Path) -> RunDirectory:
    run = RunDirectory(folder)
    journal = Journal(run)
    for each in (exchange("w", 9, WARMUP), exchange("a", 30), exchange("b", 70)):
        journal.add(each)
    ask = Ask("f", CHAT, 0, 0, dialect="chat")
    journal.add(Exchange(ask, Outcome.FAILED, 5 * NS_PER_MS, error="http_500", status=500))
    journal.add(Exchange(Ask("m", "/v1/models", 0, 0), Outcome.COMPLETED, 1))
    journal.close()
    power = {"schema": SCHEMA, "time_ns": 1, "since_ns": 0, "watts": 700.0, "boards": 1, "energy_j": 1234.5}
    write_now(run.power_now, power | {"boundary": "board", "source": "nvml", "simulated": False})
    return run


def test_a_run_arrives_as_the_conventions_name_it(tmp_path: Path) -> None:
    run = journalled(tmp_path)
    with receiving() as receiver:
        process = OtlpProcess(
            Exporting(str(run.path), endpoint_of(receiver.url), provider="vllm", model="asked", simulated=True)
        )
        process.start()
        assert process.stop() is None
        assert set(receiver.paths) == {ENDPOINT_PATH}
        assert set(receiver.types) == {"application/x-protobuf"}
        metrics, resource = receiver.metrics(), receiver.resource()
    assert (resource["service.name"], resource["imaxproxy.simulated"]) == ("imaxproxy", True)
    histograms = {name: metric for name, metric in metrics.items() if name.startswith("gen_ai.")}
    assert set(METRICS) - set(histograms) == {"gen_ai.client.operation.time_per_output_chunk"}
    assert {name: metric.unit for name, metric in histograms.items()} == {name: METRICS[name][0] for name in histograms}
    (ttft,) = histograms["gen_ai.server.time_to_first_token"].histogram.data_points
    assert attributes(ttft) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "vllm",
        "gen_ai.request.model": "asked",
        "gen_ai.response.model": "m",
    }
    assert (ttft.count, ttft.sum) == (2, pytest.approx(0.1))
    assert tuple(ttft.explicit_bounds) == METRICS["gen_ai.server.time_to_first_token"][1]
    assert {tuple(ttft.explicit_bounds)[place] for place, count in enumerate(ttft.bucket_counts) if count} == {
        0.04,
        0.08,
    }
    (tpot,) = histograms["gen_ai.server.time_per_output_token"].histogram.data_points
    assert (tpot.count, tpot.sum) == (2, pytest.approx(0.04))
    durations = histograms["gen_ai.server.request.duration"].histogram.data_points
    assert {attributes(point).get("error.type"): point.count for point in durations} == {None: 2, "http_500": 1}
    usage = histograms["gen_ai.client.token.usage"].histogram.data_points
    assert {attributes(point)["gen_ai.token.type"]: (point.count, point.sum) for point in usage} == {
        "input": (2, 200.0),
        "output": (2, 10.0),
    }
    (watts,) = metrics["imaxproxy.power"].gauge.data_points
    (joules,) = metrics["imaxproxy.energy"].sum.data_points
    assert (watts.as_double, joules.as_double, metrics["imaxproxy.energy"].sum.is_monotonic) == (700.0, 1234.5, True)
    assert attributes(watts) == {"boundary": "board", "source": "nvml"}


def test_a_collector_that_refuses_is_said_in_one_line(tmp_path: Path) -> None:
    with receiving(status=400) as receiver:
        process = OtlpProcess(Exporting(str(journalled(tmp_path).path), endpoint_of(receiver.url)))
        process.start()
        failure = process.stop()
    assert failure is not None
    assert failure.startswith(f"OTLP: 1 of 1 exports to {receiver.url}{ENDPOINT_PATH} failed: ")
    assert "\n" not in failure


@pytest.mark.parametrize("url", ["", "collector:4318", "grpc://h:4317", "http://"])
def test_what_is_no_collectors_url(url: str) -> None:
    with pytest.raises(UsageError, match=r"^--otlp .*http://127\.0\.0\.1:4318"):
        endpoint_of(url)


def test_a_path_that_is_given_is_kept() -> None:
    assert endpoint_of("https://h/otlp/v1/metrics") == "https://h/otlp/v1/metrics"
    assert endpoint_of("http://h:4318/") == "http://h:4318/v1/metrics"


def test_a_process_that_was_never_started_has_nothing_to_say(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        assert OtlpProcess(Exporting(str(tmp_path), url)).stop() is None
