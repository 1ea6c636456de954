"""An engine as launching sees it: the processes of a recipe, and what its start, its pages and its end look like.

One module for each engine fills this in as data; the supervisor reads it and knows no engine by name.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from imaxproxy.launch.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePart:
    """Which machine's part of an engine that spans several. Rank 0 is its head: it serves HTTP, and all meet there."""

    rank: int
    address: str
    """This machine's, as the others reach it."""
    head: str
    """The head's address."""
    port: int
    """On the head, the first of `Engine.meeting_ports` in a row."""
    env: dict[str, str] = field(default_factory=dict)
    """What the machine's network needs said, where nobody has said it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a recipe is to run: what the machine and the command decide, not the recipe."""

    run_dir: Path
    """Generated files, logs and scratch folders go here."""
    bin: Path
    """The folder of the environment's programs: its Python, the engine's scripts, llama-server."""
    host: str = "127.0.0.1"
    port: int = 8000
    gpus: tuple[str, ...] = ()
    """Indices or UUIDs to pin, one for each GPU of the recipe; empty on a machine without."""
    dummy_weights: bool = False
    """Random weights in place of a checkpoint, whatever the recipe says."""
    part: NodePart | None = None
    """Of an engine that spans nodes: `run_dir`, `host`, `port` and `gpus` are this node's."""

    @property
    def python(self) -> Path:
        """The environment's interpreter."""
        python3 = self.bin / "python3"
        return python3 if python3.exists() else self.bin / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process to start."""

    name: str
    """"server", or the part it plays: "frontend", "prefill-0"; its log is <name>.log."""
    argv: tuple[str, ...]
    env: dict[str, str]
    """On top of the caller's own environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that starting a recipe takes."""

    processes: tuple[Process, ...]
    """To be started together. The last one serves HTTP; when any of them ends, the engine has died."""
    files: dict[Path, str] = field(default_factory=dict)
    """Text files that must lie there before (TensorRT-LLM's options)."""
    folders: tuple[Path, ...] = ()
    """Empty folders that must lie there before (Dynamo's discovery)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What tells that an engine serves; a first token is asked for after it in any case."""

    path: str = "/v1/models"
    """Answers 200 only when the engine is there."""
    lists_model: bool = True
    """The page must also name at least one model: Dynamo answers 200 with none while no worker lives."""
    timeout_s: float = 5.0
    """Of one question."""
    every_s: float = 0.25
    """Between two of them."""


@dataclass(frozen=True, slots=True)
class Milestone:
    """A line of the engine's log that says how far its start has come."""

    pattern: re.Pattern[str]
    says: str
    """For the progress bar."""
    share: float
    """Of the start, 0 to 1: what has been passed when this line comes."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A line of the engine's log that says why it died, and what to do about it; {1} is the pattern's first group."""

    pattern: re.Pattern[str]
    advice: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsPage:
    """Where an engine tells of itself, and by which names; None for what it does not tell.

    Gauges unless they say otherwise. Labels (engine, model, rank) are summed, shares averaged.
    """

    path: str = "/metrics"
    running: str | None = None
    waiting: str | None = None
    kv_share: str | None = None
    """0 to 1."""
    prompt_tokens: str | None = None
    """Counter, as are all below down to `accepted_tokens`."""
    output_tokens: str | None = None
    prefix_queries_tokens: str | None = None
    prefix_hits_tokens: str | None = None
    preemptions: str | None = None
    drafts: str | None = None
    draft_tokens: str | None = None
    accepted_tokens: str | None = None
    prefix_hit_share: str | None = None
    """Gauge, 0 to 1, of engines that do not count."""
    accept_length_tokens: str | None = None
    """Gauge: mean tokens a step, of engines that do not count."""
    ttft_seconds: str | None = None
    """Histogram, as is the next: the engine's own TTFT, from the request's arrival."""
    itl_seconds: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFraction:
    """What the engine's memory fraction is a fraction of: no two mean the same."""

    of: Literal["total", "weights and KV of total", "free after weights"]
    default: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """How an engine ends when asked to."""

    grace_s: float = 10.0
    """From SIGTERM to SIGKILL of its process group, with no stream in flight."""
    drains: bool = False
    """It waits for running streams without limit: close them first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """One engine. `plan(recipe, place)` raises UsageError for what the engine cannot do."""

    name: str
    package: str
    """What pip installs, and whose version counts, unless the recipe names another."""
    plan: Callable[[Recipe, Place], Plan]
    readiness: Readiness
    milestones: tuple[Milestone, ...]
    failures: tuple[Failure, ...] = ()
    metrics: MetricsPage | None = None
    """None: the engine has no such page."""
    memory: MemoryFraction | None = None
    stopping: Stopping = Stopping()
    help_flag: str = "--help"
    """What makes it print all its flags."""
    parts: tuple[str, ...] = ()
    """Words in the command lines of its inner processes: without them it does not serve, and says so seconds later."""
    gpu_warmup_rounds: tuple[int, ...] = ()
    """Streams at once, round by round, where a GPU wants more than the usual warm-up."""
    meeting_ports: int = 0
    """Ports in a row at which the parts of one engine on several nodes meet; 0: it is launched on one node only."""
    named_by_path: bool = False
    """Clients must ask for the model by what was loaded; the engine takes no other name."""

    def client_name(self, recipe: Recipe) -> str:
        """The name under which clients ask for the model."""
        return recipe.load_from if self.named_by_path else recipe.client_name


def milestones(*rows: tuple[str, str, float]) -> tuple[Milestone, ...]:
    """Rows of (pattern, says, share); shares must rise."""
    shares = [share for _pattern, _says, share in rows]
    assert shares == sorted(shares), "milestones out of order"
    return tuple(Milestone(re.compile(pattern), says, share) for pattern, says, share in rows)


def failures(*rows: tuple[str, str]) -> tuple[Failure, ...]:
    """Rows of (pattern, advice), the surest first."""
    return tuple(Failure(re.compile(pattern), advice) for pattern, advice in rows)
