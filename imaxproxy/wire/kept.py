"""Answers that are kept for whoever wants their text: each bounded, and all of a process together."""

KEPT_LIMIT_BYTES = 4 << 20
"""Of one answer, unless the budget says otherwise; a longer one is not kept."""


class KeptBudget:
    """What all answers under way may hold together."""

    def __init__(self, limit_bytes: int, answer_bytes: int = KEPT_LIMIT_BYTES) -> None:
        """answer_bytes: the longest answer that is kept."""
        self.limit_bytes, self.answer_bytes = limit_bytes, answer_bytes
        self.held_bytes = 0

    def __repr__(self) -> str:
        return f"<KeptBudget {self.held_bytes} of {self.limit_bytes} bytes held>"


class Kept:
    """One answer's bytes, as they came. Gives back what it held when it goes."""

    def __init__(self, budget: KeptBudget) -> None:
        self._budget = budget
        self._data: bytearray | None = bytearray()
        self.unkept: str | None = None
        """Why it is not kept any more."""

    def __del__(self) -> None:
        self._let_go()

    @property
    def data(self) -> bytes | None:
        return None if self._data is None else bytes(self._data)

    def add(self, data: bytes) -> None:
        if self._data is None:
            return
        if len(self._data) + len(data) > self._budget.answer_bytes:
            self._give_up(f"over {self._budget.answer_bytes >> 20} MiB")
        elif self._budget.held_bytes + len(data) > self._budget.limit_bytes:
            self._give_up(f"all answers under way held {self._budget.limit_bytes >> 20} MiB")
        else:
            self._data += data
            self._budget.held_bytes += len(data)

    def _give_up(self, why: str) -> None:
        self._let_go()
        self.unkept = why

    def _let_go(self) -> None:
        if self._data is not None:
            self._budget.held_bytes -= len(self._data)
            self._data = None
