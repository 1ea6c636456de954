"""How a load is played, and why it ended."""

from dataclasses import dataclass, replace
from enum import StrEnum

from imaxproxy.clock import NS_PER_S
from imaxproxy.errors import UsageError


class Ended(StrEnum):
    """Why a run ended."""

    FINISHED = "finished"
    DURATION = "duration"
    INTERRUPTED = "interrupted"
    NO_ENGINE = "no_engine"


@dataclass(frozen=True, slots=True)
class Rules:
    """How a load is played by one worker."""

    concurrency: int | None = None
    """Requests in flight of a closed loop; None: open loop, which waits for nobody."""
    duration_s: float | None = None
    """No request is sent after this."""
    timeout_s: float = 600.0
    """Of one request, from its send."""
    retries: int = 0
    """So many more attempts at a request that failed before its first token."""
    ramp_s: float = 0.0
    """A closed loop's places open one after the other over this time."""
    ramp_shift: float = 0.0
    """Where this worker's places lie between those of the others, in places."""
    system_idle_s: float | None = None
    """When nothing at all has been in flight for so long, all that waits comes forward; None: however long it takes."""

    def of_worker(self, worker: int, workers: int) -> "Rules":
        """This worker's share: places are dealt out in turn. Raises UsageError where that cannot be shared."""
        if self.system_idle_s is not None and workers > 1:
            raise UsageError(
                f"--system-idle-cap is about all requests together, and none of --workers {workers} sees those of the "
                "others: leave one out"
            )
        if self.concurrency is None:
            return self
        if self.concurrency < workers:
            raise UsageError(f"--workers {workers} cannot share --concurrency {self.concurrency}: lower --workers")
        places, more = divmod(self.concurrency, workers)
        return replace(self, concurrency=places + (worker < more), ramp_shift=worker / workers)

    @property
    def system_idle_ns(self) -> int | None:
        """See `system_idle_s`."""
        return None if self.system_idle_s is None else round(self.system_idle_s * NS_PER_S)

    def place_opens_ns(self, place: int) -> int:
        """When this place of a closed loop is there to be filled, from the start of the run."""
        if not self.ramp_s or not self.concurrency:
            return 0
        return round((place + self.ramp_shift) / self.concurrency * self.ramp_s * NS_PER_S)
