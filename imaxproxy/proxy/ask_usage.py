"""`--ask-usage`: ask the engine for the usage that the client did not ask for. `UsageStrip` takes it out again."""

import re
from dataclasses import dataclass
from enum import StrEnum

import orjson

from imaxproxy.proxy.json_edit import Span, find_member, replaced, with_member

_ASKS = re.compile(rb'"include_usage"\s*:\s*true')
_PATHS = frozenset({"/v1/chat/completions", "/v1/completions"})
"""Elsewhere usage comes unasked."""


class AskUsage(StrEnum):
    """What a stream shall say of its tokens."""

    FINAL = "final"
    """The total, once, at the end."""
    CONTINUOUS = "continuous"
    """And with each event the total so far (vLLM, SGLang, TensorRT-LLM, Dynamo)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request's body as the engine gets it, and what must be kept from the client in return."""

    body: bytes
    usage: bool | None = None
    """The engine is asked for usage; None where that is no question."""
    adds_final: bool = False
    adds_continuous: bool = False

    @property
    def mutated(self) -> list[str] | None:
        """What was changed, for the Exchange."""
        changed = {"stream_options.include_usage": self.adds_final}
        changed["stream_options.continuous_usage_stats"] = self.adds_continuous
        return [name for name, is_changed in changed.items() if is_changed] or None


def ask_usage(path: str, body: bytes, wanted: AskUsage | None) -> Asked:
    """The body with `stream_options` that ask for usage, where a stream was asked for and they did not.

    Every byte that need not change stays: order, spacing, big numbers, names that occur twice. What is no JSON object,
    or has options of a kind that we do not know, is left to the engine.
    """
    if path not in _PATHS:
        return Asked(body)
    if wanted is None:
        return Asked(body, usage=_ASKS.search(body) is not None)
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Asked(body)
    if not isinstance(request, dict) or request.get("stream") is not True:
        return Asked(body)
    options = request.get("stream_options")
    if not isinstance(options, dict | None):
        return Asked(body)
    adds_final = not (options or {}).get("include_usage")
    adds_continuous = wanted is AskUsage.CONTINUOUS and not (options or {}).get("continuous_usage_stats")
    names = ["include_usage"] * adds_final + ["continuous_usage_stats"] * adds_continuous
    if not names:
        return Asked(body, True)
    if "stream_options" not in request:
        return Asked(with_member(body, "stream_options", dict.fromkeys(names, True)), True, adds_final, adds_continuous)
    span = find_member(body, "stream_options")
    if span is None:  # too deep in a huge body, see `json_edit.TOKEN_LIMIT`
        return Asked(body, usage=not adds_final)
    return Asked(_with_options(body, span, names), True, adds_final, adds_continuous)


def _with_options(body: bytes, span: Span, names: list[str]) -> bytes:
    """The body with these of its stream options true; they stand at `span`."""
    options = body[span.start : span.end]
    if options == b"null":
        options = b"{}"
    for name in names:
        there = find_member(options, name)
        options = with_member(options, name, True) if there is None else replaced(options, there, True)
    return replaced(body, span, orjson.Fragment(options))
