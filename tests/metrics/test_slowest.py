from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import Ask, Exchange, Outcome, Slowest


def whole(number: int, e2e_ns: int) -> Exchange:
    ask = Ask(str(number), "/v1/chat/completions", 0, sent_ns=0, dialect="chat")
    return Exchange(ask, Outcome.COMPLETED, e2e_ns)


@given(st.lists(st.integers(1, 10**12), max_size=60), st.integers(0, 60))
def test_the_ten_slowest_wherever_they_were_counted(e2e_ns: list[int], cut: int) -> None:
    one, other = Slowest(), Slowest()
    for number, each in enumerate(e2e_ns):
        (one if number < cut else other).add(whole(number, each))
    one.merge(other)
    assert [row["e2e_ms"] for row in one.rows()] == [each / 1e6 for each in sorted(e2e_ns, reverse=True)[:10]]


def test_what_has_no_e2e_is_none_of_them() -> None:
    slowest = Slowest()
    slowest.add(Exchange(Ask("r", "/v1/chat/completions", 0, dialect="chat"), Outcome.FAILED, 9, error="reset"))
    assert slowest.rows() == []
