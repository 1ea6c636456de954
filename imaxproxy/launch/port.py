"""Is a port free, and which one is."""

import errno
import socket

from imaxproxy.errors import UsageError


def free_port(host: str) -> int:
    """A port that nobody has just now."""
    with socket.socket(_family(host)) as door:
        door.bind((host, 0))
        number: int = door.getsockname()[1]
        return number


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
