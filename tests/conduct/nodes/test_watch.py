"""Who is looked at on a cluster, and what becomes of those that are late, silent or lost; answers come when told."""

from concurrent.futures import Future
from typing import Any

import pytest
from cli.fake_ray import FakeRay, RayActorError

from imaxproxy.clock import NS_PER_S
from imaxproxy.cluster import Node, Offset
from imaxproxy.conduct.nodes.player import NodePlayer
from imaxproxy.conduct.nodes.watch import NodesView
from imaxproxy.live.feed import Look
from imaxproxy.load.share import Share
from imaxproxy.metrics import LivePart, Totals

OFFSET_NS = 1000 * NS_PER_S


class Actor:
    """A node's, whose looks wait."""

    def __init__(self) -> None:
        self.looks: list[Future[Any]] = []
        self.look = self

    def remote(self) -> "Future[Any]":
        self.looks.append(Future())
        return self.looks[-1]

    def answers(self, at_s: float, since_s: float, **counts: int) -> None:
        """By its own clock, which is OFFSET_NS ahead."""
        part = LivePart(round(at_s * NS_PER_S) + OFFSET_NS, round(since_s * NS_PER_S) + OFFSET_NS, **counts)
        self.looks[-1].set_result(Look(part, Totals()))


class Field:
    def __init__(self, nodes: int, **how: Any) -> None:  # noqa: ANN401
        self.actors = [Actor() for _ in range(nodes)]
        self.players = [
            NodePlayer(Share(index, nodes), 2, Node(f"{index:08}", "127.0.0.1", f"n{index}", 2.0), actor, {}, "t")
            for index, actor in enumerate(self.actors)
        ]
        self.names = [player.node.name for player in self.players]
        self.began_ns: int | None = None
        self.view = NodesView(FakeRay(), self.players, (), lambda: self.began_ns, keeps_lost=False, **how)

    def begin(self) -> None:
        self.began_ns = NS_PER_S
        for player in self.players:
            player.before = Offset(OFFSET_NS, 300_000, 40, 0)

    @property
    def asked(self) -> list[int]:
        return [len(actor.looks) for actor in self.actors]


@pytest.fixture
def field() -> Field:
    made = Field(3, engines=["http://a", "http://b", "http://a"])
    made.begin()
    return made


def test_nobody_is_asked_before_the_start_is_told() -> None:
    field = Field(2)
    field.view.ask()
    assert field.asked == [0, 0]
    assert field.view.is_answered()
    assert field.view.take() is None


def test_parts_come_on_the_commands_clock(field: Field) -> None:
    field.view.ask()
    assert not field.view.is_answered()
    for number, actor in enumerate(field.actors):
        actor.answers(5 + number, 4, events=number)
    assert field.view.is_answered()
    parts = field.view.take()
    assert parts is not None
    assert [(part.at_ns, part.events) for part in parts.values()] == [
        (5 * NS_PER_S, 0), (6 * NS_PER_S, 1), (7 * NS_PER_S, 2),
    ]  # fmt: skip
    assert field.view.take() == {}
    assert [(node.engine, node.clock_error_ms) for node in field.view.nodes] == [
        ("http://a", 0.3), ("http://b", 0.3), ("http://a", 0.3),
    ]  # fmt: skip


def test_one_that_is_late_is_waited_for_once_and_counts_when_it_comes(field: Field) -> None:
    field.view.ask()
    for actor in field.actors[:2]:
        actor.answers(1, 0, events=1)
    assert not field.view.is_answered()
    assert set(field.view.take() or ()) == set(field.names[:2])
    field.view.ask()
    assert field.asked == [2, 2, 1]  # it has not answered yet
    for actor in field.actors[:2]:
        actor.answers(2, 1, events=1)
    assert field.view.is_answered()  # nobody waits for it any more
    field.actors[2].answers(1.5, 0, events=7, in_flight=3)
    assert (field.view.take() or {})[field.names[2]].events == 7
    field.view.ask()
    assert field.asked == [3, 3, 2]


def test_two_parts_of_one_node_that_nobody_took_are_one(field: Field) -> None:
    for second in (1, 2):
        field.view.ask()
        field.actors[0].answers(second, second - 1, events=5, in_flight=second)
        field.view.is_answered()
    part = (field.view.take() or {})[field.names[0]]
    assert (part.events, part.in_flight, part.since_ns, part.at_ns) == (10, 2, 0, 2 * NS_PER_S)


def test_a_lost_node_is_asked_no_more_and_what_it_was_asked_is_forgotten(field: Field) -> None:
    field.view.ask()
    field.actors[1].looks[-1].set_exception(RayActorError("gone"))
    for index in (0, 2):
        field.actors[index].answers(1, 0)
    assert field.view.is_answered()
    field.players[1].lost = "it died"
    assert set(field.view.take() or ()) == {field.names[0], field.names[2]}
    assert [node.state for node in field.view.nodes] == ["playing", "lost", "playing"]
    assert field.view.reasons == [f"2 of 6 workers were lost (node {field.names[1]}: it died)"]
    field.view.ask()
    assert field.asked == [2, 1, 2]


def test_a_loss_within_the_limit_spoils_nothing() -> None:
    field = Field(3, loss_limit_share=0.5)
    field.begin()
    field.players[1].lost = "no answer"
    field.view.take()
    assert field.view.reasons == []
    assert field.view.nodes[1].why == "no answer"


def test_a_bug_on_a_node_is_none_of_the_clusters(field: Field) -> None:
    field.view.ask()
    field.actors[0].looks[-1].set_exception(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        field.view.is_answered()


def test_a_node_that_has_not_begun_says_nothing(field: Field) -> None:
    field.view.ask()
    field.actors[0].looks[-1].set_result(None)
    field.actors[1].answers(1, 1)
    field.actors[2].looks[-1].set_result(Look(LivePart(), Totals()))  # its workers were late
    assert set(field.view.take() or ()) == {field.names[1]}
