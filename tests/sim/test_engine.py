import pytest

from imaxproxy.clock import NS_PER_MS, VirtualClock
from imaxproxy.economics import load_gpu
from imaxproxy.errors import UsageError
from imaxproxy.sim import (
    BlockPool,
    Deployment,
    Engine,
    FixedPace,
    ModelPace,
    Pace,
    Scheduler,
    StepModel,
    Stream,
    load_architecture,
    steady_state,
)
from imaxproxy.sim.engine import MOST_BEHIND_NS


class VirtualTimer:
    """Rings when told to run."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._due_ns: int | None = None

    def set(self, due_ns: int) -> None:
        self._due_ns = due_ns

    def clear(self) -> None:
        self._due_ns = None

    def run(self, engine: Engine, late_ns: int = 0) -> None:
        """Ring until nothing is due."""
        while self._due_ns is not None:
            due_ns, self._due_ns = self._due_ns, None
            self._clock.advance(max(0, due_ns - self._clock()) + late_ns)
            engine.ring()


def virtual_engine(pace: Pace, kv_tokens: int = 1 << 30) -> tuple[Engine, VirtualClock, VirtualTimer]:
    clock = VirtualClock(NS_PER_MS)
    engine = Engine(Scheduler(BlockPool(kv_tokens // 16, 16), 256, 8192), pace, clock)
    engine.timer = timer = VirtualTimer(clock)
    return engine, clock, timer


def test_a_fixed_pace_gives_exactly_what_it_says() -> None:
    engine, clock, timer = virtual_engine(FixedPace(step_ms=5, ttft_ms=20))
    times_ns: list[int] = []
    engine.submit(Stream(3, 4, on_tokens=lambda at_ns, _tokens: times_ns.append(at_ns)), clock())
    timer.run(engine)
    assert [time_ns / NS_PER_MS for time_ns in times_ns] == [21, 26, 31, 36]
    assert engine.is_idle


def test_lateness_does_not_add_up() -> None:
    engine, clock, timer = virtual_engine(FixedPace(step_ms=5, ttft_ms=5))
    times_ns: list[int] = []
    engine.submit(Stream(3, 100, on_tokens=lambda at_ns, _tokens: times_ns.append(at_ns)), clock())
    timer.run(engine, late_ns=3 * NS_PER_MS)
    assert times_ns[-1] - times_ns[0] == 99 * 5 * NS_PER_MS
    assert engine.slips == 0


def test_too_late_is_a_slip_and_counted() -> None:
    engine, clock, timer = virtual_engine(FixedPace(step_ms=5, ttft_ms=5))
    engine.submit(Stream(3, 3), clock())
    timer.run(engine, late_ns=2 * MOST_BEHIND_NS)
    assert engine.slips > 0
    assert engine.state()["slips"] == engine.slips


def test_a_cancelled_stream_gets_no_more() -> None:
    engine, clock, timer = virtual_engine(FixedPace(step_ms=5, ttft_ms=20))
    times_ns: list[int] = []
    early, late = (
        Stream(3, 4, on_tokens=lambda at_ns, _tokens: times_ns.append(at_ns)),
        Stream(3, 4, on_tokens=lambda at_ns, _tokens: times_ns.append(at_ns)),
    )
    engine.submit(early, clock())
    engine.cancel(early)  # before the scheduler saw it
    engine.submit(late, clock())
    late.on_scheduled = lambda _start_ns: engine.cancel(late)  # in mid-step
    timer.run(engine)
    assert times_ns == []
    assert engine.is_idle


@pytest.mark.parametrize(("step_ms", "ttft_ms"), [(0.0, 20.0), (5.0, 4.0)])
def test_a_fixed_pace_is_possible(step_ms: float, ttft_ms: float) -> None:
    with pytest.raises(UsageError):
        FixedPace(step_ms, ttft_ms)


def closed_loop_tpot_s(model: StepModel, concurrency: int, input_tokens: int, output_tokens: int) -> float:
    """Mean TPOT of three requests after another on each of `concurrency` lanes, in virtual time."""
    engine, clock, timer = virtual_engine(ModelPace(model), model.kv_capacity_tokens())
    tpots_s: list[float] = []

    def send(left: int) -> None:
        times_ns: list[int] = []

        def token(time_ns: int, _tokens: int) -> None:
            times_ns.append(time_ns)
            if len(times_ns) == output_tokens:
                tpots_s.append((times_ns[-1] - times_ns[0]) / 1e9 / (output_tokens - 1))
                if left > 1:
                    send(left - 1)

        engine.submit(Stream(input_tokens, output_tokens, on_tokens=token), clock())

    for _ in range(concurrency):
        send(3)
    timer.run(engine)
    assert len(tpots_s) == 3 * concurrency
    return sum(tpots_s) / len(tpots_s)


@pytest.mark.parametrize(("concurrency", "input_tokens"), [(4, 1024), (32, 1024), (16, 8192)])
def test_the_engine_in_virtual_time_agrees_with_the_closed_form(concurrency: int, input_tokens: int) -> None:
    model = StepModel(Deployment(load_architecture("gpt-oss-120b"), load_gpu("b200"), "vllm", "fp4"))
    closed = steady_state(model, concurrency, input_tokens, 256).tpot_s
    assert closed_loop_tpot_s(model, concurrency, input_tokens, 256) == pytest.approx(closed, rel=0.2)
