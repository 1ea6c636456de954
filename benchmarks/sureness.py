"""What "surely met" and "surely missed" of a search are worth: runs of a queue whose true limit is known.

    python -m benchmarks.sureness

c servers with a constant service time and Poisson arrivals, the SLO on the wait. The limit is found in long runs; then
short ones below, at and above it are judged as `imaxproxy search` judges a probe, and beside it as if requests were
independent.
"""

import argparse
import heapq
import random
from collections import Counter
from collections.abc import Iterator

from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Window, wilson
from imaxproxy.metrics.batches import Batches
from imaxproxy.metrics.interval import wilson_of_share

SERVERS, CAPACITY_PER_S, NEEDED_SHARE = 8, 21.4, 0.99
RUN_S, WARMUP_SHARE, RUNS = 60.0, 0.2, 400
LONG_S = 40_000.0
Interval = tuple[float, float]


def waits(rate: float, duration_s: float, chance: random.Random) -> Iterator[tuple[float, float]]:
    """(arrival, wait) of each request, s."""
    free_at_s, now_s = [0.0] * SERVERS, 0.0
    while (now_s := now_s + chance.expovariate(rate)) < duration_s:
        begins_s = max(now_s, free_at_s[0])
        heapq.heapreplace(free_at_s, begins_s + SERVERS / CAPACITY_PER_S)
        yield now_s, begins_s - now_s


def true_limit(wait_s: float, chance: random.Random) -> float:
    """The rate at which just the needed share waits less."""
    low, high = 1.0, CAPACITY_PER_S
    for _ in range(14):
        middle = (low + high) / 2
        hits = [wait < wait_s for _, wait in waits(middle, LONG_S, chance)]
        low, high = (middle, high) if sum(hits) >= NEEDED_SHARE * len(hits) else (low, middle)
    return (low + high) / 2


def intervals(rate: float, wait_s: float, chance: random.Random) -> tuple[Interval, Interval]:
    """One run's: as it is counted in a summary, and of as many independent requests."""
    batches = Batches(Window(0, int(RUN_S * NS_PER_S)))
    hits = trials = 0
    for at_s, wait in waits(rate, RUN_S, chance):
        if at_s >= WARMUP_SHARE * RUN_S:
            batches.add(int(at_s * NS_PER_S), hit=wait < wait_s)
            hits, trials = hits + (wait < wait_s), trials + 1
    return wilson_of_share(hits / trials, batches.effective_trials()), wilson(hits, trials)


def side(interval: Interval) -> str:
    low, high = interval
    return "met" if low >= NEEDED_SHARE else "missed" if high < NEEDED_SHARE else "unsure"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--waits", type=float, nargs="+", default=[0.2, 1.0], help="limits of the SLO, s")
    chance = random.Random(1)
    print("| SLO: wait | rate, of the true limit | surely met, surely missed | if requests were independent |")
    print("|---|---:|---:|---:|")
    for wait_s in arguments.parse_args().waits:
        limit = true_limit(wait_s, chance)
        for part in (0.9, 0.95, 1.0, 1.05):
            pairs = [intervals(part * limit, wait_s, chance) for _ in range(RUNS)]
            print(f"| < {wait_s:g} s | {part:g} | {shares(pairs, 0)} | {shares(pairs, 1)} |")


def shares(pairs: list[tuple[Interval, Interval]], which: int) -> str:
    sides = Counter(side(pair[which]) for pair in pairs)
    return f"{sides['met'] / len(pairs):.1%}, {sides['missed'] / len(pairs):.1%}"


if __name__ == "__main__":
    main()
