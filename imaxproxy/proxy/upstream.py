"""One engine behind the proxy, and one attempt at having it answer a call."""

from collections import Counter
from dataclasses import dataclass, field

from imaxproxy.proxy.upstream_health import Standing
from imaxproxy.proxy.upstream_state import UpstreamState
from imaxproxy.wire import Answered, BaseUrl, EngineConnection, Pool

STALE = "stale_connection"


@dataclass(eq=False, slots=True)
class Upstream:
    """Where it is, its connections, and how it stands."""

    name: str
    pool: Pool
    standing: Standing
    outstanding: int = 0
    """Calls that it was chosen for and that have not ended."""
    models: frozenset[str] | None = None
    """What it says it serves; None where that is not known."""
    counts: Counter[str] = field(default_factory=Counter)
    """`requests` put to it, calls that it got at second try (`retried_...`), and its failures by name."""

    def __repr__(self) -> str:
        return f"<Upstream {self.pool!r}>"

    @property
    def url(self) -> BaseUrl:
        return self.pool.url

    async def take(self, *, fresh: bool = False) -> tuple[EngineConnection, int | None]:
        """As `Pool.take`; the call counts as outstanding until `give_back`."""
        self.outstanding += 1
        try:
            taken = await self.pool.take(fresh=fresh)
        except BaseException:
            self.outstanding -= 1
            raise
        self.counts["requests"] += 1
        return taken

    def give_back(self, engine: EngineConnection) -> None:
        self.outstanding -= 1
        self.pool.give_back(engine)

    def state(self) -> UpstreamState:
        """How it stands now; the caller's own."""
        return UpstreamState(
            self.name,
            str(self.url),
            int(self.standing.up),
            outstanding=self.outstanding,
            ejections=self.standing.ejections,
            last_error=self.standing.last_error,
            models=self.models,
            counts=self.counts.copy(),
        )


@dataclass(slots=True)
class Attempt:
    """A call's connection to an engine."""

    upstream: Upstream
    engine: EngineConnection
    connect_ns: int | None
    retried: str | None
    """Why it is not the first: the name of the failed connect, or `stale_connection`."""

    def is_stale(self, answered: Answered) -> bool:
        """The engine had closed the connection before the request came: it may be put again, once.

        Only where the connection had been used before, not one byte came back, and it ended by FIN or RST. Anything
        else may have been acted on, and a generation costs too much to have it twice.
        """
        return answered.silent and self.connect_ns is None

    async def renew(self) -> None:
        """A fresh connection to the same engine, the stale one closed. Raises WireError, a failed connect's."""
        self.retried = STALE
        self.upstream.pool.give_back(self.engine)  # it is closed, and so is dropped
        self.engine, self.connect_ns = await self.upstream.pool.take(fresh=True)
