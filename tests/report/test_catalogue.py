import io

from rich.console import Console

from imaxproxy.report.catalogue import print_catalogue
from imaxproxy.runs.catalogue import FINISHED, NO_SUMMARY, CatalogueEntry


def printed(*entries: CatalogueEntry, found: int = 2) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    print_catalogue(console, entries, found)
    return console.export_text()


def test_a_simulated_run_bears_its_mark_and_half_a_run_its_reason() -> None:
    text = printed(
        CatalogueEntry(
            "runs/a", FINISHED, None, "2026-11-20T10:00:00.000+00:00", model="openai/gpt-oss-120b", gpu="b200", gpus=4,
            engine="vllm", simulated=True, load="concurrency 64", tags=("[nightly]",), requests=1280,
            figures={"total_per_gpu": 12345.6, "interactivity": 51.23456, "ttft_p99": None},
        ),
        CatalogueEntry("runs/b", NO_SUMMARY, "half-written (killed): `imaxproxy report runs/b` sums it up"),
    )  # fmt: skip
    assert "4 x b200 vllm (sim)" in text
    assert "12,346" in text
    assert "51.23" in text
    assert "[nightly]" in text
    assert "2026-11-20 10:00" in text
    assert "runs/b: half-written (killed)" in text
    assert text.rstrip().endswith("2 runs")


def test_how_many_were_not_asked_for_is_said() -> None:
    assert printed(found=7).strip() == "0 of 7 runs"
