"""Whether an upstream is up: what its requests show, and what it says when asked."""

from collections.abc import Callable
from dataclasses import dataclass

from imaxproxy.errors import WireError
from imaxproxy.proxy.fetch import fetch
from imaxproxy.proxy.models import MODELS_PATH, models_in
from imaxproxy.wire import Pool

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class HealthRules:
    """When an upstream is taken out, and when it comes back."""

    interval_s: float = 5.0
    """Between two checks of one upstream."""
    path: str = "/health"
    """Asked first; an engine that has no such page is asked for `/v1/models`."""
    fall: int = 3
    """So many failures in a row take it out: of checks, or of requests that no byte came back for."""
    rise: int = 2
    """So many good checks in a row bring it back."""


class Standing:
    """One upstream's standing. Failures and successes of checks and requests count alike; only checks bring it back."""

    def __init__(self, name: str, rules: HealthRules, tell: Tell) -> None:
        self._name, self._rules, self._tell = name, rules, tell
        self.up = True
        self.ejections = 0
        self.last_error: str | None = None
        self._failures = 0
        self._good_checks = 0

    def __repr__(self) -> str:
        return f"<Standing {self._name} {'up' if self.up else 'ejected'}>"

    def failed(self, error: str) -> None:
        """A check failed, or a request did before any byte of an answer."""
        self.last_error = error
        self._good_checks = 0
        self._failures += 1
        if self.up and self._failures >= self._rules.fall:
            self.up = False
            self.ejections += 1
            self._tell(f"imaxproxy: upstream {self._name} ejected after {self._failures} failures: {error}")

    def answered(self) -> None:
        """A request was answered."""
        self._failures = 0

    def passed(self) -> None:
        """A check went well."""
        self._failures = 0
        self._good_checks += 1
        if not self.up and self._good_checks >= self._rules.rise:
            self.up = True
            self._tell(f"imaxproxy: upstream {self._name} is back")


async def check(pool: Pool, path: str, headers: tuple[bytes, ...] = ()) -> frozenset[str] | None:
    """The names of the models of an engine that is up, None where it does not say. Raises WireError when it is down.

    Up is who answers `path` below 500; where there is no such page, who answers `/v1/models` so.
    """
    status, _ = await fetch(pool, path, headers)
    if status >= 500:
        raise WireError(f"http_{status}", f"GET {path} was answered {status}")
    models_status, body = await fetch(pool, MODELS_PATH, headers)
    if status == 404 and models_status >= 500:
        raise WireError(f"http_{models_status}", f"GET {MODELS_PATH} was answered {models_status}")
    return frozenset(entry["id"] for entry in models_in(body)) or None if models_status == 200 else None
