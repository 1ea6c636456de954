"""NVIDIA Dynamo: a frontend and its workers, together or prefill and decode apart. As seen with 1.6.1's mocker."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from imaxproxy.launch.argv import common_env, flag_argv, left_out, limits_as_flags, no_form
from imaxproxy.launch.engine import (
    Engine,
    MetricsPage,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
    milestones,
)
from imaxproxy.launch.options import options_text
from imaxproxy.launch.prefill import prefill_recipe
from imaxproxy.launch.recipe import Recipe
from imaxproxy.launch.sglang import SGLANG_PARTS, sglang_env, sglang_flags
from imaxproxy.launch.trtllm import trtllm_env, trtllm_options
from imaxproxy.launch.vllm import VLLM_PARTS, vllm_flags

_TOGETHER = ("--discovery-backend", "file", "--request-plane", "tcp")


def _plan(recipe: Recipe, place: Place) -> Plan:
    """Workers first, the frontend last; they find each other by files in a folder of this run, without etcd or NATS."""
    found_in = place.run_dir / "dynamo-discovery"
    env = {
        **common_env(recipe, ()),
        "DYN_FILE_KV": str(found_in),
        **dict.fromkeys(("DYN_TCP_RPC_HOST", "DYN_TCP_RESPONSE_STREAM_HOST", "DYN_EVENT_PLANE_HOST"), "127.0.0.1"),
        **recipe.engine.env,
    }
    workers = _Workers(recipe, place, env)
    frontend = Process(
        name="frontend",
        argv=(
            *(str(place.python), "-m", "dynamo.frontend", "--http-host", place.host, "--http-port", str(place.port)),
            *_TOGETHER,
            *flag_argv(recipe.engine.frontend_flags),
        ),
        env=env,
    )
    return Plan(processes=(*workers.processes(), frontend), files=workers.files, folders=(found_in,))


class _Workers:
    """The worker processes of a recipe, each with its share of the GPUs."""

    def __init__(self, recipe: Recipe, place: Place, env: dict[str, str]) -> None:
        self._recipe, self._place, self._env = recipe, place, env
        self._gpus = list(place.gpus)
        self.files: dict[Path, str] = {}

    def processes(self) -> list[Process]:
        """Prefill workers before decode workers; one that does both if they are not apart."""
        apart, split = self._recipe.disaggregated, self._recipe.parallel
        if apart is None:
            if split.dp > 1 and not split.dp_attention:
                alone = replace(self._recipe, parallel=replace(split, dp=1))
                return [self._worker(f"worker-{i}", alone, None) for i in range(split.dp)]
            return [self._worker("worker", self._recipe, None)]
        prefill = prefill_recipe(self._recipe)
        return [
            *(self._worker(f"prefill-{i}", prefill, "prefill") for i in range(apart.prefill_workers)),
            *(self._worker(f"decode-{i}", self._recipe, "decode") for i in range(apart.decode_workers)),
        ]

    def _worker(self, name: str, recipe: Recipe, role: str | None) -> Process:
        wanted = recipe.parallel.tp * recipe.parallel.pp
        gpus, self._gpus = self._gpus[:wanted], self._gpus[wanted:]
        flags = self._flags(name, recipe)
        parser = flags.pop("reasoning-parser", None)
        if parser is not None:  # the frontend parses, by what the worker registers
            flags["dyn-reasoning-parser"] = parser
        if role is not None:
            flags["disaggregation-mode"] = role
        backend = recipe.engine.backend
        off = left_out if backend in ("sglang", "trtllm") else no_form
        argv = (str(self._place.python), "-m", f"dynamo.{backend}", *_TOGETHER, *flag_argv(flags, off))
        dummy = self._place.dummy_weights
        backend_env = {"sglang": sglang_env, "trtllm": trtllm_env}.get(str(backend))
        env = {**common_env(recipe, gpus), **(backend_env(recipe, dummy_weights=dummy) if backend_env else {})}
        return Process(name=name, argv=argv, env=env | self._env)

    def _flags(self, name: str, recipe: Recipe) -> dict[str, Any]:
        dummy = self._place.dummy_weights
        backend, load, called = recipe.engine.backend, recipe.load_from, recipe.client_name
        if backend == "vllm":
            return {"model": load, "served-model-name": called, **vllm_flags(recipe, dummy_weights=dummy)}
        if backend == "sglang":
            return {"model-path": load, "served-model-name": called, **sglang_flags(recipe, dummy_weights=dummy)}
        if backend == "trtllm":
            return {"model": load, "served-model-name": called, **self._trtllm_flags(name, recipe)}
        return {"model-path": load, "model-name": called, **limits_as_flags(recipe), **recipe.engine.flags}

    def _trtllm_flags(self, name: str, recipe: Recipe) -> dict[str, Any]:
        """Dynamo's worker spells trtllm-serve's flags with dashes, and its options file is another flag."""
        path = self._place.run_dir / f"trtllm-options-{name}.yaml"
        self.files[path] = options_text(trtllm_options(recipe, dummy_weights=self._place.dummy_weights))
        split = recipe.parallel
        flags: dict[str, Any] = {"tensor-parallel-size": split.tp}
        if split.pp > 1:
            flags["pipeline-parallel-size"] = split.pp
        if split.ep > 1:
            flags["expert-parallel-size"] = split.ep
        flags |= {name.replace("_", "-"): value for name, value in limits_as_flags(recipe).items()}
        if recipe.engine.reasoning_parser:
            flags["reasoning-parser"] = recipe.engine.reasoning_parser
        return {**flags, **recipe.engine.flags, "extra-engine-args": str(path)}


DYNAMO = Engine(
    name="dynamo",
    package="ai-dynamo",
    plan=_plan,
    # /health is 200 and says "healthy" while no worker lives; the model's name on /v1/models is what tells.
    readiness=Readiness(path="/v1/models"),
    milestones=milestones(
        (r"Starting HTTP\(S\)? service|HTTP service .*started|address=", "the frontend listens", 0.3),
        (r"added model|Model .* (added|registered)|Chat completions is ready", "a worker has come", 1.0),
    ),
    metrics=MetricsPage(
        running="dynamo_frontend_inflight_requests",
        waiting="dynamo_frontend_queued_requests",
        output_tokens="dynamo_frontend_output_tokens_total",
        ttft_seconds="dynamo_frontend_time_to_first_token_seconds",
        itl_seconds="dynamo_frontend_inter_token_latency_seconds",
    ),
    stopping=Stopping(grace_s=10.0),
    parts=(*VLLM_PARTS, *SGLANG_PARTS),  # of its workers
)
