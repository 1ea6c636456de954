"""Users who leave: a share of the requests, given up after so many tokens or so many seconds."""

import math
from dataclasses import dataclass

from imaxproxy.clock import NS_PER_MS
from imaxproxy.errors import UsageError
from imaxproxy.traces import TraceRow, stream

_HOW = "give SHARE@tokens=K or SHARE@s=S, such as 0.05@tokens=20"


@dataclass(frozen=True, slots=True)
class Cancel:
    """Which requests are given up, and when: drawn for each by its id, so that neither order nor worker matters."""

    share: float
    after_tokens: int | None
    after_ms: float | None
    seed: int

    def of(self, request_id: str) -> tuple[int | None, float | None]:
        """(after so many tokens, after so many ms) for this request; (None, None) where its user stays."""
        if stream(self.seed, f"cancel/{request_id}").random() >= self.share:
            return None, None
        return self.after_tokens, self.after_ms


def cancel_of(text: str, seed: int) -> Cancel:
    """Read what `--cancel` says. Raises UsageError."""
    share_text, _, when = text.partition("@")
    unit, _, amount_text = when.partition("=")
    try:
        share, amount = float(share_text), float(amount_text)
    except ValueError:
        raise UsageError(f"--cancel {text}: {_HOW}") from None
    if not 0 <= share <= 1:
        raise UsageError(f"--cancel {text}: the share of requests lies from 0 to 1")
    if unit == "tokens" and amount.is_integer() and amount >= 1:
        return Cancel(share, int(amount), None, seed)
    if unit == "s" and amount >= 0 and math.isfinite(amount):
        return Cancel(share, None, amount * 1000, seed)
    raise UsageError(f"--cancel {text}: {_HOW}")


def leaves_after(row: TraceRow, cancel: Cancel | None) -> tuple[int | None, int | None]:
    """After so many token events, after so many ns; the row's own word goes before the load's."""
    tokens, after_ms = row.cancel_after_tokens, row.cancel_after_ms
    if tokens is None and after_ms is None and cancel is not None:
        tokens, after_ms = cancel.of(row.request_id)
    return tokens, None if after_ms is None else round(after_ms * NS_PER_MS)
