"""What each worker of a schedule plays: the trace's rows, dealt out, and what makes requests of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from imaxproxy.conduct.flags.load import Load
from imaxproxy.conduct.replay.trace_file import TraceFile
from imaxproxy.conduct.replay.wording import Wording, Wordings
from imaxproxy.load import Asking, Feeder, IdleCap, ItemMaker, Placement, cancel_of
from imaxproxy.load.process import Part
from imaxproxy.traces import Prompts, TextSalt
from imaxproxy.wire import BaseUrl, EngineDialect


@dataclass(frozen=True, slots=True)
class Asked:
    """The engine, as requests know it."""

    url: BaseUrl
    model: str
    dialect: EngineDialect
    described: dict[str, Any] | None = None
    """What is known of who answers."""


@dataclass(frozen=True, slots=True)
class PlayedPart:
    """What one worker plays, and what was done to the trace for it."""

    fed: Part
    maker: ItemMaker
    prompts: Prompts
    idle_cap: IdleCap | None


class PartMaker:
    """Makes the parts of any workers: each reads the whole trace and draws the whole schedule, and keeps its own."""

    def __init__(self, trace: TraceFile, wordings: Wordings, load: Load, flags: dict[str, Any]) -> None:
        self.trace, self.load = trace, load
        self._wordings, self._flags = wordings, flags

    @property
    def tokenizer_path(self) -> str | None:
        """Of what counts the tokens that the engine does not."""
        return self._wordings.tokenizer_path

    def parts(self, asked: Asked, wording: Wording, salt: str, workers: Sequence[int], of: int) -> list[PlayedPart]:
        """Those of `workers`, of `of` in all."""
        seed = self.load.seed
        return [self._part(asked, wording.prompts(seed, salt), salt, worker, of) for worker in workers]

    def idle_cap(self) -> IdleCap | None:
        """A new one, for one reading of the schedule."""
        longest_s = self._flags["max_idle_gap"]
        return None if longest_s is None else IdleCap(longest_s, self.load.speed)

    def _part(self, asked: Asked, prompts: Prompts, salt: str, worker: int, of: int) -> PlayedPart:
        flags, load = self._flags, self.load
        live = flags["history"] == "live"
        idle_cap = self.idle_cap()
        cancel = cancel_of(flags["cancel"], load.seed) if flags["cancel"] is not None else None
        asking = Asking(
            asked.url,
            asked.model,
            flags["endpoint"],
            flags["api_key"],
            live,
            asked.dialect,
            flags["continuous_usage"],
        )
        maker = ItemMaker(asking, prompts, load.speed, cancel)
        if (plan := self.trace.lanes) is None:
            warmup, scheduled = None, load.scheduled(self.trace.rows(), idle_cap)
        else:
            warmup, scheduled = load.in_lanes(plan, self.trace.again, TextSalt(salt), idle_cap)
        placement = Placement(of)
        held = {} if plan is None else {"held_weight": plan.held_weight, "queue_items": plan.queue_items}
        fed = Part(
            Feeder(self._wordings.counted(placement.part(scheduled, worker)), maker.item, live=live, **held),
            None if warmup is None else Feeder(placement.part(warmup, worker), maker.item_before_start),
        )
        return PlayedPart(fed, maker, prompts, idle_cap)


def played(parts: Sequence[PlayedPart]) -> dict[str, Any]:
    """What the load did to the trace, for the manifest."""
    return {
        "idle_cut_s": max((part.idle_cap.cut_s for part in parts if part.idle_cap is not None), default=None),
        "below_overhead": sum(part.prompts.below_overhead for part in parts),
        "live_turns": sum(part.maker.live.turns for part in parts),
        "answers_missing": sum(part.maker.live.answers_missing for part in parts),
    }


def played_by_all(each: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several machines: every one reads, and cuts, all of the trace, and makes its own requests."""
    cuts = [one["idle_cut_s"] for one in each if one["idle_cut_s"] is not None]
    added = ("below_overhead", "live_turns", "answers_missing")
    return {"idle_cut_s": max(cuts, default=None)} | {name: sum(one[name] for one in each) for name in added}
