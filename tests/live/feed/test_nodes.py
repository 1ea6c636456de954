"""Nodes of a cluster, told apart and added up: the whole is what one machine would have seen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.clock import NS_PER_MS, NS_PER_S
from imaxproxy.live.feed import HERE, Beside, Facts, Look, NodesSeen, SnapshotMaker
from imaxproxy.live.feed.nodes import DONE, LOST, SILENT, node_rows
from imaxproxy.live.feed.ticks import Ticks
from imaxproxy.metrics import (
    ANSWER,
    Ask,
    CountedBy,
    Exchange,
    HealthSample,
    LivePart,
    Outcome,
    Timeline,
    Totals,
    Usage,
    mark,
    objectives_of,
)
from imaxproxy.runs import RunDirectory

OBJECTIVES = objectives_of("ttft_ms<200,tpot_ms<20@p90")
NODES = 3
START_NS = 10 * NS_PER_S


def exchange(name: str, ttft_ms: int, gaps_ms: Sequence[int], tokens: int, *, failed: bool, ended_ns: int) -> Exchange:
    sent_ns = ended_ns - (ttft_ms + sum(gaps_ms)) * NS_PER_MS
    times_ns = [sent_ns + (ttft_ms + sum(gaps_ms[:count])) * NS_PER_MS for count in range(len(gaps_ms) + 1)]
    ask = Ask(name, "/v1/chat/completions", sent_ns, sent_ns=sent_ns, scheduled_ns=sent_ns - 7000, dialect="chat")
    return Exchange(
        ask,
        Outcome.FAILED if failed else Outcome.COMPLETED,
        ended_ns,
        error="reset" if failed else None,
        streamed=True,
        model="m" if tokens % 2 else "n",
        usage=Usage(10, tokens),
        counted_by=CountedBy.USAGE,
        timeline=Timeline(times_ns, [mark(ANSWER, 1)] * len(times_ns)),
    )


def quick(name: str, ttft_ms: int = 50) -> Exchange:
    return exchange(name, ttft_ms, [5, 5], 3, failed=False, ended_ns=START_NS + NS_PER_S)


def totals_of(exchanges: Sequence[Exchange], worker: int = 0) -> Totals:
    totals = Totals(OBJECTIVES)
    for one in exchanges:
        totals.add(one)
    totals.add_health(HealthSample(worker, START_NS, NS_PER_S, NS_PER_S // 4, {100 + worker: 40, 900: 3}))
    return totals


def part_of(at_s: float, values: Sequence[int], since_s: float | None = None, **counts: int) -> LivePart:
    since_ns = round((at_s - 1 if since_s is None else since_s) * NS_PER_S)
    part = LivePart(round(at_s * NS_PER_S), since_ns, processes=1, **counts)
    for value in values:
        part.ttft_ns.add(value)
        part.gap_ns.add(value // 7 + 1)
        part.traffic("model", f"m{value % 3}").events += value % 5
    return part


drawn = st.lists(
    st.tuples(
        st.integers(0, NODES - 1),
        st.integers(1, 3),
        st.integers(1, 900),
        st.lists(st.integers(0, 90), max_size=6),
        st.integers(1, 9),
        st.booleans(),
    ),
    max_size=40,
)


@given(drawn)
def test_the_sum_of_nodes_is_exactly_what_one_machine_would_have_seen(rows: list[Any]) -> None:
    """Each exchange ends on some node in some second: figure by figure, the merged snapshots say what one feed says."""
    seen = NodesSeen(OBJECTIVES, keeps_lost=False)
    for node in range(NODES):
        seen.add(f"n{node}", [node])
    run = RunDirectory(Path("/nonexistent"))
    many, one = (SnapshotMaker("replay", "", START_NS, Beside(run, None, {}), OBJECTIVES) for _ in range(2))
    alone, snapshots = Totals(OBJECTIVES), []
    for second in (1, 2, 3):
        parts, all_of_it = {}, LivePart()
        for node in range(NODES):
            mine = [
                exchange(f"{number}", ttft_ms, gaps_ms, tokens, failed=failed, ended_ns=START_NS + number)
                for number, (where, when, ttft_ms, gaps_ms, tokens, failed) in enumerate(rows)
                if (where, when) == (node, second)
            ]
            values = [int(one_.timeline.times_ns[0] - (one_.ask.sent_ns or 0)) for one_ in mine]
            counts = {"events": 3 * len(mine), "ended": len(mine), "input_tokens": 10 * len(mine), "in_flight": node}
            look = Look(part_of(10 + second, values, **counts), totals_of(mine, node))
            alone.merge(totals_of(mine, node))
            all_of_it.merge(part_of(10 + second, values, **counts))
            part = seen.take(f"n{node}", look)
            assert part is not None
            parts[f"n{node}"] = part
        at_ns = (10 + second) * NS_PER_S
        facts = Facts(at_ns=at_ns, nodes=list(seen.nodes.values()))
        snapshots = [many.make(seen.totals, parts, facts), one.make(alone, {HERE: all_of_it}, Facts(at_ns=at_ns))]
    theirs, ours = snapshots
    for name in ("run", "in_flight", "errors", "slo", "meter", "elapsed_s"):
        assert theirs[name] == ours[name], name
    assert sorted(row["e2e_ms"] for row in theirs["slowest"]) == sorted(row["e2e_ms"] for row in ours["slowest"])
    assert theirs["by"]["model"].keys() == ours["by"]["model"].keys()
    for block in ("ttft_ms", "itl_ms", "tps_per_user", "e2e_ms"):
        assert theirs["now"][block] == ours["now"][block]
    for rate in ("requests_per_s", "output_tokens_per_s", "total_tokens_per_s", "events_per_s"):
        assert abs(theirs["now"][rate] - ours["now"][rate]) < 1e-9  # sums of three quotients
    assert sum(row["requests"] for row in theirs["nodes"]) == len(rows) == theirs["run"]["requests"]["sent"]


def test_what_a_lost_node_had_counts_only_where_the_run_keeps_it() -> None:
    for keeps, left in ((False, 2), (True, 5)):
        seen = NodesSeen(OBJECTIVES, keeps_lost=keeps)
        seen.add("a", [0])
        seen.add("b", [1])
        for name, requests in (("a", 2), ("b", 3)):
            seen.take(name, Look(LivePart(1, 0), totals_of([quick(f"{name}{n}") for n in range(requests)])))
        seen.lose("b", "it died")
        seen.lose("b", "it died again")
        assert seen.totals.tally.sent == left
        assert (seen.nodes["b"].state, seen.nodes["b"].why) == (LOST, "it died")
        seen.take("a", Look(LivePart(), totals_of([quick("more")])))
        assert seen.totals.tally.sent == left + 1


def rows_of(seen: NodesSeen, ticks: Ticks, at_s: float) -> dict[str, dict[str, Any]]:
    nodes = list(seen.nodes.values())
    rows = node_rows(nodes, ticks.newest(), ticks.recent(), round(at_s * NS_PER_S), 2.0)
    return {row["name"]: row for row in rows}


def test_who_says_nothing_for_three_seconds_is_silent_and_its_last_figures_stand_with_their_age() -> None:
    seen, ticks = NodesSeen((), keeps_lost=False), Ticks()
    for number, name in enumerate("abc"):
        seen.add(name, [2 * number, 2 * number + 1])
    first = {name: part_of(1, [], events=100, in_flight=7) for name in "ab"}
    ticks.add(first, NS_PER_S, 2.0, None)
    ticks.add({"a": part_of(6, [], since_s=1, events=100, in_flight=1)}, 6 * NS_PER_S, 2.0, None)
    rows = rows_of(seen, ticks, 6)
    assert [(row["state"], row["age_s"], row["in_flight"]) for row in rows.values()] == [
        ("playing", 0.0, 1),
        (SILENT, 5.0, 7),
        ("playing", None, 0),  # it has not begun to speak
    ]
    assert (rows["a"]["workers"], rows["b"]["output_tokens_per_s"]) == (2, 200.0)
    seen.nodes["b"].state = DONE
    assert rows_of(seen, ticks, 9)["b"]["state"] == DONE
    seen.lose("b", "it died")
    row = rows_of(seen, ticks, 9)["b"]
    assert (row["state"], row["why"], row["age_s"]) == (LOST, "it died", None)


def test_a_slow_node_is_named_while_it_is_slow() -> None:
    """By its first tokens of the last seconds, or by what has ended so far; twenty of them at least."""
    seen, ticks = NodesSeen((), keeps_lost=False), Ticks()
    for name in "abc":
        seen.add(name, [ord(name)])
    ms = NS_PER_MS
    parts = {name: part_of(1, [(300 if name == "b" else 50) * ms] * 20) for name in "abc"}
    ticks.add(parts, NS_PER_S, 1.0, None)
    rows = rows_of(seen, ticks, 1)
    assert rows["a"]["slow"] is rows["c"]["slow"] is None
    assert rows["b"]["slow"].startswith("median TTFT of the last seconds 299.7 ms, the others")
    few, ticks = NodesSeen((), keeps_lost=False), Ticks()
    for name in "ab":
        few.add(name, [ord(name)])
    ticks.add({name: part_of(1, [(300 if name == "b" else 50) * ms] * 19) for name in "ab"}, NS_PER_S, 1.0, None)
    assert rows_of(few, ticks, 1)["b"]["slow"] is None
    few.take("a", Look(LivePart(), totals_of([quick(f"a{n}") for n in range(20)])))
    few.take("b", Look(LivePart(), totals_of([quick(f"b{n}", 90) for n in range(20)])))
    assert rows_of(few, ticks, 1)["b"]["slow"] == "median TTFT 90.0 ms, the others' 50.0"


def test_a_look_comes_to_the_commands_clock() -> None:
    look = Look(part_of(5, []), totals_of([quick("a")])).move(-2 * NS_PER_S)
    assert (look.part.at_ns, look.part.since_ns) == (3 * NS_PER_S, 2 * NS_PER_S)
    assert look.totals.slowest.rows()[0]["ended_ns"] == START_NS - NS_PER_S
    silent = Look(LivePart(), Totals()).move(NS_PER_S)
    assert silent.part.at_ns == 0
