"""One engine on the nodes that it spans, started as one: all parts come up, or what kept them from it is said."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.cluster import Node, Offset, is_gone
from imaxproxy.cluster.asking import ask_all
from imaxproxy.conduct.nodes.engine import PartFailed, PartUp
from imaxproxy.errors import UsageError

EVERY_S = 0.25
_OTHERS_S = 1.5
"""From the first death that was heard until it is told: its kin die of it, and the cause is whoever died first."""
_ANSWER_S = 10.0
LOST = PartFailed("its node was lost")


@dataclass(slots=True)
class Part:
    """One node's part of an engine; all of it where that spans one node."""

    replica: int
    rank: int
    parts: int
    """Of the engine."""
    node: Node
    actor: Any
    offset: Offset
    up: PartUp | None = None
    failed: PartFailed | None = None
    asked: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Before the names of its files."""
        return f"replica-{self.replica}" if self.parts == 1 else f"replica-{self.replica}.node-{self.rank}"

    def __str__(self) -> str:
        of = "" if self.parts == 1 else f" (node {self.rank} of {self.parts})"
        return f"the engine on node {self.node.name}{of}"

    @property
    def died_ns(self) -> float:
        """By the command's clock; endless where it lives. A node that was lost died before all that died of it."""
        if self.failed is LOST:
            return float("-inf")
        if self.failed is None or self.failed.died_ns is None:
            return float("inf")
        return self.failed.died_ns - self.offset.offset_ns


def bring_up(ray: Any, parts: Sequence[Part], orders: Iterable[Any]) -> None:  # noqa: ANN401 (the library)
    """Start all parts of all engines at once, and have them watched and measured once all serve.

    Raises UsageError that names the node for the first that fails; the others are then given up.
    """
    waiting = {part.actor.start.remote(order): part for part, order in zip(parts, orders, strict=True)}
    while waiting:
        done, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=EVERY_S)
        for reference in done:
            part = waiting.pop(reference)
            found = _got(ray, reference)
            if isinstance(found, PartFailed):
                part.failed = found
            else:
                part.up = found
        hear_deaths(ray, [part for part in parts if part.up is not None and part.parts > 1])
        if any(part.failed for part in parts):
            raise UsageError(_why(ray, parts))
    for part, found in zip(parts, [part.actor.watch.remote() for part in parts], strict=True):
        part.failed = _got(ray, found)
    if failed := next((part for part in parts if part.failed), None):
        raise UsageError(f"{failed} cannot be measured: {failed.failed and failed.failed.says}")


def hear_deaths(ray: Any, parts: Sequence[Part]) -> bool:  # noqa: ANN401
    """Ask, without waiting, who has died; True when one has."""
    for part in parts:
        if part.asked is None and part.failed is None:
            part.asked = part.actor.death.remote()
    asked = [part.asked for part in parts if part.asked is not None]
    done = ray.wait(asked, num_returns=len(asked), timeout=0)[0] if asked else []
    for part in parts:
        if part.asked in done:
            reference, part.asked = part.asked, None
            part.failed = _got(ray, reference)
    return any(part.failed for part in parts)


def first_death(ray: Any, parts: Sequence[Part]) -> Part:  # noqa: ANN401
    """The cause, once one has failed: who died of another's death is heard of first as often as not."""
    failed = next(part for part in parts if part.failed)
    kin = [part for part in parts if part.replica == failed.replica]
    until_s = time.monotonic() + _OTHERS_S
    while len(kin) > 1 and not all(part.failed for part in kin) and (left_s := until_s - time.monotonic()) > 0:
        hear_deaths(ray, kin)
        time.sleep(min(left_s, 0.05))
    return min((part for part in kin if part.failed), key=lambda part: part.died_ns)


def _why(ray: Any, parts: Sequence[Part]) -> str:  # noqa: ANN401
    """What is said of a start that failed: the cause, and the parts that have not come as far as the others."""
    cause = first_death(ray, parts)
    assert cause.failed is not None
    says = f"{cause} did not come up: {cause.failed.says}"
    others = [part for part in parts if part.replica == cause.replica and part is not cause and not part.failed]
    late = list(_late(ray, [cause, *others])) if others and cause.failed.died_ns is None else []
    return "; ".join([says, *(f"{part} has come no further than: {at}" for part, at in late)])


def _late(ray: Any, parts: Sequence[Part]) -> Iterator[tuple[Part, str]]:  # noqa: ANN401
    """Those least far, where not all are as far: the others wait for them."""
    answers = ask_all(ray, [part.actor.stands.remote() for part in parts], _ANSWER_S)
    told = [(part, *answer) for part, answer in zip(parts, answers, strict=True) if isinstance(answer, tuple)]
    least = min((share for _, share, _ in told), default=0.0)
    if any(share > least for _, share, _ in told):
        yield from ((part, says) for part, share, says in told if share == least)


def _got(ray: Any, reference: Any) -> Any:  # noqa: ANN401
    """The actor's answer; of one that is gone, that it is. A bug of its own is raised."""
    try:
        return ray.get(reference)
    except Exception as error:
        if not is_gone(error):
            raise
        return LOST
