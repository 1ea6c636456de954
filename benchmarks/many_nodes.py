"""64 nodes in virtual time:  .venv/bin/python -m benchmarks.many_nodes [--nodes 64] [--tokens-per-s 4000000]

Is a load that many machines receive stamped in time, and what do the nodes' start and Ray's control plane add? Nothing
here is a guess of a distribution: the streams are those of a simulated engine (one replica played in virtual time, its
steps and batches as they are; copies of it at other phases until the load is reached), dealt out by `Placement` as
`replay --ray` deals them. Each worker is then a single server that takes its events in the order in which they come,
`--event-us` each (docs/benchmarks.md), as the player's process does on its core: an event's stamp is late by what it
waited. Every `--poll-s` the node's actor takes `--poll-us` of the same core. Nodes start as far off as clock exchanges
left them, `--clock-error-ms`.

Needs no Ray and no second machine; the same seed gives the same figures.
"""

import argparse
import heapq
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from statistics import fmean

from imaxproxy.clock import NS_PER_MS, NS_PER_S, NS_PER_US
from imaxproxy.load import Placement, Rules, closed_loop
from imaxproxy.load.virtual import VirtualPlayer
from imaxproxy.load.virtual_request import RequestMaker
from imaxproxy.metrics import Exchange, Histogram
from imaxproxy.sim import assemble, parse_args
from imaxproxy.traces import Prompts, TraceRow

_ENGINE = ("--gpu", "b200", "--tp", "8")
_STREAMS, _REQUESTS, _INPUT_TOKENS, _OUTPUT_TOKENS = 256, 512, 1024, 1024


@dataclass(frozen=True)
class Replica:
    """One simulated engine over the stretch in which all its places are taken."""

    streams: list[list[int]]
    """Of each request, when its events came, ns from the stretch's begin."""
    duration_ns: int

    @property
    def tokens_per_s(self) -> float:
        return sum(map(len, self.streams)) / self.duration_ns * NS_PER_S


def replica() -> Replica:
    """Lengths of InferenceMAX v1's 1k/1k, a closed loop; the middle half second is kept."""
    rng, found = random.Random(0), list[Exchange]()
    rows = [
        TraceRow(str(n), input_length=rng.randint(819, _INPUT_TOKENS), output_length=rng.randint(819, _OUTPUT_TOKENS))
        for n in range(_REQUESTS)
    ]
    parts = assemble(parse_args([*_ENGINE, "--no-prefix-caching"]))
    maker = RequestMaker(parts.limits, 0, "completions", Prompts(0, "nodes"))
    VirtualPlayer(parts, maker, Rules(concurrency=_STREAMS), found.append, tracks=False).play(closed_loop(rows))
    last_ns = max(exchange.ended_ns for exchange in found)
    begin_ns, end_ns = last_ns // 2 - NS_PER_S // 4, last_ns // 2 + NS_PER_S // 4
    streams = [[at - begin_ns for at in each.timeline.times_ns if begin_ns <= at < end_ns] for each in found]
    return Replica([stream for stream in streams if stream], end_ns - begin_ns)


@dataclass(frozen=True)
class Field:
    """What the load is, and who receives it."""

    nodes: int
    workers_each: int
    tokens_per_s: float
    event_us: float
    poll_s: float
    poll_us: float
    clock_error_ms: float


@dataclass(frozen=True)
class Received:
    """What the workers made of it."""

    replicas: int
    tokens_per_s: float
    busy: list[float]
    """Share of its core of each worker."""
    late: Histogram
    """Of all stamps, in us."""
    start_apart_ms: float


def play(field: Field, one: Replica, seed: int) -> Received:
    """Every worker after the other: they share nothing."""
    rng = random.Random(seed)
    replicas = ceil(field.tokens_per_s / one.tokens_per_s)
    workers = field.nodes * field.workers_each
    placement = Placement(workers)
    phases_ns = [rng.randrange(one.duration_ns) for _ in range(replicas)]
    mine: list[list[tuple[int, int]]] = [[] for _ in range(workers)]  # (replica, stream)
    order = [(replica, stream) for stream in range(len(one.streams)) for replica in range(replicas)]
    for replica, stream in order:  # as a schedule has them: all replicas' requests in turn
        mine[placement.worker_of(TraceRow(f"{replica}-{stream}"))].append((replica, stream))
    starts_ms = [rng.uniform(-field.clock_error_ms, field.clock_error_ms) for _ in range(field.nodes)]
    late, busy = Histogram(), []
    for worker in range(workers):
        streams = [_turned(one.streams[s], phases_ns[r], one.duration_ns) for r, s in mine[worker]]
        busy.append(_receive(streams, field, one.duration_ns, late, rng))
    return Received(replicas, replicas * one.tokens_per_s, busy, late, max(starts_ms) - min(starts_ms))


def _turned(times_ns: Sequence[int], phase_ns: int, duration_ns: int) -> list[int]:
    """The same stream of a replica whose steps fall at other times."""
    return sorted((at + phase_ns) % duration_ns for at in times_ns)


def _receive(
    streams: Sequence[Sequence[int]], field: Field, duration_ns: int, late: Histogram, rng: random.Random
) -> float:
    """One worker's events, first come first served; its busy share. An event is stamped when its turn comes."""
    event_ns, poll_ns = round(field.event_us * NS_PER_US), round(field.poll_us * NS_PER_US)
    free_ns = busy_ns = 0
    waits_us: list[int] = []
    for at_ns, cost_ns, is_event in heapq.merge(
        ((at, event_ns, True) for at in heapq.merge(*streams)),
        ((at, poll_ns, False) for at in _polls(field, duration_ns, rng)),
    ):
        begin_ns = max(at_ns, free_ns)
        if is_event:
            waits_us.append((begin_ns - at_ns) // NS_PER_US)
        free_ns = begin_ns + cost_ns
        busy_ns += cost_ns
    late.record_values(waits_us)
    return busy_ns / duration_ns


def _polls(field: Field, duration_ns: int, rng: random.Random) -> Iterator[int]:
    at_ns = rng.randrange(round(field.poll_s * NS_PER_S))
    while at_ns < duration_ns:
        yield at_ns
        at_ns += round(field.poll_s * NS_PER_S)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many_nodes", description=__doc__)
    parser.add_argument("--nodes", type=int, default=64, help="(default: %(default)s)")
    parser.add_argument("--workers", default="1,2,4", help="on each node, one after the other (default: %(default)s)")
    parser.add_argument("--tokens-per-s", type=float, default=4e6, help="(default: %(default)s)")
    parser.add_argument("--event-us", type=float, default=7.0, help="CPU of an event (default: %(default)s)")
    parser.add_argument("--poll-s", type=float, default=0.25, help="(default: %(default)s)")
    parser.add_argument("--poll-us", type=float, default=400.0, help="CPU of a node's answer (default: %(default)s)")
    parser.add_argument("--clock-error-ms", type=float, default=0.5, help="of each node's start (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    one = replica()
    print(
        f"a replica: {one.tokens_per_s:,.0f} tokens/s of {_STREAMS} streams; {one.duration_ns / NS_PER_MS:.0f} ms of "
        f"virtual time; an event takes {options.event_us:g} us\n"
    )
    print("| nodes x workers | tokens/s | replicas | core %: mean, most | late ms: p50 / p99 / most | starts apart |")
    print("|---|---:|---:|---:|---:|---:|")
    for each in map(int, options.workers.split(",")):
        field = Field(
            options.nodes, each, options.tokens_per_s, options.event_us, options.poll_s, options.poll_us,
            options.clock_error_ms,
        )  # fmt: skip
        found = play(field, one, options.seed)
        late = found.late.stats()
        print(
            f"| {field.nodes} x {each} | {found.tokens_per_s:,.0f} | {found.replicas} | {fmean(found.busy):.0%} / "
            f"{max(found.busy):.0%} | {late['p50']:.2f} / {late['p99']:.2f} / {late['max']:.2f} | "
            f"{found.start_apart_ms:.2f} ms |"
        )


if __name__ == "__main__":
    main()
