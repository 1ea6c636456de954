"""A small page of an engine, asked for by the proxy itself."""

import asyncio

from imaxproxy.errors import WireError
from imaxproxy.wire import Forward, Pool, Question, ResponseHead
from imaxproxy.wire.framing import Framing, UntilClose

FETCH_TIMEOUT_S = 5.0
PAGE_LIMIT_BYTES = 4 << 20


async def fetch(pool: Pool, path: str, headers: tuple[bytes, ...] = ()) -> tuple[int, bytes]:
    """GET a page; as `fetch_answer`."""
    lines = [f"GET {pool.url.prefix}{path} HTTP/1.1".encode(), b"Host: " + pool.url.authority.encode()]
    return await fetch_answer(pool, b"\r\n".join([*lines, b"Accept-Encoding: identity", *headers]) + b"\r\n\r\n")


async def fetch_answer(pool: Pool, data: bytes, timeout_s: float = FETCH_TIMEOUT_S) -> tuple[int, bytes]:
    """Status and body that answer the bytes of a GET, on a connection of its own. Raises WireError if it breaks."""
    page = _Page()
    try:
        async with asyncio.timeout(timeout_s):
            engine, _ = await pool.take(fresh=True)
            try:
                answered = await engine.ask(Question(data, None, "GET", page.on_head))
            finally:
                engine.abort()
                pool.give_back(engine)
    except TimeoutError as error:
        raise WireError("timeout_total", f"no whole answer within {timeout_s:g} s") from error
    if answered.broken is not None:
        raise answered.broken
    return page.status, bytes(page.body)


class _Page:
    """Keeps what the engine says."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self._framing: Framing = UntilClose()

    def on_head(self, head: ResponseHead) -> Forward:
        self.status, self._framing = head.status, head.framing("GET")
        return self._keep

    def _keep(self, data: bytes) -> None:
        """Broken framing, or too long a page, shows as one that cannot be read."""
        try:
            self.body += self._framing.feed(data)
        except WireError:
            self.body.clear()
        if len(self.body) > PAGE_LIMIT_BYTES:
            self.body.clear()
