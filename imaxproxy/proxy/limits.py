"""What one client connection may take of the proxy before an engine hears of it."""

from dataclasses import dataclass
from typing import Any

_RESERVED_DESCRIPTORS = 64
"""For what is no client: the listening socket, journals, the loop's own, and clients that are being turned away."""
_DESCRIPTORS_PER_CLIENT = 2
"""Its own connection, and one to an engine."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The defaults leave room for any honest client; images in prompts make bodies long."""

    body_bytes: int = 64 << 20
    body_idle_s: float = 30.0
    """A body of which nothing comes for so long is given up."""
    body_rate_bytes_per_s: int = 500
    """A body may take `body_idle_s`, and as much longer as this rate needs: a byte a second now and then is no body."""
    head_bytes: int = 64 << 10
    headers: int = 128
    head_s: float = 10.0
    """From a head's first byte to its last; also of a TLS handshake."""
    idle_s: float = 75.0
    """A connection on which nobody asks anything is closed."""
    connections: int | None = None
    """Clients connected at once, in this process; None: no limit."""

    def server_settings(self) -> dict[str, Any]:
        """What aiohttp's server holds by itself."""
        return {
            "max_line_size": self.head_bytes,
            "max_field_size": self.head_bytes,
            "max_headers": self.headers,
            "keepalive_timeout": self.idle_s,
        }


def connections_that_fit(descriptors: int) -> int:
    """How many clients a process can serve that may hold so many descriptors; at least one."""
    return max(1, (descriptors - _RESERVED_DESCRIPTORS) // _DESCRIPTORS_PER_CLIENT)
