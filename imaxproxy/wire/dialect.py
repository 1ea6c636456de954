"""What an API's JSON means to the meter. One module for each dialect fills in `Dialect`."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from imaxproxy.metrics import EngineTiming, Flag, Usage

NO_TOKENS = (0, "", "")
"""The reading of an event without text."""

Reading = tuple[int, str, str]
"""Of one event: kind (0 when it is no token event), its text, and the JSON key under which the text stood."""

UNREADABLE = (orjson.JSONDecodeError, AttributeError, TypeError, KeyError)
"""What reading JSON of any shape may raise."""
MOST_TOKENS = 1 << 28
"""A count above this is no count of tokens: no context is that long, and a Timeline's marks hold no more."""
_MOST_USAGES = 1024
_DETAIL_CHARACTERS = 300


@dataclass(slots=True)
class Facts:
    """What a response has said of itself so far; every event may add to it."""

    model: str | None = None
    finish_reason: str | None = None
    unfinished: set[int] = field(default_factory=set)
    """Choices that began and gave no finish_reason yet."""
    finished: set[int] = field(default_factory=set)
    """Choices that gave one."""
    done: bool = False
    """The dialect's own end has come (`[DONE]`)."""
    usage: dict[str, Any] | None = None
    """The last usage object."""
    usage_of_choice: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The last usage object that came beside each choice."""
    usage_beside_none: list[dict[str, Any]] = field(default_factory=list)
    """Usage objects that came in chunks without a choice."""
    finished_at_usage: int = 0
    """How many choices had ended when the last of these came."""
    token_ids: int | None = None
    """Token ids that came so far, where the engine sends them."""
    sequence_number: int | None = None
    """The last event's, where the dialect numbers its events."""
    flags: set[Flag] = field(default_factory=set)
    error: str | None = None
    """The message of an error object."""
    timing: EngineTiming | None = None
    """The engine's own times of this request (vLLM, `--enable-per-request-metrics`)."""

    @property
    def many_choices(self) -> bool:
        """More than one answer is in this response (`n` above 1, or several prompts)."""
        return len(self.unfinished) + len(self.finished) > 1

    def tokens_so_far(self) -> int | None:
        """Output tokens by the last usage object; of many choices each has its own count."""
        if not self.many_choices:
            return None if self.usage is None else count(self.usage.get("completion_tokens"))
        return self.tokens_of_choices()

    def tokens_of_choices(self) -> int | None:
        """Output tokens by the last usage object that stood beside each choice."""
        return _sum([count(usage.get("completion_tokens")) for usage in self.usage_of_choice.values()])

    def note_usage(self, usage: dict[str, Any] | None) -> None:
        """Take the usage object of a dialect that has one at most. Raises TypeError for what is none."""
        if usage and not isinstance(usage, dict):
            raise TypeError(f"usage is a {type(usage).__name__}")
        self.usage = usage or self.usage

    def note_order(self, number: object) -> None:
        """Take an event's own number."""
        if type(number) is not int:
            return
        if self.sequence_number is not None and number != self.sequence_number + 1:
            self.flags.add(Flag.OUT_OF_ORDER)
        self.sequence_number = number


@dataclass(frozen=True, slots=True)
class Dialect:
    """One API: how to read an event of its stream, and a whole body."""

    name: str
    read_event: Callable[[dict[str, Any], Facts], Reading]
    read_body: Callable[[dict[str, Any], Facts], None]
    usage_of: Callable[[Facts], Usage]
    """What the response used in all."""
    usage_unasked: bool
    """A stream tells its usage without being asked to."""


def as_text(value: object) -> str:
    """Raises TypeError for what is no text: then this is not the API that it says it is."""
    if type(value) is not str:
        raise TypeError(f"text is a {type(value).__name__}")
    return value


def note_common(message: dict[str, Any], facts: Facts) -> None:
    """Take the fields that chunks and whole bodies of every OpenAI dialect share."""
    if facts.model is None and isinstance(message.get("model"), str):
        facts.model = message["model"]
    if usage := message.get("usage"):
        _note_usage(usage, message.get("choices"), facts)
    for key, names in _TIMINGS.items():
        if key in message:
            facts.timing = _read_timing(message[key], names)
    if message.get("error") or message.get("object") == "error":
        facts.error = error_message(message)


def note_choice(choice: dict[str, Any], facts: Facts) -> None:
    """Take a choice's finish_reason, or note that it has none yet, and its token ids (vLLM, `return_token_ids`)."""
    index = _index(choice)
    if (ids := choice.get("token_ids")) is not None:
        facts.token_ids = min((facts.token_ids or 0) + len(ids), MOST_TOKENS)
    if reason := choice.get("finish_reason"):
        facts.finish_reason = str(reason)
        facts.finished.add(index)
        facts.unfinished.discard(index)
    elif index not in facts.finished:
        facts.unfinished.add(index)


def error_message(message: dict[str, Any]) -> str:
    """The text of an error object: wrapped, flat (SGLang, TensorRT-LLM), a bare string (vLLM), FastAPI's `detail`."""
    error = message.get("error")
    if isinstance(error, dict):
        return one_line(str(error.get("message") or error))
    return one_line(str(error or message.get("message") or message.get("detail") or message))


def one_line(text: str) -> str:
    """The head of a text as one line; some engines answer with a traceback, or with the whole request."""
    return " ".join(text[: 4 * _DETAIL_CHARACTERS].split())[:_DETAIL_CHARACTERS]


def usage_of(facts: Facts, *, one_prompt: bool) -> Usage:
    """What the response used in all.

    One choice: its last usage object. Many: the one object that stands beside no choice is of all of them (vLLM,
    SGLang, Dynamo); several such (llama.cpp), or one beside each choice, are added up.

    one_prompt: many choices are answers to one prompt, not to one each.
    """
    if not facts.many_choices:
        return _read_usage(facts.usage or {})
    parts = [_read_usage(usage) for usage in facts.usage_beside_none or facts.usage_of_choice.values()]
    of_prompts = _max if one_prompt else _sum
    return Usage(
        input_tokens=of_prompts([part.input_tokens for part in parts]),
        output_tokens=_sum([part.output_tokens for part in parts]),
        reasoning_tokens=_sum([part.reasoning_tokens for part in parts]),
        cached_tokens=of_prompts([part.cached_tokens for part in parts]),
    )


def _note_usage(usage: dict[str, Any], choices: list[dict[str, Any]] | None, facts: Facts) -> None:
    if not isinstance(usage, dict):
        raise TypeError(f"usage is a {type(usage).__name__}")
    facts.usage = usage
    if choices:
        index = _index(choices[0])
        if index in facts.usage_of_choice or len(facts.usage_of_choice) < _MOST_USAGES:
            facts.usage_of_choice[index] = usage
        return
    beside_none, finished = facts.usage_beside_none, len(facts.finished)
    if beside_none and finished == facts.finished_at_usage:  # no choice has ended since: the same once more
        facts.flags.add(Flag.DUPLICATE_USAGE)
        beside_none[-1] = usage
    elif len(beside_none) < _MOST_USAGES:
        beside_none.append(usage)
    facts.finished_at_usage = finished


def _read_usage(usage: dict[str, Any]) -> Usage:
    """OpenAI's usage object, with SGLang's top-level `reasoning_tokens`; whatever is no count is not known."""
    prompt_details, completion_details = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    reasoning_tokens = count(member(completion_details, "reasoning_tokens"))
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        reasoning_tokens=count(usage.get("reasoning_tokens")) if reasoning_tokens is None else reasoning_tokens,
        cached_tokens=count(member(prompt_details, "cached_tokens")),
    )


_TIMINGS = {
    "metrics": ("time_to_first_token_ms", "mean_itl_ms", "queue_time_ms"),
    "timings": (None, "predicted_per_token_ms", None),
}
"""Where vLLM and llama-server tell their own times: TTFT, mean ITL, queueing. llama-server's `prompt_ms` is no TTFT: it
leaves out the queue."""


def _read_timing(told: object, names: tuple[str | None, ...]) -> EngineTiming | None:
    """Whatever is no time is not known."""
    values = [None if name is None else member(told, name) for name in names]
    times = [value if type(value) is float and 0 <= value < math.inf else None for value in values]
    return EngineTiming(*times) if any(time is not None for time in times) else None


def member(details: object, name: str) -> object:
    """A member of what may be an object."""
    return details.get(name) if isinstance(details, dict) else None


def count(value: object) -> int | None:
    """A count of tokens; None for what is none."""
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else None


def _index(choice: dict[str, Any]) -> int:
    index = choice.get("index") or 0
    if type(index) is not int:
        raise TypeError(f"a choice's index is a {type(index).__name__}")
    return index


def _sum(counts: list[int | None]) -> int | None:
    """Of what is known, when anything is."""
    known = [count for count in counts if count is not None]
    return min(sum(known), MOST_TOKENS) if known else None


def _max(counts: list[int | None]) -> int | None:
    return max((count for count in counts if count is not None), default=None)
