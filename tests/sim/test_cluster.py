from imaxproxy.clock import NS_PER_MS, VirtualClock
from imaxproxy.sim import BlockPool, Engine, FixedPace, Scheduler, Stream
from imaxproxy.sim.cluster import Cluster


class Bell:
    """Keeps what it was set to; the test rings."""

    due_ns: int | None = None

    def set(self, due_ns: int) -> None:
        self.due_ns = due_ns

    def clear(self) -> None:
        self.due_ns = None


def engines(clock: VirtualClock, count: int) -> list[Engine]:
    made = []
    for _ in range(count):
        engine = Engine(Scheduler(BlockPool(1000, 16), 8, 512), FixedPace(step_ms=5, ttft_ms=20), clock)
        engine.timer = Bell()
        made.append(engine)
    return made


def run(clock: VirtualClock, cluster: Cluster) -> None:
    """Ring bells in the order of their times until none is left."""
    while True:
        due = [engine for engine in cluster.all_engines if engine.timer.due_ns is not None]  # type: ignore[attr-defined]
        if not due:
            return
        engine = min(due, key=lambda one: one.timer.due_ns)  # type: ignore[attr-defined]
        due_ns, engine.timer.due_ns = engine.timer.due_ns, None  # type: ignore[attr-defined]
        clock.advance(max(0, due_ns - clock()))
        engine.ring()


def test_a_stream_goes_where_the_fewest_are() -> None:
    clock = VirtualClock()
    cluster = Cluster(engines(clock, 3))
    for _ in range(7):
        cluster.submit(Stream(10, 5), clock())
    assert sorted(engine.load for engine in cluster.engines) == [2, 2, 3]
    assert "7 streams" in repr(cluster)
    assert cluster.state()["arriving"] == 7


def test_a_prompt_that_ends_with_the_step_under_way_still_counts_as_load() -> None:
    clock = VirtualClock()
    first, second = engines(clock, 2)
    cluster = Cluster([first, second])
    cluster.submit(Stream(10, 5), clock())
    clock.advance(15 * NS_PER_MS)
    first.ring()
    assert (first.load, first.state()["in_prefill"]) == (1, 1)
    cluster.submit(Stream(10, 5), clock())
    assert second.load == 1


def test_a_read_prompt_is_handed_on_once_its_kv_has_travelled() -> None:
    clock = VirtualClock()
    reader, decoder = engines(clock, 2)
    cluster = Cluster([decoder], [reader], transfer_ns_per_token=NS_PER_MS)
    times_ms: list[float] = []
    stream = Stream(10, 3, on_tokens=lambda at_ns, tokens: times_ms.extend([at_ns / NS_PER_MS] * tokens))
    cluster.submit(stream, clock())
    run(clock, cluster)
    assert times_ms == [30, 35, 40]  # read at 20, 10 tokens travel for 10 ms, and then a step each
    cluster.cancel(stream)
    assert cluster.is_idle
    assert (reader.scheduler.pool.used_blocks, decoder.scheduler.pool.used_blocks) == (0, 0)


def test_an_answer_of_one_token_needs_no_second_worker() -> None:
    clock = VirtualClock()
    reader, decoder = engines(clock, 2)
    cluster = Cluster([decoder], [reader])
    times_ms: list[float] = []
    cluster.submit(Stream(10, 1, on_tokens=lambda at_ns, _tokens: times_ms.append(at_ns / NS_PER_MS)), clock())
    run(clock, cluster)
    assert (times_ms, decoder.steps) == ([20], 0)


def test_who_leaves_while_read_is_handed_to_nobody() -> None:
    clock = VirtualClock()
    reader, decoder = engines(clock, 2)
    cluster = Cluster([decoder], [reader])
    stream = Stream(10, 3)
    cluster.submit(stream, clock())
    cluster.cancel_all()
    run(clock, cluster)
    assert (decoder.load, reader.load, decoder.steps) == (0, 0, 0)
