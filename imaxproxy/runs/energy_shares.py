"""What each request of a run, or of a piece of it, has of the run's energy."""

from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from imaxproxy.metrics import Exchange, Histogram
from imaxproxy.power import TickPrices


@dataclass(frozen=True, slots=True)
class EnergyShares:
    """What requests have of the energy: their shares by size, and a line of JSON each."""

    requests_j: Histogram
    lines: bytes

    @classmethod
    def of(cls, exchanges: Iterable[Exchange], prices: TickPrices) -> "EnergyShares":
        """Of those that reached an engine."""
        requests_j, lines = Histogram(), []
        for exchange in exchanges:
            share = prices.share_of(exchange)
            if share is None:
                continue
            requests_j.record(round(share.energy_j * Histogram.UNIT))
            row = {"request_id": exchange.ask.request_id, "energy_j": share.energy_j, "prefill_j": share.prefill_j}
            row |= {"reasoning_j": share.reasoning_j, "answer_j": share.answer_j, "waiting_j": share.waiting_j}
            lines.append(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
        return cls(requests_j, b"".join(lines))
