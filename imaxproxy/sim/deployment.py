"""What is simulated: a model at a precision, on GPUs, split in some way, run by an engine."""

from dataclasses import dataclass

from imaxproxy.economics import Gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim.architecture import Architecture
from imaxproxy.sim.constants import calibrated_range
from imaxproxy.sim.speculation import NO_SPECULATION, Speculation

WEIGHT_BYTES = {"bf16": 2.0, "fp8": 1.0, "fp4": 0.5625, "mxfp4": 0.53125}
"""Bytes of a weight, block scales included (NVFP4 4.5 bit, MXFP4 4.25 bit)."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One engine instance. Checked when built: raises UsageError for what cannot run."""

    architecture: Architecture
    gpu: Gpu
    engine: str
    precision: str
    tp: int = 1
    ep: int = 1
    dp_attention: bool = False
    vintage: float = 1.0
    """Software's age: multiplies fixed overheads. 1.2 = autumn 2025, 1.0 = February 2026, 0.73 = spring 2026."""
    speculation: Speculation = NO_SPECULATION
    kv_precision: str | None = None
    """bf16 or fp8; None: what InferenceX's recipes choose, see `kv_bytes_per_value`."""
    batch_wait_steps: float = 0.0
    """Steps that the engine waits for more requests before it reads a prompt (TRT-LLM's batch_wait_timeout_iters)."""

    def __post_init__(self) -> None:
        if self.tp < 1 or self.ep < 1 or self.tp % self.ep:
            raise UsageError(f"ep must divide tp, got tp {self.tp} and ep {self.ep}")
        if self.ep > 1 and not self.architecture.experts:
            raise UsageError(f"{self.architecture.name} has no experts: ep must be 1, not {self.ep}")
        self._check_heads()
        if self.tp > self.gpu.nvlink_domain_gpus:
            raise UsageError(
                f"tp {self.tp} spans more than one NVLink domain of {self.gpu.nvlink_domain_gpus} {self.gpu.name}; "
                "the model has no term for other networks"
            )
        if self.vintage <= 0:
            raise UsageError(f"vintage must be above 0, not {self.vintage:g}")
        if self.precision not in ("bf16", "fp8", "fp4"):
            raise UsageError(f"unknown precision {self.precision!r}; known: bf16, fp8, fp4")
        if self.expert_precision not in self.gpu.flops_per_s and self.expert_precision != "mxfp4":
            raise UsageError(f"{self.gpu.name} has no {self.precision} arithmetic")
        if self.kv_precision not in (None, "bf16", "fp8"):
            raise UsageError(f"unknown KV precision {self.kv_precision!r}; known: bf16, fp8")

    def _check_heads(self) -> None:
        heads = self.architecture.query_heads
        if not self.dp_attention and heads % self.tp:
            raise UsageError(
                f"tp {self.tp} does not divide the {heads} attention heads of {self.architecture.name}: "
                f"{heads} / {self.tp} = {heads / self.tp:.2f} a GPU"
            )

    @property
    def gpus(self) -> int:
        """GPUs of the instance; expert and attention-data parallelism share them."""
        return self.tp

    @property
    def expert_precision(self) -> str:
        """Precision of the experts' weights: a checkpoint's own where it ships quantised."""
        return self.architecture.native_precision or self.precision

    @property
    def dense_precision(self) -> str:
        """Precision of attention and dense weights: gpt-oss keeps BF16, FP4 checkpoints of MLA models keep FP8."""
        if self.architecture.native_precision:
            return "bf16"
        if self.architecture.is_mla and self.precision == "fp4":
            return "fp8"
        return self.precision

    @property
    def kv_bytes_per_value(self) -> float:
        """FP8 as InferenceX's recipes have it; BF16 for BF16 checkpoints, gpt-oss on Hopper, and SGLang on Hopper."""
        if self.kv_precision is not None:
            return 1.0 if self.kv_precision == "fp8" else 2.0
        is_hopper = self.gpu.architecture == "hopper"
        if self.architecture.native_precision or self.engine == "sglang":
            return 2.0 if is_hopper or self.precision == "bf16" else 1.0
        return 2.0 if self.precision == "bf16" else 1.0

    def in_calibrated_range(self) -> bool:
        """Whether the fit saw such a deployment (its load is another question)."""
        seen = calibrated_range()
        return (
            self.architecture.name in seen.architectures
            and self.gpu.kind in seen.gpus
            and self.engine in seen.engines
            and self.gpus <= seen.max_gpus
            and not self.speculation.draft_tokens
        )
