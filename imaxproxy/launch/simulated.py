"""A recipe's simulated engine as a child process: start, wait until ready, stop; it never outlives its parent."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from imaxproxy.errors import UsageError
from imaxproxy.launch.limits import stated_limits
from imaxproxy.launch.prefill import prefill_recipe
from imaxproxy.launch.process import EngineError
from imaxproxy.launch.recipe import NO_HARDWARE, Recipe

READY_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
_TAIL_LINES = 20

MODELLED_ENGINES = ("vllm", "sglang", "trtllm")
_LIMITS = {
    "max_num_seqs": "--max-num-seqs",
    "max_num_batched_tokens": "--max-num-batched-tokens",
    "memory_fraction": "--gpu-memory-utilization",
    "block_size": "--block-size",
    "max_model_len": "--context-tokens",
    "stream_interval": "--tokens-per-event",
}
"""A recipe's limit and the simulator's flag for it. What else an engine is told does not change a prediction."""


def simulated_argv(recipe: Recipe, *, host: str = "127.0.0.1", port: int = 0, truth: Path | None = None) -> list[str]:
    """The arguments of `python -m imaxproxy.sim` for a recipe. Raises UsageError for what cannot be simulated."""
    if recipe.parallel.pp > 1:
        raise UsageError(f"recipe {recipe.name}: pipeline parallelism is not simulated; pp must be 1")
    if recipe.gpu.kind in NO_HARDWARE and not recipe.simulate.fixed_step_ms:
        raise UsageError(f"recipe {recipe.name}: a {recipe.gpu.kind} is not modelled; give simulate.fixed_step_ms")
    return [
        *("--host", host, "--port", str(port), "--recipe", recipe.name, "--model", recipe.model),
        *(_fixed_argv(recipe) if recipe.gpu.kind in NO_HARDWARE else _hardware_argv(recipe)),
        *(("--replicas", str(recipe.parallel.dp)) if recipe.parallel.dp > 1 else ()),
        *_speculation_argv(recipe),
        *_disaggregated_argv(recipe),
        *_limit_argv(recipe),
        *(("--truth", str(truth)) if truth else ()),
        "--stop-with-parent",
    ]


def _fixed_argv(recipe: Recipe) -> list[str]:
    argv = ["--fixed-step-ms", str(recipe.simulate.fixed_step_ms)]
    if recipe.simulate.fixed_ttft_ms is not None:
        argv += ["--fixed-ttft-ms", str(recipe.simulate.fixed_ttft_ms)]
    return argv


def _hardware_argv(recipe: Recipe) -> list[str]:
    split = recipe.parallel
    return [
        *("--gpu", recipe.gpu.kind, "--precision", recipe.precision, "--engine", _modelled_engine(recipe)),
        *("--tp", str(split.tp), "--ep", str(split.ep), "--vintage", str(recipe.simulate.vintage)),
        *(("--dp-attention",) if split.dp_attention else ()),
        *_batch_wait_argv(recipe),
        *(_fixed_argv(recipe) if recipe.simulate.fixed_step_ms else ()),
    ]


def _batch_wait_argv(recipe: Recipe) -> list[str]:
    """TensorRT-LLM's option that lets a prompt wait for others."""
    steps = recipe.engine.options.get("batch_wait_timeout_iters")
    return ["--batch-wait-steps", str(steps)] if isinstance(steps, int) and steps > 0 else []


def _modelled_engine(recipe: Recipe) -> str:
    """The engine whose overhead is modelled; Dynamo's is its workers'."""
    name = recipe.engine.backend or recipe.engine.name
    if name not in MODELLED_ENGINES:
        known = ", ".join(MODELLED_ENGINES)
        raise UsageError(f"recipe {recipe.name}: {name} on a GPU is not modelled, only {known}")
    return name


def _speculation_argv(recipe: Recipe) -> list[str]:
    chosen = recipe.speculation
    if chosen is None:
        return []
    if chosen.acceptance_length is None and not chosen.acceptance:
        says = "a simulation must be told how often drafts are accepted: acceptance_length or acceptance"
        raise UsageError(f"recipe {recipe.name}: speculation: {says}")
    if chosen.acceptance:
        return ["--acceptance", ",".join(map(str, chosen.acceptance))]
    return ["--draft-tokens", str(chosen.draft_tokens), "--acceptance-length", str(chosen.acceptance_length)]


def _disaggregated_argv(recipe: Recipe) -> list[str]:
    apart = recipe.disaggregated
    if apart is None:
        return []
    argv = ["--prefill-workers", str(apart.prefill_workers), "--decode-workers", str(apart.decode_workers)]
    argv += ["--prefill-tp", str(apart.prefill_tp), "--prefill-ep", str(apart.prefill_ep)]
    if apart.prefill_dp_attention:
        argv.append("--prefill-dp-attention")
    if apart.kv_transfer_gb_per_s is not None:
        argv += ["--kv-transfer-gb-per-s", str(apart.kv_transfer_gb_per_s)]
    return argv


def _limit_argv(recipe: Recipe) -> list[str]:
    limits, argv = stated_limits(recipe), []
    for limit, ours in _LIMITS.items():
        value = getattr(limits, limit)
        if limit == "max_num_batched_tokens" and recipe.disaggregated:  # the workers that read prompts have the chunks
            value = _of_all_ranks(prefill_recipe(recipe), limit)
        elif limit in ("max_num_seqs", "max_num_batched_tokens"):
            value = _of_all_ranks(recipe, limit)
        if value is not None:
            argv += [ours, str(value)]
    cache = str(limits.kv_cache_dtype or "auto")
    if cache != "auto":  # fp8, fp8_e4m3, fp8_e5m2; bf16, bfloat16, float16
        argv += ["--kv-precision", "fp8" if cache.startswith("fp8") else "bf16"]
    return [*argv, "--no-prefix-caching" if limits.prefix_caching is False else "--prefix-caching"]


def _of_all_ranks(recipe: Recipe, limit: str) -> int | None:
    """vLLM and TensorRT-LLM bound each rank of DP attention, SGLang and the simulator the whole engine."""
    value: int | None = getattr(stated_limits(recipe), limit)
    if value is None or not recipe.parallel.dp_attention or "sglang" in (recipe.engine.name, recipe.engine.backend):
        return value
    return value * recipe.parallel.tp


class SimulatedEngine:
    """Runs one simulated engine.

        async with SimulatedEngine(recipe, out_dir=run_dir) as engine:
            ...  # engine.base_url, what an OpenAI client takes

    out_dir gets engine.log and engine-truth.jsonl; without one the log has no name, so that nobody's death leaves it
    behind, and no truth is kept.
    `extra_argv` goes to `python -m imaxproxy.sim` as it is.
    """

    def __init__(
        self,
        recipe: Recipe,
        *,
        out_dir: Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        extra_argv: Sequence[str] = (),
        ready_timeout_s: float = READY_TIMEOUT_S,
    ) -> None:
        self.recipe = recipe
        self.truth_path = out_dir / "engine-truth.jsonl" if out_dir else None
        self.log_path = out_dir / "engine.log" if out_dir else None
        self._log: IO[bytes] | None = None
        self._argv = [*simulated_argv(recipe, host=host, port=port, truth=self.truth_path), *extra_argv]
        self._ready_timeout_s = ready_timeout_s
        self._process: asyncio.subprocess.Process | None = None
        self._ready: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<SimulatedEngine {self.recipe.name} {self.url if self._ready else 'not started'}>"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """The server's root. Raises RuntimeError before the engine is ready."""
        if not self._ready:
            raise RuntimeError("the engine is not started")
        host = self._ready["host"]
        return f"http://{f'[{host}]' if ':' in host else host}:{self._ready['port']}"

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes: the root and /v1."""
        return f"{self.url}/v1"

    @property
    def pid(self) -> int | None:
        """The child's process id, None when there is none."""
        return self._process.pid if self._process else None

    def describe(self) -> dict[str, Any]:
        """What is simulated, as the engine itself says: see `GET /imax/engine`."""
        return dict(self._ready["engine"]) if self._ready else {"simulated": True, "recipe": self.recipe.name}

    async def start(self) -> None:
        """Start the child and wait until it listens. Raises UsageError for bad flags, else EngineError with its log."""
        if self._process is not None:
            raise RuntimeError("the engine is started already")
        self._log = self._open_log()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-P", "-m", "imaxproxy.sim", *self._argv),  # -P: no module of the working directory is ours
            stdin=asyncio.subprocess.PIPE,  # never written to: its end tells the child that we are gone
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
            start_new_session=True,  # Ctrl-C in a terminal is for the command: streams in flight may still end
        )
        try:
            await self._wait_ready(self._process)
        except BaseException:  # also a cancel: raised again when the child is gone
            await self.stop()
            raise

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL if it does not end. No harm when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            process.kill()
            await process.wait()
        if process.stdin is not None:
            process.stdin.close()
        if self._log is not None:
            self._log.close()
            self._log = None

    async def _wait_ready(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            line = await asyncio.wait_for(process.stdout.readline(), self._ready_timeout_s)
        except TimeoutError:
            raise EngineError(self._failure(f"was not ready after {self._ready_timeout_s:g} s")) from None
        if line:
            self._ready = json.loads(line)
            return
        code = await process.wait()
        if code == UsageError.exit_code:
            raise UsageError(self._failure("cannot start"))
        raise EngineError(self._failure(f"ended with code {code} before it was ready"))

    def _failure(self, what: str) -> str:
        return f"the simulated engine of recipe {self.recipe.name} {what}: {self._log_tail()}"

    def _log_tail(self) -> str:
        if self._log is None:
            return "it said nothing"
        self._log.seek(0)
        text = self._log.read().decode("utf-8", errors="replace")
        return "\n".join(text.splitlines()[-_TAIL_LINES:]) or "it said nothing"

    def _open_log(self) -> IO[bytes]:
        """Read here, and appended to by the engine: where this is read to is not where that writes."""
        if self.log_path is None:
            return tempfile.TemporaryFile("a+b")
        self.log_path.parent.mkdir(parents=True, exist_ok=True)
        self.log_path.unlink(missing_ok=True)
        return self.log_path.open("a+b")
