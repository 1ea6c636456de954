"""What an engine's ranks must be told of a machine's network to meet those on other machines."""

import contextlib
import socket
import struct
from collections.abc import Mapping

_SIOCGIFADDR = 0x8915
_VARIABLES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")
"""Left to themselves Gloo takes what the host's name leads to, which may be loopback, and NCCL the first it finds."""


def part_env(address: str, ours: Mapping[str, str]) -> dict[str, str]:
    """Variables that name the interface of `address`, where the machine's environment has not set them.

    Empty where no interface has the address (a name, IPv6, an address that is translated on its way): the libraries
    find one as they do without us.
    """
    name = interface_of(address)
    return {} if name is None else {variable: name for variable in _VARIABLES if variable not in ours}


def interface_of(address: str) -> str | None:
    """The network interface with this IPv4 address, by the kernel's own list; None when none has it."""
    try:
        wanted = socket.inet_aton(socket.gethostbyname(address))
    except OSError:
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with contextlib.suppress(OSError):  # it has no IPv4 address
                if _address_of(probe, name) == wanted:
                    return name
    return None


def _address_of(probe: socket.socket, name: str) -> bytes:
    import fcntl  # not on Windows, where no engine runs

    answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
    return answer[20:24]
