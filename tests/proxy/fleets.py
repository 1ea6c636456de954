"""Engines that say who they are, and a fleet of them."""

import json
import socket
from typing import Any

from scripted_engine import Script, answering, page

from imaxproxy.proxy import FleetRules
from imaxproxy.wire import BaseUrl
from proxy.running import Running, get, post

NO_CHECKS = FleetRules(health=None)


def named(name: str, *models: str) -> Script:
    """An engine that says who it is and what it serves."""
    listed = page(
        200, json.dumps({"object": "list", "data": [{"id": model, "own": name} for model in models]}).encode()
    )
    return answering(page(200, name.encode()), models=listed)


def body(**members: object) -> bytes:
    return json.dumps(members).encode()


async def stats(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((await running.ask(get(b"/imax/stats")))[1])["upstreams"]
    return found


async def asked(running: Running, *bodies: bytes) -> bytes:
    """Who answered each."""
    return b"".join([(await running.ask(post(each)))[1] for each in bodies])


def refuse(running: Running, number: int) -> socket.socket:
    """From now on nobody listens where this upstream is."""
    nobody = socket.socket()
    nobody.bind(("127.0.0.1", 0))
    pool = running.fleet.upstreams[number].pool
    pool.url = BaseUrl("127.0.0.1", nobody.getsockname()[1])
    return nobody
