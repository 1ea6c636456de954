"""Which dialect an engine speaks: by the recipe, by what its /v1/models says, else by asking it once."""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from imaxproxy.conduct.engine.upstream import open_straight
from imaxproxy.conduct.output import say
from imaxproxy.traces import PATHS, Endpoint
from imaxproxy.wire import ENGINE_DIALECTS, UNKNOWN, VLLM, BaseUrl, EngineDialect, LengthField, known_dialect

_TIMEOUT_S = 30.0
"""A first request may compile for as long."""
_REFUSED = frozenset({400, 404, 415, 422})
"""How engines refuse a field; 401, 429 and 5xx say nothing about it."""


def dialect_of(
    url: BaseUrl, model: str, models: Iterable[Any], endpoint: Endpoint, api_key: str | None
) -> EngineDialect:
    """The dialect of the engine at a URL. One that is not known is asked for one token, at most three times.

    models: the rows of its /v1/models, as far as it answers.  Nothing is raised: an engine that cannot be asked gets
    the safe set, and a line says so.
    """
    for row in models:
        known = known_dialect(row.get("owned_by")) if isinstance(row, dict) else None
        if known is not None:
            return known
    return _asked(url, model, endpoint, api_key)


def dialect_of_recipe(engine: str) -> EngineDialect:
    """The dialect of an engine that we start ourselves."""
    return ENGINE_DIALECTS[engine]


def say_what_it_cannot(dialect: EngineDialect) -> None:
    """A line when answers cannot be held to the trace's lengths."""
    if not dialect.holds_lengths:
        say(
            f"imaxproxy: {dialect.name}: this engine takes no ignore_eos, so answers may end before the trace's "
            "lengths; their real lengths are what counts"
        )


def _asked(url: BaseUrl, model: str, endpoint: Endpoint, api_key: str | None) -> EngineDialect:
    """Ask with the fields beyond OpenAI's, then without, then with OpenAI's newer name for the length."""
    generous = replace(VLLM, name="unknown, takes ignore_eos and min_tokens")
    newer: LengthField = "max_completion_tokens"
    for dialect in (generous, UNKNOWN, replace(UNKNOWN, length_field=newer)):
        status = _status_of(url, _question(model, endpoint, dialect), endpoint, api_key)
        if status == 200:
            return dialect
        if status not in _REFUSED:
            break
    say(f"imaxproxy: {url} did not tell which fields it takes; it gets only those that OpenAI documents")
    return UNKNOWN


def _question(model: str, endpoint: Endpoint, dialect: EngineDialect) -> dict[str, Any]:
    """A stream of one token: its status comes before its text."""
    asked: dict[str, Any] = (
        {"messages": [{"role": "user", "content": "hi"}]} if endpoint == "chat" else {"prompt": "hi"}
    )
    asked |= {"model": model, "stream": True, dialect.length_field: 1}
    extras = {"ignore_eos": True, "min_tokens": 1}
    return asked | {name: value for name, value in extras.items() if name in dialect.extras}


def _status_of(url: BaseUrl, body: dict[str, Any], endpoint: Endpoint, api_key: str | None) -> int | None:
    """Of the answer, which is left unread; None when there was none."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    request = urllib.request.Request(
        f"{url}{PATHS[endpoint]}", data=json.dumps(body).encode(), headers=headers, method="POST"
    )
    try:
        with open_straight(request, url, _TIMEOUT_S) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, http.client.HTTPException):
        return None
