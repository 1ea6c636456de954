"""What no single row shows: hash ids that contradict each other, waits that never end, time that goes back."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator

from imaxproxy.traces.row import TraceRow

_EXAMPLES_KEPT = 5
_Key = tuple[str | None, int, int] | int


class TraceChecks:
    """Takes every row with its place in the file; `close` looks at what only the whole shows.

    Memory: one entry a hash id and a request.
    """

    def __init__(self, most_hash_ids: int | None = None) -> None:
        """most_hash_ids: after so many they are no longer looked at; None: all are."""
        self._hash_ids_left = math.inf if most_hash_ids is None else most_hash_ids
        self._first: dict[str, str] = {}
        self.counts: Counter[str] = Counter()
        """Complaints by kind."""
        self.examples: list[str] = []
        """The first complaints, each with file and line."""
        self._parents: dict[_Key, int] = {}
        self._partial_tokens: dict[_Key, int] = {}
        self._latest_ms: dict[str, float] = {}
        self._waits = _Waits()

    def add(self, where: str, row: TraceRow) -> None:
        for kind, what in (
            *_name_complaints(row),
            *self._hash_complaints(row),
            *self._time_complaints(row),
            *self._waits.add(row),
        ):
            self._complain(kind, f"{where}: request {row.request_id}: {what}")

    def close(self, *, whole: bool = True) -> None:
        """whole: all rows were seen, so that who is not known is nobody."""
        for kind, what in self._waits.complaints(whole=whole):
            self._complain(kind, what)

    def example(self, kind: str) -> str:
        """The first complaint of this kind."""
        return self._first[kind]

    def _complain(self, kind: str, complaint: str) -> None:
        self._first.setdefault(kind, complaint)
        self.counts[kind] += 1
        if self.counts[kind] <= _EXAMPLES_KEPT:
            self.examples.append(complaint)

    def _hash_complaints(self, row: TraceRow) -> Iterator[tuple[str, str]]:
        """An id stands for its block and all before it: it has one parent, and one size."""
        self._hash_ids_left -= len(row.hash_ids)
        if self._hash_ids_left < 0:
            return
        before = -1
        for hash_id in row.hash_ids:
            parent = self._parents.setdefault(block_key(row, hash_id), before)
            if parent != before:
                yield (
                    "hash_id_under_two_parents",
                    f"field `hash_ids`: {hash_id} follows {_named(before)} here and {_named(parent)} in a row before",
                )
                break
            before = hash_id
        if row.hash_ids and row.input_length is not None:
            yield from self._size_complaints(row, row.input_length)

    def _size_complaints(self, row: TraceRow, input_length: int) -> Iterator[tuple[str, str]]:
        last = row.hash_ids[-1]
        rest = input_length - (len(row.hash_ids) - 1) * row.block_size
        size = min(rest, row.block_size)
        known = self._partial_tokens.setdefault(block_key(row, last), size)
        if known != size:
            yield (
                "hash_id_at_two_sizes",
                f"field `hash_ids`: the last id, {last}, is a block of {size} tokens here and of {known} before",
            )

    def _time_complaints(self, row: TraceRow) -> Iterator[tuple[str, str]]:
        if row.session_id is None or row.timestamp_ms is None:
            return
        latest_ms = self._latest_ms.get(row.session_id, row.timestamp_ms)
        if row.timestamp_ms < latest_ms:
            yield (
                "time_goes_back_in_session",
                f"field `timestamp`: {row.timestamp_ms:g} ms lies before {latest_ms:g} ms of session {row.session_id}",
            )
        self._latest_ms[row.session_id] = max(latest_ms, row.timestamp_ms)


class _Waits:
    """Who waits for whom, by what rows name and by the order in their sessions."""

    def __init__(self) -> None:
        self._waits_for: dict[str, tuple[str, ...]] = {}
        self._last_of_session: dict[str, str] = {}

    def add(self, row: TraceRow) -> Iterator[tuple[str, str]]:
        if row.request_id in self._waits_for:
            yield "duplicate_request_id", "field `request_id`: a row before has the same"
        before = self._last_of_session.get(row.session_id) if row.session_id is not None else None
        if row.session_id is not None:
            self._last_of_session[row.session_id] = row.request_id
        self._waits_for[row.request_id] = row.wait_for or (() if before is None else (before,))

    def complaints(self, *, whole: bool) -> Iterator[tuple[str, str]]:
        for request_id, waits in self._waits_for.items() if whole else ():
            for other in waits:
                if other not in self._waits_for:
                    yield (
                        "wait_for_unknown_request",
                        f"request {request_id}: field `wait_for`: no row has the request_id {other}; "
                        f"it would wait for ever",
                    )
        cycle = self._cycle()
        if cycle:
            chain = " waits for ".join(cycle[:6])
            yield "wait_for_cycle", f"field `wait_for`: {chain}: none of them could ever start"

    def _cycle(self) -> list[str]:
        """Take away all that can be done (Kahn); what is left waits in a circle, or for one."""
        missing = {
            name: sum(other in self._waits_for for other in set(waits)) for name, waits in self._waits_for.items()
        }
        behind = defaultdict(list)
        for name, waits in self._waits_for.items():
            for other in set(waits):
                behind[other].append(name)
        ready = [name for name, count in missing.items() if not count]
        while ready:
            done = ready.pop()
            del missing[done]
            for name in behind[done]:
                missing[name] -= 1
                if not missing[name]:
                    ready.append(name)
        if not missing:
            return []
        path = [next(iter(missing))]
        while path[-1] not in path[:-1]:
            path.append(next(other for other in self._waits_for[path[-1]] if other in missing))
        return path[path.index(path[-1]) :]


def _name_complaints(row: TraceRow) -> Iterator[tuple[str, str]]:
    if not (row.request_id.isascii() and row.request_id.isprintable()):
        yield (
            "request_id_not_ascii",
            f"field `request_id`: {row.request_id!r} cannot stand in a header; use printable ASCII",
        )


def block_key(row: TraceRow, hash_id: int) -> _Key:
    """Who this block is. A bare number where that is enough: a set of them takes a third of the memory."""
    if row.hash_id_scope == "global":
        return hash_id
    return row.hash_scope, row.block_size, hash_id


def _named(parent: int) -> str:
    return "no block" if parent == -1 else str(parent)
