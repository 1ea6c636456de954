import pytest

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError
from imaxproxy.sim.faults import KINDS, FaultPlan, parse_fault


def test_a_fault_reads_as_it_was_written() -> None:
    fault = parse_fault("mid_stall=4,ms=250,p=0.5")
    assert (fault.name, fault.after_tokens, fault.wait_s, fault.options["p"]) == ("mid_stall", 4, 0.25, 0.5)
    assert parse_fault("slow_start=300").wait_s == 0.3
    assert parse_fault("http_429").options["retry_after"] == 1
    assert parse_fault("disconnect=2,how=fin").options["how"] == "fin"


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nonsense", "unknown fault 'nonsense' in x-sim-fault; known: http_429"),
        ("truncate", "needs a number of tokens"),
        ("truncate=x", "its value is a number of 0 or more, not 'x'"),
        ("no_done=3", "needs no value"),
        ("no_done,p=2", "p is a chance from 0 to 1"),
        ("disconnect=2,how=gently", "how is rst or fin"),
        ("disconnect=2,when=now", "has no 'when'"),
        ("no_done,from=nan", "from is a number"),
    ],
)
def test_a_mistake_is_named(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        parse_fault(spec)


def struck(plan: FaultPlan, requests: int, at_s: float = 0.0) -> list[bool]:
    return [plan.strike(round(at_s * NS_PER_S)) is not None for _ in range(requests)]


def test_chance_is_drawn_from_the_seed() -> None:
    first = struck(FaultPlan(["no_done,p=0.3"], seed=7), 1000)
    assert struck(FaultPlan(["no_done,p=0.3"], seed=7), 1000) == first
    assert struck(FaultPlan(["no_done,p=0.3"], seed=8), 1000) != first
    assert 250 < sum(first) < 350


def test_a_window_and_a_rhythm() -> None:
    plan = FaultPlan(["no_done,from=10,until=20"])
    assert [struck(plan, 1, at_s) for at_s in (0, 9.9, 10, 19.9, 20)] == [[False], [False], [True], [True], [False]]
    assert struck(FaultPlan(["no_done,nth=3"]), 7) == [False, False, True, False, False, True, False]


def test_the_first_that_draws_it_wins() -> None:
    plan = FaultPlan(["no_done,p=0.5", "crlf"], seed=1)
    names = [fault.name if fault else None for fault in (plan.strike(0) for _ in range(100))]
    assert set(names) == {"no_done", "crlf"}
    assert 30 < names.count("no_done") < 70


def test_a_wrong_plan_leaves_the_armed_one() -> None:
    plan = FaultPlan(["no_done"])
    with pytest.raises(UsageError):
        plan.arm(["crlf", "nonsense"], 0, 0)
    assert [fault.name for fault in plan.faults] == ["no_done"]


def test_every_kind_says_what_it_does() -> None:
    assert len(KINDS) >= 30
    assert all(kind.says for kind in KINDS.values())
