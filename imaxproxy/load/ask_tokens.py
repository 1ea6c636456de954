"""Asking an engine how many tokens a prompt has: one request of a single token, outside of what is measured."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from imaxproxy.load.calibrate import AskTokens, NotCalibrated
from imaxproxy.traces import PATHS, Endpoint
from imaxproxy.wire import BaseUrl, hidden

TIMEOUT_S = 30.0
"""A first request may meet kernels that are still compiled: 25 s were seen."""
_READ_BYTES, _SHOWN_CHARACTERS = 4096, 200


def engine_counts(url: BaseUrl, model: str, endpoint: Endpoint, api_key: str | None = None) -> AskTokens:
    """A function that sends a prompt and gives `usage.prompt_tokens`; it raises NotCalibrated where that cannot be."""

    def ask(text: str) -> int | None:
        asked = {"messages": [{"role": "user", "content": text}]} if endpoint == "chat" else {"prompt": text}
        answer = _post(url, PATHS[endpoint], {**asked, "model": model, "max_tokens": 1, "stream": False}, api_key)
        usage = answer.get("usage")
        tokens = usage.get("prompt_tokens") if isinstance(usage, dict) else None
        return tokens if type(tokens) is int else None

    return ask


def _post(url: BaseUrl, path: str, body: dict[str, Any], api_key: str | None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    keys = [api_key] if api_key else []
    request = urllib.request.Request(f"{url}{path}", json.dumps(body).encode(), headers)
    straight = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=url.ssl_context)]  # as the player
    try:
        with urllib.request.build_opener(*straight).open(request, timeout=TIMEOUT_S) as response:
            answer = json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            said = hidden(" ".join(error.read(_READ_BYTES).decode(errors="replace").split()), keys)
        raise NotCalibrated(f"the engine answered {error.code}: {said[:_SHOWN_CHARACTERS]}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotCalibrated(f"no usable answer from {url} ({error or type(error).__name__})") from None
    return answer if isinstance(answer, dict) else {}
