"""Faults: what can go wrong on command, for one request (header `x-sim-fault`), by probability or in a window of time.

name[=value][,key=value ...]      disconnect=4,how=fin      http_429,retry_after=2,p=0.1,from=10,until=20
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError

HEADER = "x-sim-fault"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """What a name means."""

    says: str
    value: str | None = None
    """What the value is, where there must be one."""
    keys: dict[str, float | str] = field(default_factory=dict)
    """Further keys, with their defaults."""
    whole: bool = False
    """An answer that is not streamed can have it too."""
    engine: bool = False
    """It befalls the engine with all its streams, not one request's answer."""


_TOKENS = "a number of tokens that come before it"
KINDS: dict[str, FaultKind] = {
    "http_429": FaultKind("refused with 429", keys={"retry_after": 1.0}, whole=True),
    "http_500": FaultKind("refused with 500", whole=True),
    "http_503": FaultKind("refused with 503", keys={"retry_after": 1.0}, whole=True),
    "slow_start": FaultKind("the answer's head comes late", "milliseconds", whole=True),
    "ttft_stall": FaultKind("the first event comes late", "milliseconds"),
    "mid_stall": FaultKind("a pause, then all that was due at once", _TOKENS, {"ms": 500.0}),
    "disconnect": FaultKind("the connection breaks", _TOKENS, {"how": "rst"}),
    "truncate": FaultKind("the body ends well, without finish reason, usage and [DONE]", _TOKENS),
    "no_done": FaultKind("no [DONE]"),
    "no_finish_reason": FaultKind("finish_reason stays null"),
    "error_event": FaultKind("an error object in the stream, then [DONE]", _TOKENS),
    "malformed": FaultKind("one event more, whose JSON is cut", _TOKENS),
    "split_utf8": FaultKind("one event more whose character is cut by a write", _TOKENS),
    "crlf": FaultKind("lines end in CR LF"),
    "no_blank_line": FaultKind("two events without the blank line between them", _TOKENS),
    "comments": FaultKind("a keep-alive comment before each event"),
    "no_space": FaultKind("data: without the space"),
    "giant": FaultKind("one event more, of so many bytes", "bytes"),
    "split_event": FaultKind("each event in two writes, and two TCP segments"),
    "joined": FaultKind("so many events in one write", "events"),
    "duplicate": FaultKind("one event twice", _TOKENS),
    "reorder": FaultKind("two events in the wrong order", _TOKENS),
    "empty_delta": FaultKind("an event without text before each event"),
    "tool_beside_content": FaultKind("the last word of each answer event comes as a tool call's argument"),
    "role_only_first": FaultKind("the role comes ahead, as an event of its own"),
    "wrong_usage": FaultKind("usage counts so many tokens too many", "tokens", whole=True),
    "zero_tokens": FaultKind("an answer without a token", whole=True),
    "never_ends": FaultKind("after so many tokens nothing more comes and nothing ends", _TOKENS),
    "slow_reader": FaultKind("the socket takes no bytes for a while: writes pile up", _TOKENS, {"ms": 500.0}),
    "connection_refused": FaultKind("the port is closed", keys={"ms": 1000.0}, engine=True),
    "engine_crash": FaultKind("all connections are reset, and the port is closed", keys={"ms": 1000.0}, engine=True),
    "kv_thrash": FaultKind("each step preempts the newest stream", keys={"ms": 500.0}, engine=True),
    "one_slow_rank": FaultKind("each step takes so many times as long", "a factor", {"ms": 1000.0}, engine=True),
}
_WHEN = {"p": 1.0, "from": 0.0, "until": float("inf"), "nth": 0.0}
"""Chance; window in seconds from when the fault was armed; every nth request only."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault as it was asked for."""

    name: str
    value: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    spec: str = ""

    @property
    def kind(self) -> FaultKind:
        """What the name means."""
        return KINDS[self.name]

    @property
    def after_tokens(self) -> int:
        """Tokens that come before it."""
        return int(self.value) if self.kind.value == _TOKENS else 0

    @property
    def wait_s(self) -> float:
        """How long a stall or an outage lasts."""
        if self.kind.value == "milliseconds":
            return self.value / 1000
        return float(self.options.get("ms", 0.0)) / 1000


def parse_fault(spec: str) -> Fault:
    """Read a fault. Raises UsageError that says what there is."""
    first, *rest = [part.strip() for part in spec.split(",")]
    name, _, value = first.partition("=")
    if name not in KINDS:
        raise UsageError(f"unknown fault {name!r} in {HEADER}; known: {', '.join(KINDS)}")
    kind = KINDS[name]
    if bool(value) != bool(kind.value):
        raise UsageError(
            f"fault {name} needs {kind.value or 'no value'}{f', {name}=4' if kind.value else ''}, not {spec!r}"
        )
    options: dict[str, Any] = dict(kind.keys)
    for part in rest:
        key, _, text = part.partition("=")
        if key not in kind.keys and key not in _WHEN:
            raise UsageError(f"fault {name} has no {key!r}; it has {', '.join([*kind.keys, *_WHEN])}")
        options[key] = text if key == "how" else _number(name, key, text)
    if options.get("how", "rst") not in ("rst", "fin"):
        raise UsageError(f"fault {name}: how is rst or fin, not {options['how']!r}")
    if not 0 <= options.get("p", 1.0) <= 1:
        raise UsageError(f"fault {name}: p is a chance from 0 to 1, not {options['p']:g}")
    return Fault(name, _number(name, "its value", value) if value else 0.0, options, spec)


def _number(name: str, key: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise UsageError(f"fault {name}: {key} is a number of 0 or more, not {text!r}")
    return number


class FaultPlan:
    """Faults that are armed, and which of them strikes a request: drawn from one seed, in the requests' order."""

    def __init__(self, specs: Sequence[str] = (), seed: int = 0, armed_ns: int = 0) -> None:
        self.arm(specs, seed, armed_ns)

    def arm(self, specs: Sequence[str], seed: int, now_ns: int) -> None:
        """Replace what was armed. Raises UsageError, and leaves all as it was."""
        self.faults = [parse_fault(spec) for spec in specs]
        self.seed = seed
        self._rng = random.Random(seed)
        self._armed_ns = now_ns
        self._requests = 0

    def describe(self) -> dict[str, Any]:
        """For `/imax/faults`."""
        return {"faults": [fault.spec for fault in self.faults], "seed": self.seed, "requests": self._requests}

    def strike(self, now_ns: int) -> Fault | None:
        """The fault of the next request: the first that draws it. Each that is armed draws for each in its window."""
        self._requests += 1
        struck = None
        for fault in self.faults:
            if self._is_due(fault, now_ns) and self._rng.random() < fault.options.get("p", 1.0) and struck is None:
                struck = fault
        return struck

    def _is_due(self, fault: Fault, now_ns: int) -> bool:
        at_s, nth = (now_ns - self._armed_ns) / NS_PER_S, int(fault.options.get("nth", 0))
        in_window: bool = fault.options.get("from", 0.0) <= at_s < fault.options.get("until", float("inf"))
        return in_window and (not nth or self._requests % nth == 0)
