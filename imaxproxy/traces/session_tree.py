"""Which rows belong together: a session with its sub-agents and whatever waits for it is one tree."""

import hashlib
from collections.abc import Iterable, Iterator

from imaxproxy.errors import UsageError
from imaxproxy.traces.row import TraceRow

REMEMBERED_TREES = 200_000
"""Requests without a session, and trees that a pass keeps in mind, at most: a trace may have many millions."""


class SessionTrees:
    """Names the tree of each row; rows must come in file order, parents before their children.

    The root is the outermost session. A row without a session belongs to the tree of what it waits for, or is a tree
    of its own.
    """

    def __init__(self) -> None:
        self._of_session: dict[str, str] = {}
        self._of_request: dict[str, str] = {}

    def root(self, row: TraceRow) -> str:
        root = self._find(row)
        self._of_request[row.request_id] = root
        if len(self._of_request) > REMEMBERED_TREES:
            del self._of_request[next(iter(self._of_request))]
        if row.session_id is not None:
            self._of_session.setdefault(row.session_id, root)
        return root

    def _find(self, row: TraceRow) -> str:
        if row.session_id is not None and row.session_id in self._of_session:
            return self._of_session[row.session_id]
        if row.parent_session_id is not None:
            return self._of_session.setdefault(row.parent_session_id, row.parent_session_id)
        if row.wait_for and row.wait_for[0] in self._of_request:
            return self._of_request[row.wait_for[0]]
        return row.session_id if row.session_id is not None else f"request {row.request_id}"


def sample_share(rows: Iterable[TraceRow], share: float, seed: int) -> Iterator[TraceRow]:
    """Keep whole trees, each with probability `share`. Which ones depends on the seed and their names alone."""
    if not 0 < share <= 1:
        raise UsageError(f"--share must be above 0 and at most 1, not {share:g}")
    trees = SessionTrees()
    return (row for row in rows if _place(trees.root(row), seed) < share)


def sample_count(rows: Iterable[TraceRow], count: int, seed: int) -> frozenset[str]:
    """The roots of `count` trees, drawn evenly: those of the lowest hashes, so that 10 are among the 20."""
    trees = SessionTrees()
    roots = {trees.root(row) for row in rows}
    if count > len(roots):
        raise UsageError(f"--sessions {count}: the trace has {len(roots)}")
    return frozenset(sorted(roots, key=lambda root: (_place(root, seed), root))[:count])


def of_trees(rows: Iterable[TraceRow], roots: frozenset[str]) -> Iterator[TraceRow]:
    """The rows of these trees."""
    trees = SessionTrees()
    return (row for row in rows if trees.root(row) in roots)


def _place(root: str, seed: int) -> float:
    """An even draw on [0, 1) that belongs to this root."""
    digest = hashlib.blake2b(f"{seed}/sample/{root}".encode(), digest_size=7).digest()
    return int.from_bytes(digest, "big") / 2**56
