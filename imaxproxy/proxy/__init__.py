"""The measuring proxy."""

from imaxproxy.proxy.admission import Admission
from imaxproxy.proxy.allowance import Allowance, Rate
from imaxproxy.proxy.credentials import Credentials, key_in_environment, key_in_file
from imaxproxy.proxy.fleet import Fleet
from imaxproxy.proxy.front import bind
from imaxproxy.proxy.keys import KeyRing, read_keys
from imaxproxy.proxy.limits import Limits, connections_that_fit
from imaxproxy.proxy.proxy import Proxy, Sink
from imaxproxy.proxy.tls import Certificate

__all__ = [
    "Admission",
    "Allowance",
    "Certificate",
    "Credentials",
    "Fleet",
    "KeyRing",
    "Limits",
    "Proxy",
    "Rate",
    "Sink",
    "bind",
    "connections_that_fit",
    "key_in_environment",
    "key_in_file",
    "read_keys",
]
