"""The JSON of an event or a body, as engines really write it."""

import json
from typing import Any

import orjson


def load_json(data: bytes | bytearray) -> Any:  # noqa: ANN401 (it is what the engine sent)
    """Raises orjson.JSONDecodeError.

    An engine that cuts a character in half may send `"\\ud83d"`, which no UTF-8 can hold and orjson refuses: it is
    read as `?`, one character as well.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        if b"\\ud" not in data and b"\\uD" not in data:
            raise
        try:
            whole = json.dumps(json.loads(data), ensure_ascii=False)
        except (ValueError, RecursionError):
            whole = ""
        if not whole:
            raise
        return orjson.loads(whole.encode(errors="replace"))
