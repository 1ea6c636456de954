"""What each published form becomes. `IMAX_REMAKE=1 pytest tests/traces/test_golden.py` remakes the golden files."""

import json
import os
from functools import cache
from pathlib import Path

import jsonschema
import pytest

import imaxproxy.traces
from imaxproxy.traces import FORMATS, canonical_line, open_trace

DATA = Path(__file__).parents[1] / "data" / "traces"
SCHEMA = Path(imaxproxy.traces.__file__).with_name("trace.schema.json")
PUBLISHED = {
    "aibrix_lookalike.jsonl": "aibrix",
    "aibrix_sessions_lookalike.jsonl": "aibrix",
    "aiperf_mooncake_lookalike.jsonl": "aiperf-mooncake",
    "aiperf_inputs_lookalike.json": "aiperf-inputs",
    "aiperf_multi_turn_lookalike.jsonl": "aiperf-multi-turn",
    "aiperf_single_turn_lookalike.jsonl": "aiperf-single-turn",
    "azure_code_2023.head4.csv": "azure",
    "bailian_thinking.row1.jsonl": "bailian",
    "burstgpt_1.excerpt.csv": "burstgpt",
    "lmcache_magagent.tail3.jsonl": "lmcache",
    "mlcommons_agentic.head5.jsonl": "mlcommons",
    "openai_batch.jsonl": "openai-batch",
    "otel_fan_in.json": "otel",
    "sharegpt_lookalike.json": "sharegpt",
    "tracelab_replay.csv": "tracelab-csv",
    "tracelab_rounds.head2.jsonl": "tracelab",
    "vllm_custom_lookalike.jsonl": "vllm-custom",
    "weka_subagents_lookalike.json": "weka",
    "weka_trace_0026.json": "weka",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_becomes_what_it_became(name: str) -> None:
    trace = open_trace(DATA / name)
    lines = b"".join(map(canonical_line, trace))
    golden = DATA / "golden" / f"{name}.jsonl"
    if os.environ.get("IMAX_REMAKE"):
        golden.write_bytes(lines)
    assert trace.format == PUBLISHED[name]
    assert lines == golden.read_bytes()


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_it_becomes_is_canonical(name: str, tmp_path: Path) -> None:
    """It validates against the schema, and is read back as the same rows."""
    rows = list(open_trace(DATA / name))
    path = tmp_path / "t.jsonl"
    path.write_bytes(b"".join(map(canonical_line, rows)))
    for line in path.read_text().splitlines():
        _validator().validate(json.loads(line))
    assert list(open_trace(path, format="canonical")) == rows


def test_every_format_but_our_own_has_a_golden_file() -> None:
    assert set(PUBLISHED.values()) == FORMATS.keys() - {"canonical", "mooncake", "openai-body", "spec"}


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text()))
