from imaxproxy.clock import NS_PER_S
from imaxproxy.metrics import Ask, Exchange, Outcome
from imaxproxy.runs.rates import Rates


def asked(scheduled_s: float | None, sent_s: float | None) -> Exchange:
    scheduled_ns, sent_ns = (None if at_s is None else round(at_s * NS_PER_S) for at_s in (scheduled_s, sent_s))
    return Exchange(Ask("r", "/", 0, sent_ns, scheduled_ns, dialect="chat"), Outcome.COMPLETED, 0)


EXCHANGES = [asked(1.0, 1.0), asked(2.0, 2.5), asked(3.0, None), asked(4.0, 7.0), asked(None, 50.0)]


def rates_of(exchanges: list[Exchange]) -> Rates:
    rates = Rates()
    for exchange in exchanges:
        rates.add(exchange)
    return rates


def test_rates_are_over_the_spans_of_schedule_and_sends() -> None:
    rates = rates_of(EXCHANGES)
    assert (rates.offered(), rates.achieved()) == (1.0, 2 / 6)


def test_a_closed_loop_offers_nothing() -> None:
    rates = rates_of([asked(None, 1.0), asked(None, 2.0)])
    assert (rates.offered(), rates.achieved()) == (None, None)


def test_parts_are_merged_in_any_order() -> None:
    for cut in range(len(EXCHANGES) + 1):
        one, other = rates_of(EXCHANGES[cut:]), rates_of(EXCHANGES[:cut])
        one.merge(other)
        assert (one.offered(), one.achieved()) == (1.0, 2 / 6)
