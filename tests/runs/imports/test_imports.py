"""What others write, read as baselines: each format found by itself, each mistake named with its place."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from imaxproxy.economics import load_price, usd_per_million_tokens
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs.axes import AXES
from imaxproxy.runs.exports import export
from imaxproxy.runs.imports import read_baselines
from runs.made_run import ENGINE, make_run, steady_power

# The shape of a row of InferenceX's API; figures of its measured-power row of 2026-09-04.
ROW: dict[str, Any] = {
    "hardware": "b200", "framework": "vllm", "model": "dsv4", "precision": "fp4", "spec_method": "none",
    "disagg": False, "decode_tp": 8, "decode_ep": 1, "decode_dp_attention": False,
    "num_prefill_gpu": 8, "num_decode_gpu": 8,
    "isl": 8192, "osl": 1024, "conc": 64, "date": "2026-09-04T00:00:00Z", "run_url": "https://example.test/run/1",
    "metrics": {
        "tput_per_gpu": 1449.62, "output_tput_per_gpu": 160.8, "median_intvty": 20.04, "p90_intvty": 18.0,
        "median_ttft": 3.3, "p99_ttft": 43.4, "median_tpot": 0.0499, "median_itl": 0.0278, "power_valid": 1,
        "joules_per_output_token": 4.016, "joules_per_total_token": 0.4456,
    },
}  # fmt: skip


def written(path: Path, content: object) -> str:
    path.write_bytes(content if isinstance(content, bytes) else orjson.dumps(content))
    return str(path)


def test_a_row_of_the_api(tmp_path: Path) -> None:
    (found,) = read_baselines(written(tmp_path / "rows.json", [ROW]))
    assert (found.tool, found.source, found.as_of) == ("InferenceX", "https://example.test/run/1", "2026-09-04")
    assert found.machine == "dsv4 b200 vllm fp4 8192/1024"
    assert found.load == "concurrency 64, tp 8, ep 1"
    assert found.values["interactivity"] == 20.04
    assert found.values["ttft_p99"] == pytest.approx(43_400)
    assert found.values["j_output"] == 4.016
    assert found.values["usd_total"] == usd_per_million_tokens(load_price("b200").usd_per_gpu_hour, 1449.62)
    assert not {name for name in found.values if name.startswith("itl")}  # it means the gap between events there
    assert set(found.values) <= set(AXES)
    assert 1.71 * 1.3 * found.values["total_per_mw"] == pytest.approx(1449.62 * 1000)


def test_power_that_is_not_valid_is_no_joule(tmp_path: Path) -> None:
    row = ROW | {"metrics": ROW["metrics"] | {"power_valid": 0}}
    (found,) = read_baselines(written(tmp_path / "rows.json", [row]))
    assert "j_output" not in found.values


@pytest.mark.parametrize(
    ("gpus", "per_gpu"),
    [  # the rates of prefill and decode GPUs sum to the total over all: InferenceX issues 366 and 764
        ((32, 20, 428.679, 5498.179), 2378.4867),
        ((16, 4, 33.241, 1062.450), 239.0828),
    ],
)
def test_a_disaggregated_row_is_brought_to_all_gpus(
    tmp_path: Path, gpus: tuple[int, int, float, float], per_gpu: float
) -> None:
    prefill, decode, input_rate, output_rate = gpus
    row = ROW | {"disagg": True, "num_prefill_gpu": prefill, "num_decode_gpu": decode}
    row["metrics"] = {"tput_per_gpu": per_gpu, "output_tput_per_gpu": output_rate}
    (found,) = read_baselines(written(tmp_path / "rows.json", [row]))
    of_all = (input_rate * prefill / (prefill + decode)) + found.values["output_per_gpu"]
    assert of_all == pytest.approx(per_gpu, rel=1e-6)
    assert "disagg" in found.machine
    del row["num_decode_gpu"]
    (found,) = read_baselines(written(tmp_path / "rows.json", [row]))
    assert "output_per_gpu" not in found.values


def test_rows_are_chosen_by_what_they_say_and_the_newest_stays(tmp_path: Path) -> None:
    rows = [
        ROW,
        ROW | {"date": "2026-08-01", "metrics": ROW["metrics"] | {"tput_per_gpu": 1.0}},
        ROW | {"hardware": "h200"},
        ROW | {"isl": 1024, "osl": 1024},
    ]
    path = written(tmp_path / "rows.json", {"data": rows})
    assert len(read_baselines(path)) == 3
    (found,) = read_baselines(f"{path},gpu=b200,isl=8192,osl=1024")
    assert (found.as_of, found.values["total_per_gpu"]) == ("2026-09-04", 1449.62)
    with pytest.raises(UsageError, match=r"no row of .* is left"):
        read_baselines(f"{path},gpu=gb300")


@pytest.mark.parametrize("format_", ["inferencex", "vllm", "sglang"])
def test_what_we_export_comes_back(tmp_path: Path, format_: str) -> None:
    record = make_run(tmp_path / "run", power=steady_power(every_s=0.1), engine=ENGINE | {"simulated": True})
    files, _ = export(record, format_, ("model_prefix=gptoss",), tmp_path / "out")
    path = next(file for file in files if file.name in {"agg_result.json", "out"})
    (found,) = read_baselines(
        f"{path},gpu=b200,gpus=2,model=gptoss" if format_ == "sglang" else f"{path},gpu=b200,gpus=2"
    )
    tokens, duration_s = 64, 2.005
    assert found.values["total_per_gpu"] == pytest.approx(tokens / duration_s / 2)
    assert found.values["interactivity"] == pytest.approx(100)  # their TPOTs are 8, 10 and 20 ms
    assert found.values["ttft_p50"] == pytest.approx(100)
    assert found.load.startswith("concurrency 4")
    assert found.simulated is True
    assert found.facts["gpu"] == "b200"
    assert ("j_output" in found.values) == (format_ == "inferencex")


def test_a_client_does_not_know_its_gpus(tmp_path: Path) -> None:
    raw = {"model_id": "m", "date": "20261126-041342", "total_token_throughput": 100.0, "output_throughput": 10.0,
           "median_tpot_ms": 10.0, "request_rate": "inf", "max_concurrency": None}  # fmt: skip
    path = written(tmp_path / "r.json", raw)
    (found,) = read_baselines(path)
    assert "total_per_gpu" not in found.values
    assert (found.as_of, found.load, found.values["total_rate"]) == ("2026-11-26", "rate inf", 100.0)
    (found,) = read_baselines(f"{path},gpus=4,gpu=b200")
    assert found.values["total_per_gpu"] == 25.0
    assert "usd_total" in found.values
    with pytest.raises(ImaxproxyError, match="gpus=none: how many"):
        read_baselines(f"{path},gpus=none")


def test_sglangs_infinity_is_read(tmp_path: Path) -> None:
    line = b'{"total_throughput": 5.0, "input_throughput": 4.0, "output_throughput": 1.0, "request_rate": Infinity}\n'
    found = read_baselines(written(tmp_path / "s.jsonl", line + b"\n" + line.replace(b"5.0", b"6.0")))
    assert [each.values["total_rate"] for each in found] == [6.0]  # one machine, one load: the later line


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([{"something": 1}], "rows.json:1: of no format that is known here"),
        ([ROW, 7], "rows.json:2: of no format"),
        ([ROW | {"metrics": {}}], "rows.json:1: metrics: no tput_per_gpu"),
        ([ROW | {"metrics": ROW["metrics"] | {"median_ttft": "fast"}}], "median_ttft is no number: 'fast'"),
        ([ROW | {"metrics": [1]}], "rows.json:1: metrics: not a JSON object"),
        ([ROW | {"conc": True}], "conc is no number: True"),
        (b"{broken\n", "rows.json:1: not JSON"),
        ([], "no row of"),
    ],
)
def test_a_file_that_cannot_be_read_names_the_place(tmp_path: Path, content: object, says: str) -> None:
    with pytest.raises(ImaxproxyError, match=says):
        read_baselines(written(tmp_path / "rows.json", content))


def test_flags_that_cannot_be_read() -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_baselines("nowhere.json")
    with pytest.raises(UsageError, match="come NAME=VALUE with a name of model, gpu, gpus"):
        read_baselines("nowhere.json,colour=red")
