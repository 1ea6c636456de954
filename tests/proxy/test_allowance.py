"""What a client may ask for, on a clock that only moves when told."""

import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.proxy.allowance import Account, Allowance, Rate
from imaxproxy.proxy.refused import Refused


def admitted(account: Account, at_s: float) -> bool:
    try:
        account.enter(round(at_s * NS_PER_S))
    except Refused:
        return False
    account.leave()
    return True


@pytest.mark.parametrize(("text", "rate"), [("10/s", Rate(10, 1)), ("600/min", Rate(600, 60)), ("1/h", Rate(1, 3600))])
def test_rates_are_written_as_people_say_them(text: str, rate: Rate) -> None:
    assert Rate.parse(text, "--max-rate") == rate


@pytest.mark.parametrize("text", ["", "10", "0/s", "-1/s", "1.5/s", "10/day", "10 / s", "/s", "١/s"])
def test_other_rates_are_the_users_mistake(text: str) -> None:
    with pytest.raises(UsageError, match="--max-rate must be like 10/s, 600/min or 1000/h"):
        Rate.parse(text, "--max-rate")


def test_who_has_no_allowance_may_do_all() -> None:
    account = Account(None, Allowance())
    for _ in range(1000):
        account.enter(0)
    assert repr(account) == "<Account anonymous | 1000 in flight>"


def test_requests_under_way_are_limited() -> None:
    account = Account("alice", Allowance(in_flight=2))
    account.enter(0)
    account.enter(0)
    with pytest.raises(Refused, match="2 requests of this client are under way") as caught:
        account.enter(0)
    assert (caught.value.kind, caught.value.retry_after_s) == ("too_many_in_flight", 1)
    account.leave()
    account.enter(0)
    assert account.in_flight == 2


def test_a_bucket_is_full_at_first_and_fills_evenly() -> None:
    """60 a minute: 60 at once, then one a second; never more than 60 saved up."""
    account = Account("a", Allowance(rate=Rate(60, 60)))
    assert [admitted(account, 0) for _ in range(61)] == [True] * 60 + [False]
    assert [admitted(account, at_s) for at_s in (0.99, 1.0, 1.5, 2.0)] == [False, True, False, True]
    assert [admitted(account, 10_000) for _ in range(61)] == [True] * 60 + [False]


def test_the_time_to_wait_is_told() -> None:
    account = Account("a", Allowance(rate=Rate(2, 60)))
    for _ in range(2):
        account.enter(0)
    for at_s, told_s in [(0, 30), (0.5, 30), (29.5, 1)]:
        with pytest.raises(Refused, match="2 requests in 60 s") as caught:
            account.enter(round(at_s * NS_PER_S))
        assert (caught.value.kind, caught.value.retry_after_s) == ("rate_limited", told_s)
    account.enter(30 * NS_PER_S)  # whoever waits as told comes in


def test_a_refused_request_uses_nothing_up() -> None:
    account = Account("a", Allowance(in_flight=1, rate=Rate(1, 1)))
    account.enter(0)
    with pytest.raises(Refused, match="too_many_in_flight"):
        account.enter(2 * NS_PER_S)
    account.leave()
    account.enter(2 * NS_PER_S)
