"""Sources by the name that a user gives."""

from collections.abc import Callable, Sequence

from imaxproxy.errors import UsageError
from imaxproxy.power.amd import AmdSource
from imaxproxy.power.dcgm import DcgmSource
from imaxproxy.power.nvml import NvmlSource
from imaxproxy.power.rapl import RaplSource
from imaxproxy.power.simulated import SimulatedSource
from imaxproxy.power.source import Source, SourceError

OPTIONAL, OR = "?", "|"
WITH_URL: dict[str, Callable[[str], Source]] = {"dcgm": DcgmSource, "sim": SimulatedSource}
LOCAL: dict[str, Callable[[], Source]] = {"nvml": NvmlSource, "amdsmi": AmdSource, "rapl": RaplSource}


def opener(spec: str) -> Callable[[], Source]:
    """`nvml`, `amdsmi`, `rapl`, `dcgm:URL`, `sim:URL`: what opens it. Raises UsageError for anything else.

    A question mark before it: it may be missing (`optional`). Several with a bar between: the first that opens, else
    the first one's error.
    """
    if OR in spec:
        return lambda: _first([opener(each) for each in spec.split(OR)])
    name, _, url = spec.removeprefix(OPTIONAL).partition(":")
    if name in LOCAL and not url:
        return LOCAL[name]
    if name in WITH_URL and url:
        return lambda: WITH_URL[name](url)
    known = ", ".join([*LOCAL, *(f"{each}:URL" for each in WITH_URL)])
    raise UsageError(f"--power {spec}: no such source; known: auto, {known}, file:PATH, off")


def settling_s(specs: Sequence[str]) -> float:
    """How long these may take, before a run and after it, until what they tell is of the run's time."""
    return max((DcgmSource.settle_s for spec in specs if spec.removeprefix(OPTIONAL).startswith("dcgm:")), default=0.0)


def _first(alternatives: Sequence[Callable[[], Source]]) -> Source:
    errors: list[SourceError] = []
    for opens in alternatives:
        try:
            return opens()
        except SourceError as error:
            errors.append(error)
    raise errors[0]


def openers(specs: Sequence[str]) -> dict[str, Callable[[], Source]]:
    """Of several; an optional one that does not open is left out."""
    found: dict[str, Callable[[], Source]] = {}
    for spec in specs:
        opens = opener(spec)
        if spec.startswith(OPTIONAL):
            try:
                opens().close()
            except SourceError:
                continue
        found[spec] = opens
    return found


def found_here() -> tuple[dict[str, Source], dict[str, str]]:
    """Opens what this machine has; what it has not, with the reason."""
    opened: dict[str, Source] = {}
    missing: dict[str, str] = {}
    for name, opens in LOCAL.items():
        try:
            opened[name] = opens()
        except SourceError as error:
            missing[name] = str(error)
    return opened, missing
