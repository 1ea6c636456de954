"""vLLM: `vllm serve`. Flags, milestones and endings as seen with 0.32.0."""

from typing import Any

from imaxproxy.launch.argv import common_env, flag_argv, limits_as_flags, refuse, wants_dummy
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

VLLM_PARTS = ("::EngineCore", "::Worker", "::DPCoordinator", "::APIServer")
"""Titles of its processes, behind VLLM or what VLLM_PROCESS_NAME_PREFIX says."""


def vllm_flags(recipe: Recipe, *, dummy_weights: bool) -> dict[str, Any]:
    """All flags but those of the model and the server: Dynamo's vLLM workers take the same."""
    flags: dict[str, Any] = _split_flags(recipe)
    if wants_dummy(recipe, dummy_weights):
        flags["load-format"] = "dummy"
    flags |= limits_as_flags(recipe)
    if recipe.engine.reasoning_parser:
        flags["reasoning-parser"] = recipe.engine.reasoning_parser
    if recipe.speculation:
        flags["speculative-config"] = _speculation(recipe, dummy_weights=wants_dummy(recipe, dummy_weights))
    return flags | recipe.engine.flags


def _split_flags(recipe: Recipe) -> dict[str, Any]:
    split = recipe.parallel
    flags: dict[str, Any] = {"tensor-parallel-size": split.tp}
    if split.pp > 1:
        flags["pipeline-parallel-size"] = split.pp
    if split.dp_attention:  # vLLM has it as data parallelism whose experts are shared
        if split.dp > 1:
            raise refuse(recipe, "parallel.dp", "dp_attention splits over tp already; leave dp at 1")
        flags |= {"tensor-parallel-size": 1, "data-parallel-size": split.tp, "enable-expert-parallel": True}
    elif split.dp > 1:
        flags["data-parallel-size"] = split.dp
    if split.ep > 1:
        flags["enable-expert-parallel"] = True
    return flags


def _speculation(recipe: Recipe, *, dummy_weights: bool) -> dict[str, Any]:
    drafts = recipe.speculation
    assert drafts is not None
    if drafts.method is None:
        raise refuse(recipe, "speculation.method", "a real engine must be told: eagle3, mtp, ngram or draft_model")
    config: dict[str, Any] = {"method": drafts.method, "num_speculative_tokens": drafts.draft_tokens}
    if drafts.model:
        config["model"] = drafts.model
    if dummy_weights and (drafts.acceptance_length or drafts.acceptance):
        # Random weights accept next to nothing; vLLM can then accept as often as it is told.
        config["rejection_sample_method"] = "synthetic"
        if drafts.acceptance:
            config["synthetic_acceptance_rates"] = list(drafts.acceptance)
        else:
            config["synthetic_acceptance_length"] = drafts.acceptance_length
    return config


def _plan(recipe: Recipe, place: Place) -> Plan:
    if recipe.disaggregated:
        raise refuse(recipe, "disaggregated", "vLLM alone serves from one place; use engine dynamo with backend vllm")
    argv = [
        *(str(place.python), "-m", "vllm.entrypoints.cli.main", "serve", recipe.load_from),
        *(_door_argv(place) if place.part is None or place.part.rank == 0 else ("--headless",)),
        *("--served-model-name", recipe.client_name),
        *flag_argv(vllm_flags(recipe, dummy_weights=place.dummy_weights)),
        *(_part_argv(recipe, place.part) if place.part else ()),
    ]
    parts_env = {"VLLM_HOST_IP": place.part.address, **place.part.env} if place.part else {}
    env = {**common_env(recipe, place.gpus), "VLLM_NO_USAGE_STATS": "1", **parts_env, **recipe.engine.env}
    return Plan(processes=(Process(name="server", argv=tuple(argv), env=env),))


def _door_argv(place: Place) -> tuple[str, ...]:
    return ("--host", place.host, "--port", str(place.port))


def _part_argv(recipe: Recipe, part: NodePart) -> list[str]:
    """Its own way over nodes, without Ray: which ranks run where, data-parallel ones too, follows from the node's."""
    argv = ["--nnodes", str(recipe.parallel.nodes), "--node-rank", str(part.rank)]
    argv += ["--master-addr", part.head, "--master-port", str(part.port)]
    return [*argv, "--data-parallel-rpc-port", str(part.port + 1)] if recipe.parallel.dp > 1 else argv


VLLM = Engine(
    name="vllm",
    package="vllm",
    plan=_plan,
    readiness=Readiness(path="/v1/models"),
    milestones=milestones(
        (r"non-default args:", "reading its flags", 0.05),
        (r"Resolved architecture", "found the model", 0.15),
        (r"Initializing a V1 LLM engine", "starting the engine", 0.3),
        (r"distributed_init_method=tcp", "waiting for all ranks", 0.33),
        (r"is assigned as DP rank", "all ranks have met", 0.36),
        (r"Starting to load model", "loading weights", 0.4),
        (r"Loading weights took", "weights loaded", 0.7),
        (r"KV cache size: [\d,]+ tokens", "KV cache allocated", 0.8),
        (r"init engine \(.*\) took", "warmed up", 0.95),
        (r"Starting vLLM server on", "opening its port", 0.98),
        (r"Application startup complete", "serving", 1.0),
    ),
    failures=failures(  # of its own; what several engines say is in common_failures.py
        (
            r"estimated maximum model length is (\d+)",
            "the KV cache holds {1} tokens: set limits.max_model_len to that, or raise limits.memory_fraction",
        ),
        (
            r"Free memory on device.*less than desired",
            "the GPU is not free: see nvidia-smi who holds it, or lower limits.memory_fraction",
        ),
        (
            r"must be divisible by tensor parallel size \((\d+)\)",
            "the model's heads cannot be split by parallel.tp = {1}: take a divisor",
        ),
    ),
    metrics=MetricsPage(
        running="vllm:num_requests_running",
        waiting="vllm:num_requests_waiting",
        kv_share="vllm:kv_cache_usage_perc",
        prompt_tokens="vllm:prompt_tokens_total",
        output_tokens="vllm:generation_tokens_total",
        prefix_queries_tokens="vllm:prefix_cache_queries_total",
        prefix_hits_tokens="vllm:prefix_cache_hits_total",
        preemptions="vllm:num_preemptions_total",
        drafts="vllm:spec_decode_num_drafts_total",
        draft_tokens="vllm:spec_decode_num_draft_tokens_total",
        accepted_tokens="vllm:spec_decode_num_accepted_tokens_total",
        ttft_seconds="vllm:time_to_first_token_seconds",
        itl_seconds="vllm:inter_token_latency_seconds",
    ),
    memory=MemoryFraction(of="total", default=0.92),
    stopping=Stopping(grace_s=10.0),
    parts=VLLM_PARTS,
    meeting_ports=2,
    help_flag="--help=all",
)
