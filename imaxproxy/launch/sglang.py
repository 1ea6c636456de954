"""SGLang: `python -m sglang.launch_server`. Flags, milestones and endings as seen with 0.5.23."""

from typing import Any

from imaxproxy.launch.argv import common_env, flag_argv, left_out, limits_as_flags, refuse, wants_dummy
from imaxproxy.launch.engine import (
    Engine,
    MemoryFraction,
    MetricsPage,
    NodePart,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
    failures,
    milestones,
)
from imaxproxy.launch.recipe import Recipe

SGLANG_PARTS = ("sglang::scheduler", "sglang::detokenizer", "sglang::data_parallel_controller")
"""Titles of its processes."""
_ALGORITHMS = {"eagle3": "EAGLE3", "mtp": "EAGLE", "ngram": "NGRAM", "draft_model": "STANDALONE"}
"""MTP runs as EAGLE with the checkpoint's own layer."""


def sglang_flags(recipe: Recipe, *, dummy_weights: bool) -> dict[str, Any]:
    """All flags but those of the model and the server: Dynamo's SGLang workers take the same."""
    split = recipe.parallel
    flags: dict[str, Any] = {"tp-size": split.tp}
    if split.pp > 1:
        flags["pp-size"] = split.pp
    if split.dp_attention:  # attention apart on every GPU of the tensor-parallel group
        if split.dp > 1:
            raise refuse(recipe, "parallel.dp", "dp_attention splits over tp already; leave dp at 1")
        flags |= {"dp-size": split.tp, "enable-dp-attention": True}
    elif split.dp > 1:
        flags["dp-size"] = split.dp
    if split.ep > 1:
        flags["ep-size"] = split.ep
    if wants_dummy(recipe, dummy_weights):
        flags["load-format"] = "dummy"
    flags |= limits_as_flags(recipe)
    if recipe.engine.reasoning_parser:
        flags["reasoning-parser"] = recipe.engine.reasoning_parser
    return flags | _speculation(recipe) | recipe.engine.flags


def sglang_env(recipe: Recipe, *, dummy_weights: bool) -> dict[str, str]:
    """Random weights accept next to nothing; SGLang can then accept as many as it is told."""
    drafts = recipe.speculation
    if drafts and drafts.acceptance_length and wants_dummy(recipe, dummy_weights):
        return {"SGLANG_SIMULATE_ACC_LEN": f"{drafts.acceptance_length:g}"}
    return {}


def _speculation(recipe: Recipe) -> dict[str, Any]:
    drafts = recipe.speculation
    if drafts is None:
        return {}
    if drafts.method is None:
        raise refuse(recipe, "speculation.method", "a real engine must be told: eagle3, mtp, ngram or draft_model")
    flags: dict[str, Any] = {"speculative-algorithm": _ALGORITHMS[drafts.method]}
    if drafts.model:
        flags["speculative-draft-model-path"] = drafts.model
    if drafts.method == "ngram":
        return {**flags, "speculative-num-draft-tokens": drafts.draft_tokens}
    # A chain of drafts: one choice a step, and the verified token counts as one.
    flags |= {"speculative-num-steps": drafts.draft_tokens, "speculative-eagle-topk": 1}
    return {**flags, "speculative-num-draft-tokens": drafts.draft_tokens + 1}


def _plan(recipe: Recipe, place: Place) -> Plan:
    if recipe.disaggregated:
        raise refuse(recipe, "disaggregated", "SGLang alone serves from one place; use engine dynamo, backend sglang")
    argv = [
        *(str(place.python), "-m", "sglang.launch_server", "--model-path", recipe.load_from),
        *("--host", place.host, "--port", str(place.port), "--served-model-name", recipe.client_name),
        *flag_argv(sglang_flags(recipe, dummy_weights=place.dummy_weights), left_out),
        *(_part_argv(recipe, place.part) if place.part else ()),
    ]
    env = {
        **common_env(recipe, place.gpus),
        **(place.part.env if place.part else {}),
        **sglang_env(recipe, dummy_weights=place.dummy_weights),
        **recipe.engine.env,
    }
    return Plan(processes=(Process(name="server", argv=tuple(argv), env=env),))


def _part_argv(recipe: Recipe, part: NodePart) -> list[str]:
    """The head's port, and six more after it. A part that is no head answers its own --port with its health alone."""
    split = recipe.parallel
    if split.dp > 1:
        raise refuse(recipe, "parallel.dp", "over nodes SGLang has dp_attention only; --engine-replicas has copies")
    if max(split.pp, split.nodes) % min(split.pp, split.nodes):
        says = f"SGLang gives a node whole stages, or a stage whole nodes, not {split.nodes} nodes to pp = {split.pp}"
        raise refuse(recipe, "parallel.nodes", says)
    argv = ["--nnodes", str(split.nodes), "--node-rank", str(part.rank)]
    return [*argv, "--dist-init-addr", f"{f'[{part.head}]' if ':' in part.head else part.head}:{part.port}"]


SGLANG = Engine(
    name="sglang",
    package="sglang",
    plan=_plan,
    # /health generates a token and takes a second: /v1/models first, and our own first token after it.
    readiness=Readiness(path="/v1/models", timeout_s=10.0),
    milestones=milestones(
        (r"server_args=", "reading its flags", 0.1),
        (r"Init parallel begin|Init torch distributed begin", "waiting for all ranks", 0.3),
        (r"Init parallel ends?|Init torch distributed ends?", "all ranks have met", 0.36),
        (r"Load weight begin", "loading weights", 0.4),
        (r"Load weight end", "weights loaded", 0.7),
        (r"Memory pool end|Tree cache initialized", "KV cache allocated", 0.8),
        (r"Capture cuda graph begin", "capturing CUDA graphs", 0.85),
        (r"Application startup complete", "opening its port", 0.95),
        (r"The server is fired up and ready to roll", "serving", 1.0),
    ),
    failures=failures(  # of its own; what several engines say is in common_failures.py
        (
            r"total number of ranks .*should be smaller",
            "this CPU takes fewer ranks than parallel asks for: set tp and dp to 1, or SGLANG_CPU_OMP_THREADS_BIND in "
            "[engine.env]",
        ),
    ),
    metrics=MetricsPage(
        running="sglang:num_running_reqs",
        waiting="sglang:num_queue_reqs",
        kv_share="sglang:token_usage",
        prompt_tokens="sglang:prompt_tokens_total",
        output_tokens="sglang:generation_tokens_total",
        prefix_hits_tokens="sglang:cached_tokens_total",
        preemptions="sglang:num_retracted_reqs",
        prefix_hit_share="sglang:cache_hit_rate",
        accept_length_tokens="sglang:spec_accept_length",
        ttft_seconds="sglang:time_to_first_token_seconds",
        itl_seconds="sglang:inter_token_latency_seconds",
    ),
    memory=MemoryFraction(of="weights and KV of total", default=0.88),
    stopping=Stopping(grace_s=10.0, drains=True),
    parts=SGLANG_PARTS,
    meeting_ports=8,
)
