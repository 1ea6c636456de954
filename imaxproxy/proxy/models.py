"""`/v1/models` of several engines as one list, with the names that the model map gives them."""

from collections.abc import Iterable
from typing import Any

import orjson

MODELS_PATH = "/v1/models"


def models_in(body: bytes) -> list[dict[str, Any]]:
    """The entries of a `/v1/models` answer that have a name; none when it is something else."""
    try:
        page = orjson.loads(body)
    except orjson.JSONDecodeError:
        return []
    entries = page.get("data") if isinstance(page, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]


def merged(pages: Iterable[tuple[list[dict[str, Any]], list[tuple[str, str]]]]) -> dict[str, Any]:
    """One list of what all engines serve, each name once: the first engine that has it describes it.

    A page is an engine's entries and the (public, engine's own) names that the map gives to its models. A public name
    is described by the engine's entry, and stands also where the engine does not list its model.
    """
    found: dict[str, dict[str, Any]] = {}
    for entries, public_names in pages:
        own = {entry["id"]: entry for entry in entries}
        for public, model in public_names:
            found.setdefault(public, own.get(model, {"object": "model", "owned_by": "imaxproxy"}) | {"id": public})
        for name, entry in own.items():
            found.setdefault(name, entry)
    return {"object": "list", "data": list(found.values())}
