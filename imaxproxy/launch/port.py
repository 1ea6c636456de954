"""Is a port free, and which one is."""

import errno
import random
import socket
from pathlib import Path

from imaxproxy.errors import UsageError

_LOWEST, _TRIES = 10_000, 100
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_dice = random.SystemRandom()  # processes that fork or start together must not try the same ports


def free_port(host: str, in_a_row: int = 1) -> int:
    """A port that nobody has just now, and so the next ones of a row, below those that the kernel hands out.

    A port that the kernel chose could be handed to any connection of any process before the engine listens there.
    Raises UsageError when none of a hundred is free.
    """
    for _ in range(_TRIES):
        port = _dice.randrange(_LOWEST, _first_ephemeral() - in_a_row + 1)
        if all(_is_free(host, each) for each in range(port, port + in_a_row)):
            return port
    raise UsageError(f"no free port of {host} was found between {_LOWEST} and {_first_ephemeral()}: give --engine-port")


def _is_free(host: str, port: int) -> bool:
    with socket.socket(_family(host)) as door:
        try:
            door.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise UsageError(f"no engine can listen at {host}: {error.strerror}") from error
            return False
    return True


def _first_ephemeral() -> int:
    """32768 on Linux unless it was set otherwise; the same elsewhere, where the range lies higher."""
    try:
        return max(int(_EPHEMERAL.read_text().split()[0]), _LOWEST + _TRIES)
    except (OSError, ValueError):
        return 32_768


def check_port(host: str, port: int) -> None:
    """Raises UsageError when an engine could not listen there: it would find out after its imports, or its load."""
    with socket.socket(_family(host)) as door:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the engines do: a port in TIME_WAIT is free
        try:
            door.bind((host, port))
            door.listen(1)  # with SO_REUSEADDR only this tells of another listener
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                says = f"port {port} of {host} is in use: stop what listens there, or choose another --engine-port"
            else:
                says = f"no engine can listen at {host}:{port}: {error.strerror}"
            raise UsageError(says) from error


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET
