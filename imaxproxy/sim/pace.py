"""How long things take in the simulated engine, and what they draw: by the models, or fixed for tests of meters."""

from typing import Protocol

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.sim.power import PowerModel
from imaxproxy.sim.scheduler import Step
from imaxproxy.sim.step import StepLoad, StepModel


class Pace(Protocol):
    """Prices a step. Knows no clock."""

    hold_ns: int
    """How long a request is under way before the scheduler sees it: HTTP, tokenizer, queues between processes."""
    hold_steps: float
    """And on top, so many of the engine's steps."""
    gpus: int
    """Boards of the engine; 0: none is modelled."""
    power: PowerModel | None
    """Of one board; None: no power is modelled."""

    def step_ns(self, step: Step, later: int = 0) -> float:
        """Time the step takes; `later`: as many steps like it on, when each decoding stream's context has grown."""

    def step_w(self, step: Step, step_ns: float, later: int = 0) -> float:
        """Watts of one board over the step, or over one like it that comes later."""


class ModelPace:
    """Steps take what the model says."""

    def __init__(self, model: StepModel) -> None:
        self._model = model
        self.hold_ns = round(model.constants.request_s * NS_PER_S)
        self.hold_steps = model.wait_steps
        self.gpus = model.deployment.gpus
        self.power: PowerModel | None = PowerModel(model.deployment.gpu)

    def step_ns(self, step: Step, later: int = 0) -> float:
        """See `StepModel.step_s`."""
        return self._model.step_s(_load(step, later)) * NS_PER_S

    def step_w(self, step: Step, step_ns: float, later: int = 0) -> float:
        """See `PowerModel.watts`."""
        assert self.power is not None
        return self.power.watts(self._model.use(_load(step, later), step_ns / NS_PER_S))


class FixedPace:
    """Every step takes the same time, whatever it holds. Models no hardware: a known truth to test meters against.

    Alone, a request's first token comes exactly at ttft_ms; among others up to one step later, on their common grid.
    """

    hold_steps = 0.0
    gpus = 0
    power: PowerModel | None = None

    def __init__(self, step_ms: float, ttft_ms: float) -> None:
        if step_ms <= 0 or ttft_ms < step_ms:
            raise UsageError(f"fixed step ({step_ms:g} ms) must be above 0 and fixed TTFT ({ttft_ms:g} ms) no less")
        self._step_ns = round(step_ms * NS_PER_MS)
        self.hold_ns = round(ttft_ms * NS_PER_MS) - self._step_ns

    def step_ns(self, _step: Step, _later: int = 0) -> float:
        """Always the same."""
        return self._step_ns

    def step_w(self, _step: Step, _step_ns: float, _later: int = 0) -> float:
        """Nothing is modelled."""
        return 0.0


def _load(step: Step, later: int) -> StepLoad:
    return StepLoad(
        decode_streams=len(step.decode),
        context_tokens=step.context_tokens / len(step.decode) + later if step.decode else 0.0,
        prefill_tokens=step.prefill_tokens,
        attended_tokens=step.attended_products / step.prefill_tokens if step.prefill_tokens else 0.0,
    )


class ScaledPace:
    """Another pace, so many times faster: live, in less time than it would take. Watts stay what they are."""

    def __init__(self, pace: Pace, times: float) -> None:
        self._pace, self._times = pace, times
        self.hold_ns = round(pace.hold_ns / times)
        self.hold_steps, self.gpus, self.power = pace.hold_steps, pace.gpus, pace.power

    def step_ns(self, step: Step, later: int = 0) -> float:
        """Shorter."""
        return self._pace.step_ns(step, later) / self._times

    def step_w(self, step: Step, step_ns: float, later: int = 0) -> float:
        """As in the step's own time."""
        return self._pace.step_w(step, step_ns * self._times, later)
