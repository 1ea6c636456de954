"""An OpenAI request as the simulated engine reads it. Knows no socket; refuses as vLLM 0.32 does."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import orjson

from imaxproxy.sim.tokenization import Tokenization
from imaxproxy.sim.words import stopped_at

Api = Literal["chat", "completions", "responses"]
MOST_CHOICES = 128


class BadRequest(Exception):
    """The client's mistake: an HTTP status and vLLM's error object."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "BadRequestError",
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self._error = {"message": message, "type": kind, "param": param, "code": status}

    def as_json(self) -> bytes:
        """The body of the answer."""
        return orjson.dumps({"error": self._error})


@dataclass(frozen=True, slots=True)
class Limits:
    """What the engine serves and accepts."""

    model: str
    context_tokens: int
    kv_tokens: int
    default_output_tokens: int
    tokenization: Tokenization = field(default_factory=Tokenization)


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A checked request. Tokens are those of `Tokenization`, or the ids of a token-id prompt."""

    api: Api
    prompt: Sequence[str] | Sequence[int]
    output_tokens: int
    """Of each choice."""
    finish_reason: str
    stream: bool
    include_usage: bool
    continuous_usage: bool
    choices: int = 1
    stop: tuple[str, ...] = ()
    stop_reason: str | None = None
    """The stop string that ended the answer."""
    stop_keeps_bytes: int | None = None
    """Bytes of the last token's text that stand before the stop string."""
    tool: str | None = None
    """The function that the answer calls instead of saying something."""

    @property
    def is_chat(self) -> bool:
        """Whether answers may reason and call tools."""
        return self.api == "chat"

    @property
    def prompt_tokens(self) -> int:
        """Never 0: an empty prompt still has its start token."""
        return max(1, len(self.prompt))


def parse_request(body: bytes, api: Api, limits: Limits) -> CompletionRequest:
    """Read and check a request's body. Raises BadRequest."""
    fields = _fields(body)
    _check_model(fields, limits)
    prompt = _tokens(_prompt(api, fields), limits, is_chat=api != "completions")
    output_tokens, finish_reason = _output_tokens(fields, max(1, len(prompt)), limits)
    stream = bool(fields.get("stream"))
    options = fields.get("stream_options") or {}
    if not isinstance(options, dict):
        raise _invalid("body.stream_options", "dict_type", "Input should be a valid dictionary")
    if options and not stream:
        raise BadRequest(
            "Stream options can only be defined when `stream=True`. (parameter=stream_options)", param="stream_options"
        )
    tool = _called_tool(fields) if api == "chat" else None
    return CompletionRequest(
        api=api,
        prompt=prompt,
        output_tokens=output_tokens,
        finish_reason="tool_calls" if tool is not None else finish_reason,
        stream=stream,
        include_usage=bool(options.get("include_usage")),
        continuous_usage=bool(options.get("include_usage") and options.get("continuous_usage_stats")),
        choices=_choices(fields),
        stop=_stops(fields),
        tool=tool,
    )


def _prompt(api: Api, fields: dict[str, Any]) -> list[str] | list[int]:
    if api == "responses":
        return _responses_prompt(fields)
    return _chat_prompt(fields) if api == "chat" else _completion_prompt(fields)


def stop_early(request: CompletionRequest, reasoning_tokens: int) -> CompletionRequest:
    """The request as it ends when one of its stop strings comes: the text is known beforehand."""
    found = stopped_at(request.stop, request.output_tokens, reasoning_tokens) if request.tool is None else None
    if found is None or found[0] > request.output_tokens:
        return request
    tokens, keeps_bytes, stop = found
    return replace(request, output_tokens=tokens, finish_reason="stop", stop_reason=stop, stop_keeps_bytes=keeps_bytes)


def prompt_words(body: bytes, limits: Limits) -> Sequence[str] | Sequence[int]:
    """The tokens of what `/tokenize` was asked about. Raises BadRequest."""
    fields = _fields(body)
    _check_model(fields, limits)
    is_chat = "messages" in fields
    return _tokens(_chat_prompt(fields) if is_chat else _completion_prompt(fields), limits, is_chat=is_chat)


def _tokens(prompt: list[str] | list[int], limits: Limits, *, is_chat: bool) -> list[str] | list[int]:
    """A prompt of ids is tokens already."""
    if prompt and isinstance(prompt[0], int):
        return prompt
    return limits.tokenization.of(cast(list[str], prompt), is_chat=is_chat)


def _choices(fields: dict[str, Any]) -> int:
    number = _count(fields, "n", least=1) or 1
    if number > MOST_CHOICES:
        raise BadRequest(f"n must be at most {MOST_CHOICES}, got {number}.", param="n")
    return number


def _stops(fields: dict[str, Any]) -> tuple[str, ...]:
    stop = fields.get("stop")
    if stop is None:
        return ()
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(text, str) for text in stops):
        raise _invalid("body.stop", "string_type", "Input should be a valid string or list of strings")
    return tuple(stops)


def _called_tool(fields: dict[str, Any]) -> str | None:
    """The function a request makes the model call: by `tool_choice`, named or "required"; on "auto" none is called."""
    tools, choice = fields.get("tools") or [], fields.get("tool_choice")
    if not isinstance(tools, list):
        raise _invalid("body.tools", "list_type", "Input should be a valid list")
    names = [_function_name(tool) for tool in tools]
    if choice == "required":
        if not names:
            raise BadRequest("When using `tool_choice`, `tools` must be set.", param="tool_choice")
        return names[0]
    if not isinstance(choice, dict):
        return None
    name = _function_name(choice)
    if name not in names:
        raise BadRequest(f"Tool '{name}' has not been passed in `tools`.", param="tool_choice")
    return name


def _function_name(tool: object) -> str:
    function = tool.get("function") if isinstance(tool, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(name, str):
        raise _invalid("body.tools", "missing", "Field required: function.name")
    return name


def _responses_prompt(fields: dict[str, Any]) -> list[str]:
    """`input`: a text, or messages."""
    given = fields.get("input")
    if given is None:
        raise _invalid("body.input", "missing", "Field required")
    instructions = fields.get("instructions")
    before = instructions.split() if isinstance(instructions, str) else []
    if isinstance(given, str):
        return before + given.split()
    return before + _chat_prompt({"messages": given})


def _fields(body: bytes) -> dict[str, Any]:
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(
            f"1 validation error:\n  {{'type': 'json_invalid', 'loc': 'body.{error.pos}', 'msg': 'JSON decode error', "
            f"'ctx': {{'error': '{error.msg}'}}}}",
            kind="Bad Request",
            param=f"body.{error.pos}",
        ) from None
    if not isinstance(fields, dict):
        raise _invalid("body", "dict_type", "Input should be a valid dictionary")
    return fields


def _check_model(fields: dict[str, Any], limits: Limits) -> None:
    model = fields.get("model") or limits.model
    if model != limits.model:
        raise BadRequest(
            f"The model `{model}` does not exist. Valid aliases: {limits.model}.",
            status=404,
            kind="NotFoundError",
            param="model",
        )


def _chat_prompt(fields: dict[str, Any]) -> list[str]:
    messages = fields.get("messages")
    if messages is None:
        raise _invalid("body.messages", "missing", "Field required")
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise _invalid("body.messages", "list_type", "Input should be a valid list of messages")
    if not messages:
        raise BadRequest("Cannot apply chat template to an empty conversation. Provide at least one message.")
    return [word for message in messages for word in _content_text(message.get("content")).split()]


def _content_text(content: object) -> str:
    """The text of a message: a string, or the text parts of a list; images and the like are no words."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return ""


def _completion_prompt(fields: dict[str, Any]) -> list[str] | list[int]:
    prompt = fields.get("prompt")
    if prompt is None:
        raise _invalid("body.prompt", "missing", "Field required")
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], (str, list)):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt.split()
    if isinstance(prompt, list) and all(isinstance(token, int) for token in prompt):
        return prompt
    raise _invalid("body.prompt", "prompt", "the simulated engine takes one prompt: a string or a list of token ids")


def _output_tokens(fields: dict[str, Any], prompt_tokens: int, limits: Limits) -> tuple[int, str]:
    """How many tokens to make and why it will end there.

    The simulated model never stops by itself below max_tokens; without one it stops at the default length, unless
    ignore_eos makes it fill the context.
    """
    room_tokens = min(limits.context_tokens, limits.kv_tokens) - prompt_tokens
    if room_tokens < 1:
        raise _too_long(prompt_tokens, 1, limits)
    names = ("max_completion_tokens", "max_output_tokens")
    name = next((name for name in names if fields.get(name) is not None), "max_tokens")
    least_tokens = _count(fields, "min_tokens", least=0) or 0
    most_tokens = _count(fields, name, least=1)
    if most_tokens is None:
        length = room_tokens if fields.get("ignore_eos") else limits.default_output_tokens
        return min(room_tokens, max(length, least_tokens)), "length" if fields.get("ignore_eos") else "stop"
    if least_tokens > most_tokens:
        raise BadRequest(f"min_tokens must be less than or equal to max_tokens={most_tokens}, got {least_tokens}.")
    if most_tokens > room_tokens:
        raise _too_long(prompt_tokens, most_tokens, limits)
    return most_tokens, "length"


def _count(fields: dict[str, Any], name: str, least: int) -> int | None:
    value = fields.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _invalid(f"body.{name}", "int_type", "Input should be a valid integer")
    if value < least:
        raise BadRequest(f"{name} must be at least {least}, got {value}. (parameter={name}, value={value})", param=name)
    return value


def _too_long(prompt_tokens: int, output_tokens: int, limits: Limits) -> BadRequest:
    room_tokens = min(limits.context_tokens, limits.kv_tokens)
    return BadRequest(
        f"This model's maximum context length is {room_tokens} tokens. However, you requested {output_tokens} output "
        f"tokens and your prompt contains {prompt_tokens} input tokens, for a total of {prompt_tokens + output_tokens} "
        f"tokens. Please reduce the length of the input prompt or the number of requested output tokens. "
        f"(parameter=input_tokens, value={prompt_tokens})",
        param="input_tokens",
    )


def _invalid(location: str, kind: str, message: str) -> BadRequest:
    return BadRequest(
        f"1 validation error:\n  {{'type': '{kind}', 'loc': '{location}', 'msg': '{message}'}}",
        kind="Bad Request",
        param=location,
    )
