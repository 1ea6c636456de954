"""One name for each limit of batches and memory, and what every engine calls it."""

from dataclasses import fields
from typing import Any

from imaxproxy.launch.recipe import Limits, Recipe

LIMIT_FLAGS: dict[str, dict[str, str]] = {
    "vllm": {
        "max_num_seqs": "max-num-seqs",
        "max_num_batched_tokens": "max-num-batched-tokens",
        "max_model_len": "max-model-len",
        "memory_fraction": "gpu-memory-utilization",
        "kv_cache_dtype": "kv-cache-dtype",
        "block_size": "block-size",
        "prefix_caching": "enable-prefix-caching",
        "stream_interval": "stream-interval",
    },
    "sglang": {
        "max_num_seqs": "max-running-requests",
        "max_num_batched_tokens": "chunked-prefill-size",
        "max_model_len": "context-length",
        "memory_fraction": "mem-fraction-static",
        "kv_cache_dtype": "kv-cache-dtype",
        "block_size": "page-size",
        "prefix_caching": "!disable-radix-cache",
        "stream_interval": "stream-interval",
    },
    "trtllm": {
        "max_num_seqs": "max_batch_size",
        "max_num_batched_tokens": "max_num_tokens",
        "max_model_len": "max_seq_len",
        "memory_fraction": "kv_cache_config.free_gpu_memory_fraction",
        "kv_cache_dtype": "kv_cache_config.dtype",
        "block_size": "kv_cache_config.tokens_per_block",
        "prefix_caching": "kv_cache_config.enable_block_reuse",
        "stream_interval": ".stream_interval",
    },
    "mocker": {
        "max_num_seqs": "max-num-seqs",
        "max_num_batched_tokens": "max-num-batched-tokens",
        "max_model_len": "max-model-len",
        "block_size": "block-size",
        "prefix_caching": "enable-prefix-caching",
    },
    "llamacpp": {
        "max_num_seqs": "parallel",
        "max_num_batched_tokens": "batch-size",
        "max_model_len": "ctx-size",
        "kv_cache_dtype": "cache-type-k",
        "prefix_caching": "cache-prompt",
    },
    "transformers": {
        "max_num_batched_tokens": "cb-max-batch-tokens",
        "memory_fraction": "cb-max-memory-percent",
        "block_size": "cb-block-size",
    },
}
"""A flag by its name, a switch that means the opposite with "!", a key of TensorRT-LLM's options file with its dots."""


def limit_flags(recipe_engine: str, backend: str | None = None) -> dict[str, str]:
    """What this engine calls its limits; Dynamo's are those of its workers."""
    return LIMIT_FLAGS[backend or "mocker"] if recipe_engine == "dynamo" else LIMIT_FLAGS[recipe_engine]


def stated_limits(recipe: Recipe) -> Limits:
    """The limits of a recipe, also those it says as raw flags or options of its engine; None where it is silent."""
    return Limits(**{one.name: _stated(recipe, one.name) for one in fields(Limits)})


def _stated(recipe: Recipe, limit: str) -> Any:  # noqa: ANN401 (as the recipe says it)
    value = getattr(recipe.limits, limit)
    flag = limit_flags(recipe.engine.name, recipe.engine.backend).get(limit)
    if value is not None or flag is None:
        return value
    if "." in flag:
        return _at(recipe.engine.options, flag)
    if flag.startswith("!"):
        raw = recipe.engine.flags.get(flag[1:])
        return None if raw is None else not raw
    return recipe.engine.flags.get(flag)


def _at(options: dict[str, Any], path: str) -> Any:  # noqa: ANN401 (as the recipe says it)
    found: Any = options
    for key in path.strip(".").split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found
