"""How long things take in the simulated engine: by the step-time model, or fixed for tests of meters."""

from typing import Protocol

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.sim.scheduler import Step
from imaxproxy.sim.step import StepLoad, StepModel


class Pace(Protocol):
    """Prices a step. Knows no clock."""

    hold_ns: int
    """How long a request is under way before the scheduler sees it: HTTP, tokenizer, queues between processes."""

    def step_ns(self, step: Step) -> int:
        """Time the step takes."""


class ModelPace:
    """Steps take what the model says."""

    def __init__(self, model: StepModel) -> None:
        self._model = model
        self.hold_ns = round(model.constants.request_overhead_s * NS_PER_S)

    def step_ns(self, step: Step) -> int:
        """See `StepModel.step_s`."""
        load = StepLoad(
            decode_streams=len(step.decode),
            context_tokens=step.context_tokens / len(step.decode) if step.decode else 0.0,
            prefill_tokens=step.prefill_tokens,
            attended_tokens=step.attended_products / step.prefill_tokens if step.prefill_tokens else 0.0,
        )
        return round(self._model.step_s(load) * NS_PER_S)


class FixedPace:
    """Every step takes the same time, whatever it holds. Models no hardware: a known truth to test meters against.

    Alone, a request's first token comes exactly at ttft_ms; among others up to one step later, on their common grid.
    """

    def __init__(self, step_ms: float, ttft_ms: float) -> None:
        if step_ms <= 0 or ttft_ms < step_ms:
            raise UsageError(f"fixed step ({step_ms:g} ms) must be above 0 and fixed TTFT ({ttft_ms:g} ms) no less")
        self._step_ns = round(step_ms * NS_PER_MS)
        self.hold_ns = round(ttft_ms * NS_PER_MS) - self._step_ns

    def step_ns(self, _step: Step) -> int:
        """Always the same."""
        return self._step_ns
