from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chromium import chromium
from runs.made_run import ENGINE, answered, make_run, refused, steady_power

from imaxproxy.report.content import Asked, Report, gather
from imaxproxy.report.page import page_of
from imaxproxy.runs.imports import Baseline

CHAT = {"path": "chat.jsonl", "sha256": "abcdef0123", "skipped": 0, "clamped": 0}
CODE = CHAT | {"path": "code.jsonl", "sha256": "123456789a"}
HOSTILE = "<img src=x onerror=alert(1)></script><b>"


def made_report(folder: Path) -> Report:
    """Two machines under three loads, one of them simulated, with repeats, power, failures; a second workload; what
    somebody else measured; a request id that is no good HTML."""
    for gpu, more in (("b200", {"simulated": True}), ("h200", {})):
        for load in (4, 8, 16):
            for repeat in (1, 2):
                gaps = [load + repeat + (20 if gpu == "h200" else 0)] * 20
                exchanges = [answered(at / load / 4, gaps, ttft_ms=40 + load) for at in range(2 * load)]
                exchanges += [refused(1.0, HOSTILE)] if repeat == 2 else []
                path = folder / f"{gpu}-c{load}.r{repeat}"
                settings = {"concurrency": load, "endpoint": "chat"}
                power, engine = steady_power(every_s=0.1), ENGINE | more | {"gpu": gpu}
                make_run(path, exchanges, engine=engine, settings=settings, trace=CHAT, power=power)
    make_run(folder / "code", [answered(at) for at in range(3)], trace=CODE, engine=ENGINE | {"gpu": "h200"})
    facts = {"model": "gptoss", "gpu": "b200", "engine": "trt", "isl": 1024, "osl": 1024}
    values = {
        "c4": {"interactivity": 150.0, "total_per_gpu": 300.0},
        "c8": {"interactivity": 90.0, "total_per_gpu": 700.0},
    }
    rows = [
        Baseline("InferenceX", "https://example.test", "2026-04-06", facts, load, of) for load, of in values.items()
    ]
    return gather([folder], Asked(baselines=rows, details=13))


@pytest.fixture(scope="session")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return made_report(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="session")
def page_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(page_of(report, f"A title {HOSTILE}", "imaxproxy report runs -o report.html"))
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found
