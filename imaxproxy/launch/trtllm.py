"""TensorRT-LLM: `trtllm-serve`, its flags with underscores and its options file. By its documentation: not run here."""

from typing import Any

from imaxproxy.launch.argv import common_env, flag_argv, left_out, limits_as_flags, refuse, wants_dummy
from imaxproxy.launch.engine import (
    Engine,
    MemoryFraction,
    MetricsPage,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
    failures,
    milestones,
)
from imaxproxy.launch.limits import limit_flags
from imaxproxy.launch.options import merged, options_text, put
from imaxproxy.launch.recipe import Recipe


def trtllm_options(recipe: Recipe, *, dummy_weights: bool) -> dict[str, Any]:
    """What stands in the options file: [limits] that are no flags, speculation, and the recipe's own word last."""
    options: dict[str, Any] = {}
    for limit, path in limit_flags("trtllm").items():
        value = getattr(recipe.limits, limit)
        if value is not None and "." in path:
            put(options, path, value)
    if recipe.parallel.dp_attention:
        options["enable_attention_dp"] = True
    if wants_dummy(recipe, dummy_weights):
        options["load_format"] = "dummy"
    if recipe.speculation:
        options["speculative_config"] = _speculation(recipe)
    return merged(options, recipe.engine.options)


def trtllm_env(recipe: Recipe, *, dummy_weights: bool) -> dict[str, str]:
    """Random weights accept next to nothing; TensorRT-LLM can then accept as many drafts as it is told."""
    drafts = recipe.speculation
    if drafts and drafts.acceptance_length and wants_dummy(recipe, dummy_weights):
        return {"TLLM_SPEC_DECODE_FORCE_NUM_ACCEPTED_TOKENS": f"{drafts.acceptance_length - 1:g}"}
    return {}


def _speculation(recipe: Recipe) -> dict[str, Any]:
    drafts = recipe.speculation
    assert drafts is not None
    if drafts.method == "mtp":
        return {"decoding_type": "MTP", "num_nextn_predict_layers": drafts.draft_tokens}
    if drafts.method == "eagle3":
        return {"decoding_type": "Eagle", "max_draft_len": drafts.draft_tokens, "speculative_model_dir": drafts.model}
    if drafts.method == "ngram":
        return {"decoding_type": "NGram", "max_draft_len": drafts.draft_tokens}
    raise refuse(recipe, "speculation.method", f"TensorRT-LLM takes mtp, eagle3 or ngram here, not {drafts.method}")


def _plan(recipe: Recipe, place: Place) -> Plan:
    if recipe.disaggregated:
        raise refuse(recipe, "disaggregated", "use engine dynamo with backend trtllm")
    split = recipe.parallel
    if split.dp > 1:
        raise refuse(recipe, "parallel.dp", "trtllm-serve runs one replica; use dp_attention, or several recipes")
    options_path = place.run_dir / "trtllm-options.yaml"
    flags: dict[str, Any] = {"tp_size": split.tp}
    if split.pp > 1:
        flags["pp_size"] = split.pp
    if split.ep > 1:
        flags["ep_size"] = split.ep
    flags |= limits_as_flags(recipe)
    if recipe.served_name:
        flags["served_model_name"] = recipe.served_name
    if recipe.engine.reasoning_parser:
        flags["reasoning_parser"] = recipe.engine.reasoning_parser
    argv = [
        *(str(place.python), "-m", "tensorrt_llm.commands.serve", "serve", recipe.load_from),
        *("--host", place.host, "--port", str(place.port)),
        *flag_argv(flags | recipe.engine.flags, _off),
        *("--extra_llm_api_options", str(options_path)),
    ]
    env = {
        **common_env(recipe, place.gpus),
        **trtllm_env(recipe, dummy_weights=place.dummy_weights),
        **recipe.engine.env,
    }
    options = trtllm_options(recipe, dummy_weights=place.dummy_weights)
    return Plan(
        processes=(Process(name="server", argv=tuple(argv), env=env),), files={options_path: options_text(options)}
    )


def _off(name: str) -> list[str]:
    """Telemetry is the one switch that is on by default."""
    return ["--no-telemetry"] if name == "telemetry" else left_out(name)


TRTLLM = Engine(
    name="trtllm",
    package="tensorrt-llm",
    plan=_plan,
    readiness=Readiness(path="/v1/models"),
    milestones=milestones(
        (r"TensorRT.LLM version", "starting", 0.05),
        (r"Loading weights", "loading weights", 0.3),
        (r"Loading weights: 100%", "weights loaded", 0.6),
        (r"Max KV cache blocks|KV cache.*block", "KV cache allocated", 0.7),
        (r"warmup|CUDA graph", "warming up", 0.8),
        (r"Application startup complete", "serving", 1.0),
    ),
    failures=failures(  # of its own; what several engines say is in common_failures.py
        (r"Extra inputs are not permitted", "an option is unknown to this version: mend engine.options"),
        (r"Invalid value for '?(--[\w-]+)", "trtllm-serve refuses {1}: mend it in engine.flags"),
    ),
    # /metrics is JSON that is gone once read; the Prometheus page wants options.return_perf_metrics = true. Names as in
    # tensorrt_llm/metrics/collector.py at 050f80de (2026), not scraped here; release 1.1 has the TTFT alone of these.
    metrics=MetricsPage(
        path="/prometheus/metrics",
        running="trtllm_num_requests_running",
        waiting="trtllm_num_requests_waiting",
        kv_share="trtllm_kv_cache_utilization",
        prompt_tokens="trtllm_prompt_tokens_total",
        output_tokens="trtllm_generation_tokens_total",
        prefix_hits_tokens="trtllm_prompt_cached_tokens_total",
        draft_tokens="trtllm_spec_decode_num_draft_tokens_total",
        accepted_tokens="trtllm_spec_decode_num_accepted_tokens_total",
        prefix_hit_share="trtllm_kv_cache_hit_rate",
        accept_length_tokens="trtllm_spec_decode_acceptance_length",
        ttft_seconds="trtllm_time_to_first_token_seconds",
    ),
    memory=MemoryFraction(of="free after weights", default=0.9),
    stopping=Stopping(grace_s=15.0),
)
