"""A cluster's nodes as one crew: started together on one clock, heard as one, gathered into one run directory."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from imaxproxy.clock import monotonic_ns
from imaxproxy.cluster import Cluster, Node, reason_of
from imaxproxy.conduct.engine.launching import ENGINE_DIED
from imaxproxy.conduct.flags.ray import RayChoice
from imaxproxy.conduct.nodes.fleet import Fleet
from imaxproxy.conduct.nodes.fleet_power import FleetPower
from imaxproxy.conduct.nodes.gathering import bring
from imaxproxy.conduct.nodes.job import NodeJob
from imaxproxy.conduct.nodes.node import added
from imaxproxy.conduct.nodes.player import NodePlayer
from imaxproxy.conduct.nodes.roll import Roll
from imaxproxy.conduct.nodes.summing import NodesSummer
from imaxproxy.conduct.nodes.watch import NodesView
from imaxproxy.conduct.output import say
from imaxproxy.conduct.replay.lost_schedule import loss_of
from imaxproxy.conduct.replay.parts import Asked, PartMaker, played_by_all
from imaxproxy.conduct.replay.players import Found
from imaxproxy.conduct.replay.wording import Wording
from imaxproxy.conduct.summing import Waiting
from imaxproxy.errors import ImaxproxyError, UsageError
from imaxproxy.live.feed import View
from imaxproxy.load.process import gravest
from imaxproxy.load.share import Share
from imaxproxy.metrics import Objective
from imaxproxy.runs import RunDirectory

NODE_LOST = "node lost"
"""How a run has `ended` that was stopped because one of its nodes or workers died."""
_LEAD_NS, _LEAD_A_NODE_NS = 300_000_000, 5_000_000
"""From the word to start until the start: so that it reaches every node before."""
_FINISH_S, _GATHER_S = 600.0, 600.0


class RayPlayers:
    """`Players` of a cluster."""

    def __init__(
        self,
        cluster: Cluster,
        choice: RayChoice,
        nodes: Sequence[Node],
        actors: Sequence[Any],
        hosts: Sequence[dict[str, Any]],
        traces: Sequence[str],
        flags: dict[str, Any],
        fleet: Fleet | None = None,
    ) -> None:
        """hosts, traces: what each node is, and where the trace lies on it.  fleet: engines on nodes of their own."""
        self._fleet = fleet
        self._cluster, self._ray, self._choice, self._flags = cluster, cluster.ray, choice, flags
        self._players = [
            NodePlayer(Share(index, len(nodes)), choice.workers_per_node, *each)
            for index, each in enumerate(zip(nodes, actors, hosts, traces, strict=True))
        ]
        self._power: FleetPower | None = None
        self._began_ns: int | None = None
        """The schedule's zero by our clock, once it is told."""
        self._roll = Roll(cluster.ray, self._players, goes_on=choice.goes_on)
        self._started = self._stop_told = self._head_lost = False
        self._is_here = False
        """All journals are in the run directory."""
        self._maker: PartMaker | None = None
        self._run: RunDirectory | None = None

    def __repr__(self) -> str:
        return f"<RayPlayers on {len(self._players)} nodes>"

    @property
    def _all_workers(self) -> int:
        return len(self._players) * self._choice.workers_per_node

    def begin(self, maker: PartMaker, asked: Asked, wording: Wording, salt: str, run: RunDirectory) -> None:
        """Raises UsageError when a node cannot read the trace or bring its workers up."""
        self._maker, self._run = maker, run
        self._power = None if self._fleet is None else self._fleet.power(run)
        if self._power is not None:
            self._power.begin()
        references = [
            player.actor.begin.remote(
                NodeJob(
                    self._flags,
                    maker.load,
                    asked if self._fleet is None else replace(asked, url=self._fleet.url_of(player.share.index)),
                    wording,
                    salt,
                    player.trace,
                    player.share,
                    self._choice.workers_per_node,
                    f"{run.path.name}/node-{player.share.index}",
                    self._choice.goes_on,
                    None if self._choice.gathers else run.path.resolve(),
                )
            )
            for player in self._players
        ]
        for player, reference in zip(self._players, references, strict=True):
            try:
                complaint = self._ray.get(reference)
            except Exception as error:  # the node died: as if it had in mid-run
                self._roll.lose(player, error)
                continue
            if complaint is not None:
                raise UsageError(f"node {player.node.name}: {complaint}")

    def view(self, run: RunDirectory, objectives: tuple[Objective, ...]) -> View:
        engines = None
        if self._fleet is not None:
            engines = [str(self._fleet.url_of(player.share.index)) for player in self._players]
        return NodesView(
            self._ray,
            self._players,
            objectives,
            lambda: self._began_ns,
            keeps_lost=not self._choice.gathers,
            loss_limit_share=self._choice.loss_limit_share,
            engines=engines,
        )

    def progress(self) -> Iterator[dict[str, Any]]:
        while self._roll.is_open:
            self._roll.hear()
            if self._fleet is not None and (death := self._fleet.hear()) is not None:
                say(f"imaxproxy: {death}; the run is stopped")
                self._roll.stop_asked = True
            if self._cluster.head_is_lost and not self._head_lost:  # nodes outlive it for a minute
                self._head_lost = self._roll.stop_asked = True
            if self._power is not None:
                self._power.tick()
            if self._roll.stop_asked and not self._stop_told:
                self._stop_told = True
                self._roll.tell_all(lambda actor: actor.interrupt.remote())
            if not self._started and not self._roll.stop_asked:
                self._start_if_ready()
            counts = [player.state.counts for player in self._players if player.state.counts]
            if counts:
                yield added(counts)
        ends = [player.state.ended for player in self._players if player.state.ended is not None]
        stopped = self._head_lost or (bool(self._roll.lost_workers) and not self._choice.goes_on)
        ended = NODE_LOST if stopped or not ends else gravest(ends)
        if self._fleet is not None and self._fleet.died is not None:
            ended = ENGINE_DIED
        lost_lines = sum(player.state.lost_lines for player in self._players)
        cut_ns = sum(player.state.counts.get("idle_cut_ns", 0) for player in self._players)
        yield {"ended": ended, "lost_lines": lost_lines, "idle_cut_ns": cut_ns}

    def interrupt(self) -> None:
        self._roll.stop_asked = True

    def finish(self) -> Found:
        assert self._maker is not None
        assert self._run is not None
        living = [player for player in self._players if player.lost is None]
        for player in living:
            self._roll.ask_clock(player, "after")
        self._finish_nodes(living)
        if self._power is not None:
            self._power.close()
        if self._roll.lost_workers:  # who counts the loss has to see what is left of it
            self._bring(self._run, shows=False)
        if self._fleet is not None:
            self._fleet.finish(self._run)
        for player in self._players:
            if player.found is not None and player.found.complaint is not None:
                say(f"imaxproxy: node {player.node.name}: {player.found.complaint}")
            if (line := player.clock_line()) is not None:
                say(f"imaxproxy: {line}")
        return self._found()

    def summer(self) -> NodesSummer | None:
        return None if self._is_here else NodesSummer(self._ray, self._players)

    def gather(self, *, shows: bool) -> Found | None:
        if self._is_here:
            return None
        assert self._run is not None
        self._bring(self._run, shows=shows)
        return self._found() if self._roll.lost_workers else None

    def _found(self) -> Found:
        assert self._maker is not None
        assert self._run is not None
        lost = self._roll.lost_workers
        loss = loss_of(self._maker, lost, self._all_workers, self._run, self._roll.who, self._choice.loss_limit_share)
        if loss is not None:
            say(f"imaxproxy: {loss}")
        records = [
            player.record(NODE_LOST, None if self._fleet is None else str(self._fleet.url_of(player.share.index)))
            for player in self._players
        ]
        trace = played_by_all(
            [player.found.trace for player in self._players if player.found is not None] or [_NOTHING]
        )
        return Found(trace, {"shares": records, "lost": None if loss is None else loss.as_dict()})

    def close(self) -> None:
        """Raises what a node met: a row that could not be sent, a bug, its own loss where the run stops for that."""
        if self._fleet is not None and self._fleet.died is not None:
            raise ImaxproxyError(self._fleet.died)
        for player in self._players:
            if player.state.bug is not None:
                raise RuntimeError(f"on node {player.node.name}:\n{player.state.bug}")
        for player in self._players:
            if player.state.error is not None and (self._choice.goes_on or not self._roll.lost_workers):
                raise UsageError(f"node {player.node.name}: {player.state.error}")
        if self._head_lost:
            raise ImaxproxyError(
                "the head of the cluster was lost; the run was stopped there, and what was played until then is kept"
            )
        if (lost := self._roll.lost_workers) and not self._choice.goes_on:
            raise ImaxproxyError(
                f"workers {', '.join(map(str, lost))} of {self._all_workers} were lost ({self._roll.who}); the run was "
                "stopped there, and what the others have is kept (--on-node-loss go-on plays on)"
            )

    # Start ------------------------------------------------------------------------------------------------------------

    def _start_if_ready(self) -> None:
        playing = [player for player in self._players if player.is_open]
        if not playing or not all(player.state.ready for player in playing):
            return
        self._started = True
        for player in playing:
            self._roll.ask_clock(player, "before")
        start_ns = monotonic_ns() + _LEAD_NS + len(playing) * _LEAD_A_NODE_NS
        self._began_ns = start_ns
        for player in playing:
            if player.before is not None:
                player.zero_ns = start_ns + player.before.offset_ns
                player.actor.start.remote(player.zero_ns)

    # The end ----------------------------------------------------------------------------------------------------------

    def _finish_nodes(self, living: Sequence[NodePlayer]) -> None:
        out = None if self._choice.gathers else self._run.path.resolve()  # type: ignore[union-attr]
        references = [player.actor.finish.remote(player.to_command_ns, out) for player in living]
        for player, reference in zip(living, references, strict=True):
            try:
                player.found = self._ray.get(reference, timeout=_FINISH_S)
            except Exception as error:  # it is gone, or its disk is full
                self._roll.give_up(player, f"its journals could not be made ready: {reason_of(error)}")

    def _bring(self, run: RunDirectory, *, shows: bool) -> None:
        """All that nodes have, to here."""
        self._is_here = True
        with Waiting("copying journals", shows=shows) as waiting:
            for number, player in enumerate(self._players, 1):
                try:
                    bring(self._ray, player, run, shared=not self._choice.gathers)
                except ImaxproxyError:
                    raise
                except Exception as error:  # the node died while it was asked
                    self._roll.lose(player, error)
                waiting.hear(number / len(self._players))


_NOTHING: dict[str, Any] = {"idle_cut_s": None, "below_overhead": 0, "live_turns": 0, "answers_missing": 0}
