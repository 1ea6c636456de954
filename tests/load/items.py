"""Items as a test needs them, and a player with an engine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from scripted_engine import Script, ScriptedEngine

from imaxproxy.load import Item, Player, Rules
from imaxproxy.load.answer_tokens import AnswerTokens
from imaxproxy.metrics import Exchange
from imaxproxy.wire import BaseUrl, Pool

PATH = "/v1/chat/completions"


def item(request_id: str, **fields: Any) -> Item:  # noqa: ANN401 (fields of Item)
    """A small request; its body is its id."""
    body = request_id.encode()
    data = b"POST %b HTTP/1.1\r\nHost: e\r\nContent-Length: %d\r\n\r\n%b" % (PATH.encode(), len(body), body)
    return Item(request_id, PATH, data, **fields)


@dataclass
class Playing:
    """A player, the engine it talks to, and what it measured, by request id."""

    player: Player
    engine: ScriptedEngine
    exchanges: dict[str, Exchange] = field(default_factory=dict)
    attempts: list[Exchange] = field(default_factory=list)
    """All of them, in the order in which they ended."""

    @property
    def asked(self) -> list[str]:
        """Ids in the order in which the engine got them."""
        return [request.body.decode() for request in self.engine.requests]


@asynccontextmanager
async def playing(
    script: Script,
    rules: Rules | None = None,
    *,
    starts_itself: bool = True,
    every_attempt: bool = False,
    counter: AnswerTokens | None = None,
) -> AsyncIterator[Playing]:
    """A player in this process, in front of a scripted engine."""
    exchanges: dict[str, Exchange] = {}
    attempts: list[Exchange] = []

    def sink(exchange: Exchange) -> None:
        assert every_attempt or exchange.ask.request_id not in exchanges
        attempts.append(exchange)
        exchanges[exchange.ask.request_id] = exchange

    async with ScriptedEngine(script) as engine:
        pool = Pool(BaseUrl.parse(engine.url, "--url"))
        try:
            player = Player(pool, rules or Rules(), sink, starts_itself=starts_itself, counter=counter)
            yield Playing(player, engine, exchanges, attempts)
        finally:
            pool.close()
