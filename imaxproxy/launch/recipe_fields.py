"""What may stand at each key of a recipe."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

SCHEMA = "imaxproxy.recipe/1"
ENGINE_NAMES = ("vllm", "sglang", "trtllm", "dynamo", "llamacpp", "transformers")
DYNAMO_BACKENDS = ("vllm", "sglang", "trtllm", "mocker")


@dataclass(frozen=True, slots=True)
class Field:
    """What may stand at one key."""

    expected: str
    accepts: Callable[[Any], bool]
    required: bool = False


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: object, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_above_zero(value: Any) -> bool:  # noqa: ANN401 (TOML)
    return _is_number(value) and value > 0


def _is_fraction(value: Any) -> bool:  # noqa: ANN401 (TOML)
    return _is_number(value) and 0 < value <= 1


def _is_day(value: object) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _is_version(value: object) -> bool:
    try:
        Version(str(value))
    except InvalidVersion:
        return False
    return isinstance(value, str)


def _is_range(value: object) -> bool:
    try:
        return isinstance(value, str) and len(SpecifierSet(value)) > 0
    except InvalidSpecifier:
        return False


def _are_shares(value: object) -> bool:
    return isinstance(value, list) and all(_is_number(share) and 0 <= share <= 1 for share in value)


def _is_flag_value(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_flag_value, value.values()))
    if isinstance(value, list):
        return all(map(_is_flag_value, value))
    return isinstance(value, (bool, str)) or _is_number(value)


def _one_of(*names: str, required: bool = True) -> Field:
    return Field(f"one of {', '.join(names)}", lambda value: isinstance(value, str) and value in names, required)


_TEXT = Field("a text", _is_text)
_NEEDED_TEXT = Field("a text", _is_text, required=True)
_COUNT = Field("a whole number of 1 or more", _is_count)
_NEEDED_COUNT = Field(_COUNT.expected, _is_count, required=True)
_ABOVE_ZERO = Field("a number above 0", _is_above_zero)
_SWITCH = Field("true or false", lambda value: isinstance(value, bool))
_TABLE = Field("a table", lambda value: isinstance(value, dict))
_FLAG_VALUE = Field("a text, a number, true, false, or a list or table of these", _is_flag_value)
_VARIABLE = Field("a text", lambda value: isinstance(value, str))

FIELDS: dict[str, dict[str, Field]] = {
    "": {
        "schema": _one_of(SCHEMA),
        "extends": _TEXT,
        "model": _NEEDED_TEXT,
        "model_path": _TEXT,
        "served_name": _TEXT,
        "precision": _one_of("fp32", "bf16", "fp8", "fp4"),
        "weights": _one_of("checkpoint", "dummy", required=False),
        "source": _NEEDED_TEXT,
        "as_of": Field("a date, 2026-08-22", _is_day, required=True),
    },
    "gpu": {
        "kind": _NEEDED_TEXT,
        "count": Field("a whole number of 0 or more", lambda value: _is_count(value, 0), required=True),
    },
    "parallel": {
        **dict.fromkeys(("tp", "pp", "dp", "ep", "nodes"), _COUNT),
        "dp_attention": _SWITCH,
    },
    "engine": {
        "name": _one_of(*ENGINE_NAMES),
        "version": Field("a version, 0.22.0", _is_version, required=True),
        "version_range": Field('a range of versions, ">=0.22,<0.33"', _is_range),
        "package": _TEXT,
        "image": _TEXT,
        "backend": _one_of(*DYNAMO_BACKENDS, required=False),
        "reasoning_parser": _TEXT,
        "flags": Field("a table of the engine's flags", _TABLE.accepts),
        "frontend_flags": Field("a table of the frontend's flags", _TABLE.accepts),
        "options": Field("a table of TensorRT-LLM's options", _TABLE.accepts),
        "env": Field("a table of texts", _TABLE.accepts),
    },
    "limits": {
        **dict.fromkeys(
            ("max_num_seqs", "max_num_batched_tokens", "max_model_len", "block_size", "stream_interval"), _COUNT
        ),
        "memory_fraction": Field("a share above 0, at most 1", _is_fraction),
        "kv_cache_dtype": _TEXT,
        "prefix_caching": _SWITCH,
    },
    "readiness": dict.fromkeys(("expected_s", "timeout_s"), _ABOVE_ZERO),
    "simulate": dict.fromkeys(("vintage", "fixed_step_ms", "fixed_ttft_ms"), _ABOVE_ZERO),
    "speculation": {
        "draft_tokens": _NEEDED_COUNT,
        "method": _one_of("eagle3", "mtp", "ngram", "draft_model", required=False),
        "model": _TEXT,
        "acceptance_length": _ABOVE_ZERO,
        "acceptance": Field("a list of shares from 0 to 1", _are_shares),
    },
    "disaggregated": {
        **dict.fromkeys(("prefill_workers", "decode_workers"), _NEEDED_COUNT),
        **dict.fromkeys(("prefill_tp", "prefill_ep"), _COUNT),
        "prefill_dp_attention": _SWITCH,
        "prefill_limits": Field("a table of limits", _TABLE.accepts),
        "prefill_flags": Field("a table of the engine's flags", _TABLE.accepts),
        "prefill_options": Field("a table of TensorRT-LLM's options", _TABLE.accepts),
        "kv_transfer_gb_per_s": _ABOVE_ZERO,
    },
}
"""Table ("" for the top) and its keys."""

FREE_TABLES: dict[str, Field] = {
    "engine.flags": _FLAG_VALUE,
    "engine.frontend_flags": _FLAG_VALUE,
    "engine.options": _FLAG_VALUE,
    "engine.env": _VARIABLE,
    "disaggregated.prefill_flags": _FLAG_VALUE,
    "disaggregated.prefill_options": _FLAG_VALUE,
}
"""Tables whose keys are the engine's own, and what may stand at each."""

TABLES = tuple(name for name in FIELDS if name)
NEEDED_TABLES = ("gpu", "engine")

SAID_ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(("host", "http-host"), "--host of the command"),
    **dict.fromkeys(("port", "http-port"), "--port of the command"),
    **dict.fromkeys(("model", "model-path"), "model or model_path"),
    **dict.fromkeys(("served-model-name", "served_model_name", "alias", "model-name"), "served_name"),
    **dict.fromkeys(("tensor-parallel-size", "tp-size", "tp", "tp_size", "tensor_parallel_size"), "parallel.tp"),
    **dict.fromkeys(("pipeline-parallel-size", "pp-size", "pp", "pp_size", "pipeline_parallel_size"), "parallel.pp"),
    **dict.fromkeys(("data-parallel-size", "dp-size", "dp"), "parallel.dp"),
    **dict.fromkeys(
        ("enable-expert-parallel", "ep-size", "expert-parallel-size", "ep", "ep_size", "moe_expert_parallel_size"),
        "parallel.ep",
    ),
    **dict.fromkeys(("nnodes", "n", "node-rank", "r"), "parallel.nodes"),
    **dict.fromkeys(("master-addr", "master-port", "dist-init-addr", "nccl-init-addr", "headless"), "parallel.nodes"),
    **dict.fromkeys(("enable-dp-attention", "enable_attention_dp"), "parallel.dp_attention"),
    **dict.fromkeys(("reasoning-parser", "reasoning_parser"), "engine.reasoning_parser"),
    **dict.fromkeys(("extra_llm_api_options", "config"), "engine.options"),
    **dict.fromkeys(("speculative-config", "speculative-algorithm"), "speculation"),
    "load-format": 'weights = "dummy", or the engine\'s default',
}
"""Flags that other fields stand for, so that simulation, cost and report know of them."""
