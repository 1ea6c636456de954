from pathlib import Path

import pytest

from imaxproxy.launch.engines import ENGINES
from imaxproxy.launch.metrics_reading import names_of, read_page, whose_page

PAGES = Path(__file__).parents[1] / "data" / "launch"
RECORDED = [
    ("vllm", "vllm-metrics.txt", {"running": 0.0, "prompt_tokens": 347.0, "output_tokens": 200.0, "preemptions": 0.0}),
    ("sglang", "sglang-metrics.txt", {"running": 0.0, "waiting": 0.0, "prefix_hit_share": 0.95}),
    ("llamacpp", "llamaserver-metrics.txt", {"prompt_tokens": 77.0, "prefix_hits_tokens": 393.0, "drafts": 0.0}),
    ("trtllm", "trtllm-metrics.txt", {"running": 2.0, "kv_share": 0.0625, "prefix_hits_tokens": 128.0}),
    ("dynamo", "dynamo-metrics.txt", {"output_tokens": 4084.0, "ttft_seconds_count": 3.0}),
]


@pytest.mark.parametrize(("engine", "page", "values"), RECORDED, ids=[row[0] for row in RECORDED])
def test_recorded_pages_are_known_and_read(engine: str, page: str, values: dict[str, float]) -> None:
    text = (PAGES / page).read_text()
    found = whose_page(text, ENGINES.values())
    assert found is not None
    assert found.name == engine
    assert found.metrics is not None
    read = read_page(text, names_of(found.metrics))
    assert values.items() <= read.items()


def test_every_name_that_we_ask_of_tensorrt_llm_is_one_of_its_collectors() -> None:
    """Its page was not recorded: written by hand, with the names and types of its source."""
    metrics = ENGINES["trtllm"].metrics
    assert metrics is not None
    names = names_of(metrics)
    assert set(read_page((PAGES / "trtllm-metrics.txt").read_text(), names)) == set(names)


def test_histograms_give_their_sum_and_count() -> None:
    metrics = ENGINES["vllm"].metrics
    assert metrics is not None
    read = read_page((PAGES / "vllm-metrics.txt").read_text(), names_of(metrics))
    assert read["ttft_seconds_count"] == 25
    assert read["itl_seconds_sum"] == pytest.approx(0.8949689949993171)


def test_ranks_are_added_up_and_shares_averaged() -> None:
    page = 'n_run{engine="0"} 3\nn_run{engine="1"} 4\nkv{engine="0"} 0.2\nkv{engine="1"} 0.4\n'
    assert read_page(page, {"running": "n_run", "kv_share": "kv"}) == {"running": 7.0, "kv_share": pytest.approx(0.3)}


def test_a_name_is_not_its_prefix_and_what_is_no_number_is_left_out() -> None:
    page = '# HELP a of it\na_total 9\na{path="/x {y} 5"} 2\nb NaN\nc +Inf\n'
    assert read_page(page, {"a": "a", "b": "b", "c": "c", "d": "d"}) == {"a": 2.0}


def test_a_page_of_another_program_is_nobodys() -> None:
    assert whose_page("go_gc_duration_seconds 1\n", ENGINES.values()) is None
    with pytest.raises(ValueError, match="x"):
        read_page("a{b=} x\n", {"a": "a"})
