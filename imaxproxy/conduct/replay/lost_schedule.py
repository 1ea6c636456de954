"""How much of a schedule went with lost workers, counted by drawing it again."""

from collections.abc import Collection

from imaxproxy.clock import NS_PER_S
from imaxproxy.conduct.replay.parts import PartMaker
from imaxproxy.load import Placement
from imaxproxy.runs import RunDirectory
from imaxproxy.runs.shares import Loss
from imaxproxy.runs.shift import rows_of


def loss_of(
    maker: PartMaker, workers: Collection[int], of: int, run: RunDirectory, who: str, limit_share: float
) -> Loss | None:
    """What `workers`, of `of` in all, did not play of it or left no journal of; None when none was lost.

    By requests, where the schedule has an end that is known; an endless one, or one that waits for answers until a
    --duration, by workers.
    """
    if not workers:
        return None
    named = tuple(sorted(workers))
    counted = _requests(maker, frozenset(workers), of, run)
    if counted is None:
        return Loss(len(named) / of, "workers", named, who, limit_share)
    lost, planned = counted
    return Loss(lost / planned if planned else 0.0, "requests", named, who, limit_share, lost)


def _requests(maker: PartMaker, workers: frozenset[int], of: int, run: RunDirectory) -> tuple[int, int] | None:
    """How many of how many; None for a schedule without a known end."""
    load = maker.load
    if load.loop or load.lanes is not None:
        return None
    end_ns = None if load.duration_s is None else round(load.duration_s * NS_PER_S)
    kept = {str(row["request_id"]) for worker in workers for row in rows_of(run.journal(worker))}
    placement, lost, planned = Placement(of), 0, 0
    for offset_ns, row in load.scheduled(maker.trace.rows(), maker.idle_cap()):
        if end_ns is not None:
            if offset_ns is None:
                return None
            if offset_ns > end_ns:
                break
        planned += 1
        lost += placement.worker_of(row) in workers and row.request_id not in kept
    return lost, planned
