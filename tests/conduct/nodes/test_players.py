"""Several nodes as one crew, every node an object of this process with real workers; tests/cluster has real raylets."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cli.command import write_trace
from cli.fake_ray import FakeActor, FakeCluster
from scripted_engine import Call, ScriptedEngine, answering, in_background, whole_stream

from imaxproxy.cli.replay import replay
from imaxproxy.cluster import Node
from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.nodes.node import RayNode
from imaxproxy.conduct.nodes.players import NODE_LOST, RayPlayers
from imaxproxy.conduct.replay.parts import Asked, PartMaker
from imaxproxy.conduct.replay.summed import summed_up
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wording, Wordings
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.runs import Manifest, RunDirectory, read_journal, read_summary, summarize
from imaxproxy.wire import UNKNOWN, BaseUrl

ROWS = 48


class Field:
    """A trace, an engine, and nodes that play the one against the other."""

    def __init__(self, folder: Path, engine: ScriptedEngine, nodes: int, choice: RayChoice, load: Load) -> None:
        self.folder, self.engine, self.load = folder, engine, load
        trace = write_trace(folder / "trace.jsonl", ROWS)
        self.flags = dict(replay.make_context("replay", [str(trace), "--url", engine.url]).params)
        file = TraceFile(trace, self.flags)
        file.check(load)
        self.run = RunDirectory.create(folder / "run", "replay")
        self.actors = [FakeActor(RayNode(str(folder))) for _ in range(nodes)]
        hosts = [actor.kept.host() | {"clock_id": str(number)} for number, actor in enumerate(self.actors)]
        named = [Node(f"{number:08}", "127.0.0.1", f"host{number}", 2.0) for number in range(nodes)]
        places = [str(trace)] * nodes
        self.cluster = FakeCluster()
        self.again = lambda: RayPlayers(self.cluster, choice, named, self.actors, hosts, places, self.flags)
        self.players = self.again()
        self._maker = PartMaker(file, Wordings(self.flags), load, self.flags)

    def begin(self) -> None:
        asked = Asked(BaseUrl.parse(self.engine.url, "--url"), "m", UNKNOWN)
        self.players.begin(self._maker, asked, Wording(), "salt", self.run)

    def play(self, on_row: Callable[[dict[str, Any]], None] = lambda _: None) -> dict[str, Any]:
        """To its end; the summary, the players' last word under `last`."""
        self.begin()
        rows = []
        for row in self.players.progress():
            rows.append(row)
            on_row(row)
        found = self.players.finish()
        facts = {"ended": rows[-1]["ended"], "trace": found.trace, **found.manifest}
        manifest = Manifest("replay", [], {"rate": self.load.rate}, **facts)
        return summed_up(self.players, self.run, manifest, shows=False) | {"last": rows[-1]}

    def schedule(self) -> dict[str, int]:
        """Of what was journalled: when each should have left, from the run's zero."""
        rows = [exchange.ask for exchange in read_journal(self.run)]
        assert len({row.request_id for row in rows}) == len(rows)
        first_ns = min(row.scheduled_ns or 0 for row in rows)
        return {row.request_id: (row.scheduled_ns or 0) - first_ns for row in rows}

    def left(self) -> list[Path]:
        """What nodes keep of their own."""
        return list(self.folder.glob("imaxproxy-ray-*"))


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Callable[..., Field]]:
    made: list[Field] = []
    with in_background(ScriptedEngine(answering(*whole_stream(2)))) as engine:

        def make(
            nodes: int,
            *,
            rate: float = 200.0,
            name: str = "a",
            engine: ScriptedEngine = engine,
            **choice: Any,  # noqa: ANN401
        ) -> Field:
            folder = tmp_path / name
            folder.mkdir()
            made.append(Field(folder, engine, nodes, RayChoice("auto", **choice), Load(rate=rate, seed=5)))
            return made[-1]

        yield make
        for each in made:
            for actor in each.actors:
                actor.kept.close()


def test_any_number_of_nodes_and_workers_play_one_schedule(field: Callable[..., Field]) -> None:
    one = field(1, name="one")
    summary = one.play()
    assert (summary["last"]["ended"], summary["requests"]["completed"]) == ("finished", ROWS)
    bodies = sorted(request.body for request in one.engine.requests if request.body)
    one.engine.requests.clear()
    many = field(2, name="many", workers_per_node=2)
    summary = many.play()
    assert (summary["last"]["ended"], summary["requests"]["completed"]) == ("finished", ROWS)
    assert sorted(request.body for request in many.engine.requests if request.body) == bodies
    assert many.schedule() == one.schedule()
    assert [part["workers"] for part in summary["shares"]["parts"]] == [[0, 1], [2, 3]]
    assert sum(part["requests"] for part in summary["shares"]["parts"]) == ROWS
    made_by_nodes = many.run.summary.read_bytes(), many.run.histograms.read_bytes()
    summarize(many.run)
    assert (many.run.summary.read_bytes(), many.run.histograms.read_bytes()) == made_by_nodes
    many.players.close()


def test_the_same_nodes_play_one_run_after_the_other(field: Callable[..., Field]) -> None:
    """As --repeat and search do: the next knows nothing of the last, which a node had not brought to its end."""
    two = field(2)
    two.play()
    schedule = two.schedule()
    two.players, two.run = two.again(), RunDirectory.create(two.folder / "given-up", "replay")
    two.begin()
    two.players, two.run = two.again(), RunDirectory.create(two.folder / "again", "replay")
    summary = two.play()
    assert (summary["last"]["ended"], summary["requests"]["completed"]) == ("finished", ROWS)
    assert two.schedule() == schedule
    assert [part["requests"] for part in summary["shares"]["parts"]] == [ROWS // 2] * 2
    two.players.close()


@pytest.mark.ray
def test_nodes_start_together_whatever_their_clocks_say(field: Callable[..., Field]) -> None:
    """One node's clock is an hour ahead: its journal comes on the command's clock, and its start is the same moment."""
    two = field(2)
    node, hour_ns = two.actors[1].kept, 3600 * 10**9
    real_clock, real_start, real_finish = node.clock, node.start, node.finish
    node.clock = lambda: real_clock() + hour_ns
    node.start = lambda zero_ns: real_start(zero_ns - hour_ns)
    node.finish = lambda by_ns, out: real_finish(by_ns + hour_ns, out)
    summary = two.play()
    manifest = Manifest.read(two.run)
    assert manifest is not None
    assert manifest.shares is not None
    before = [record["start"]["before"] for record in manifest.shares]
    assert abs(before[1]["offset_ns"] - hour_ns) <= before[1]["error_ms"] * 1e6
    assert abs(before[0]["offset_ns"]) <= before[0]["error_ms"] * 1e6
    assert summary["shares"]["start_error_ms"] == pytest.approx(before[0]["error_ms"] + before[1]["error_ms"])
    assert summary["duration_s"] < 60
    assert sum(two.schedule().values()) > 0


@pytest.mark.ray
def test_a_node_that_dies_stops_the_run(field: Callable[..., Field]) -> None:
    two = field(2, rate=20.0)
    summary = two.play(lambda row: two.actors[1].die() if row.get("completed") and not two.actors[1].dead else None)
    assert summary["last"]["ended"] == summary["ended"] == NODE_LOST
    assert summary["meter"]["valid"] is False
    assert summary["shares"]["lost"]["workers"] == [1]
    assert 0 < summary["requests"]["sent"] < ROWS
    with pytest.raises(ImaxproxyError, match=r"workers 1 of 2 were lost \(node host1 .*: it died\)"):
        two.players.close()


def test_without_its_head_the_run_is_stopped_and_brought_home(field: Callable[..., Field]) -> None:
    """Also where it is to go on: the nodes outlive their head by a minute."""
    two = field(2, rate=20.0, goes_on=True)
    summary = two.play(lambda row: setattr(two.cluster, "head_is_lost", bool(row.get("completed"))))
    assert (summary["ended"], summary["shares"]["lost"]) == (NODE_LOST, None)
    assert 0 < summary["requests"]["sent"] < ROWS
    with pytest.raises(ImaxproxyError, match="the head of the cluster was lost; the run was stopped there"):
        two.players.close()


@pytest.mark.parametrize(("limit_share", "is_within"), [(0.01, False), (0.6, True)])
def test_the_others_go_on_and_what_was_lost_is_counted(
    field: Callable[..., Field], limit_share: float, is_within: bool
) -> None:
    two = field(2, goes_on=True, loss_limit_share=limit_share)
    two.actors[1].dies_at = "start"
    summary = two.play()
    assert summary["last"]["ended"] == "finished"
    lost = summary["shares"]["lost"]
    assert (lost["requests"], lost["counted_by"], lost["workers"], lost["share"]) == (ROWS // 2, "requests", [1], 0.5)
    assert summary["requests"]["completed"] == ROWS // 2
    said = [reason for reason in summary["meter"]["reasons"] if "was lost with node host1" in reason]
    assert bool(said) is not is_within
    two.players.close()


@pytest.mark.ray
def test_a_worker_that_dies_leaves_its_journal_and_the_rest_of_its_share_is_lost(field: Callable[..., Field]) -> None:
    one = field(1, rate=20.0, workers_per_node=2, goes_on=True)
    killed: list[int] = []

    def kill(row: dict[str, Any]) -> None:
        if row.get("completed", 0) >= 4 and not killed:
            killed.append(one.actors[0].kept.pids()[2])
            os.kill(killed[0], signal.SIGKILL)

    summary = one.play(kill)
    lost = summary["shares"]["lost"]
    assert (summary["last"]["ended"], lost["workers"]) == ("finished", [1])
    assert summary["requests"]["sent"] + lost["requests"] == ROWS
    assert 0 < lost["requests"] < ROWS // 2
    assert "worker 1 died" in lost["who"]


@pytest.mark.ray
def test_a_node_that_dies_before_it_is_asked_for_its_journal(field: Callable[..., Field]) -> None:
    two = field(2, goes_on=True)
    two.actors[0].dies_at = "read"
    summary = two.play()
    assert (summary["requests"]["completed"], summary["shares"]["lost"]["workers"]) == (ROWS // 2, [0])
    assert not list(two.run.path.glob("*.part"))


@pytest.mark.ray
def test_a_node_that_dies_while_it_sums_up_is_lost_with_its_journal(field: Callable[..., Field]) -> None:
    two = field(2, goes_on=True)
    two.actors[1].dies_at = "sums"
    summary = two.play()
    assert (summary["requests"]["completed"], summary["shares"]["lost"]["workers"]) == (ROWS // 2, [1])
    assert summary["meter"]["valid"] is False


@pytest.mark.ray
def test_on_shared_storage_it_has_left_its_journal_and_nothing_is_lost(field: Callable[..., Field]) -> None:
    two = field(2, gathers=False)
    two.actors[1].dies_at = "outline"
    summary = two.play()
    assert (summary["requests"]["completed"], summary["shares"]["lost"]) == (ROWS, None)
    two.players.close()


@pytest.mark.ray
def test_nodes_sum_up_before_their_journals_are_copied(field: Callable[..., Field]) -> None:
    """Who breaks the copying off keeps the summary; a new one, of what has been copied, is refused."""
    two = field(2)
    node, read = two.actors[1].kept, two.actors[1].kept.read

    def stopped(name: str, from_byte: int) -> bytes:
        assert two.run.summary.exists()
        if "exchanges" in name:
            raise ImaxproxyError("no more")
        return bytes(read(name, from_byte))

    node.read = stopped
    with pytest.raises(ImaxproxyError, match="no more"):
        two.play()
    assert read_summary(two.run)["requests"]["completed"] == ROWS
    with pytest.raises(UsageError, match=r"lacks exchanges-1\.jsonl of node host1 .*: copying was broken off"):
        summarize(two.run)


@pytest.mark.ray
def test_one_interrupt_stops_all(field: Callable[..., Field]) -> None:
    two = field(2, rate=0.5)
    summary = two.play(lambda row: two.players.interrupt() if "ended" not in row else None)
    assert summary["last"]["ended"] == "interrupted"
    assert summary["shares"]["lost"] is None
    two.players.close()


@pytest.mark.ray
def test_journals_on_shared_storage_are_moved_by_their_nodes(field: Callable[..., Field]) -> None:
    two = field(2, gathers=False)
    summary = two.play()
    assert (summary["requests"]["completed"], summary["shares"]["lost"]) == (ROWS, None)
    assert sorted(path.name for path in two.run.journals()) == ["exchanges-0.jsonl", "exchanges-1.jsonl"]
    assert not list(two.run.path.glob("node-*"))


@pytest.mark.ray
def test_on_shared_storage_a_lost_nodes_journal_counts(field: Callable[..., Field]) -> None:
    two = field(2, rate=20.0, gathers=False, goes_on=True)
    summary = two.play(
        lambda row: two.actors[1].die() if row.get("completed", 0) >= 4 and not two.actors[1].dead else None
    )
    lost = summary["shares"]["lost"]
    assert 0 < lost["requests"] < ROWS // 2
    journalled = len(list(read_journal(two.run)))
    assert journalled + lost["requests"] == ROWS


def test_a_trace_that_a_node_cannot_read_is_that_nodes_complaint(field: Callable[..., Field]) -> None:
    two = field(2)
    two.players._players[1].trace = "nowhere.jsonl"
    with pytest.raises(ImaxproxyError, match=r"node host1 .*nowhere.jsonl does not exist"):
        two.begin()


def test_a_node_closes_without_a_trace(field: Callable[..., Field]) -> None:
    two = field(2)
    two.play()
    for actor in two.actors:
        actor.kept.close()
    assert two.left() == []


def test_a_node_that_is_told_to_close_makes_no_folder_after_that(tmp_path: Path) -> None:
    """Ctrl-C in the first seconds: what it was asked before may still be on its way."""
    node = RayNode(str(tmp_path))
    node.close()
    with pytest.raises(OSError, match="leave nothing behind"):
        node.host()
    assert not list(tmp_path.iterdir())


def test_a_node_whose_disk_is_full_at_the_end_says_so_in_a_line(field: Callable[..., Field]) -> None:
    two = field(2, goes_on=True)

    def full(_by_ns: int, _out: Path | None) -> None:
        raise OSError(28, "No space left on device")

    two.actors[1].kept.finish = full
    summary = two.play()
    lost = summary["shares"]["lost"]
    assert (lost["workers"], lost["requests"]) == ([1], ROWS // 2)
    assert "its journals could not be made ready: [Errno 28] No space left on device" in lost["who"]


@pytest.mark.ray
def test_a_slow_node_is_named(field: Callable[..., Field]) -> None:
    """An engine that answers the second node's requests late, as a slow way to it would."""
    quick = answering(*whole_stream(2))

    async def script(call: Call) -> None:
        if int(call.request.header(b"x-request-id") or b"0") % 2:
            await asyncio.sleep(0.6)  # far above what a busy machine adds to the others
        await quick(call)

    with in_background(ScriptedEngine(script)) as engine:
        parts = field(2, engine=engine).play()["shares"]["parts"]
    (slow,) = [part["slow"] for part in parts if part["slow"]]
    assert slow.startswith("median TTFT")
