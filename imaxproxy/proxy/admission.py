"""Who may ask what: the first look at a request, before anything is done for it."""

import hmac
import re
from collections import Counter
from collections.abc import Callable, Iterable

from aiohttp import web

from imaxproxy.proxy.allowance import Account, Allowance, Standing
from imaxproxy.proxy.credentials import Credentials
from imaxproxy.proxy.keys import KeyRing
from imaxproxy.proxy.limits import Limits
from imaxproxy.proxy.refused import Refused
from imaxproxy.wire import BaseUrl

OPEN_PATHS = frozenset({"/health"})
"""Pages of ours that tell a load balancer that we are here, and nobody anything else."""
_LIVE_PATH = "/imax/live"
_REFUSED_METHODS = frozenset({"CONNECT", "TRACE"})
_TARGET = re.compile(r'[!"$-~]+')
"""RFC 9112, section 3.2: visible ASCII, and no fragment."""


class Admission:
    """The limits, the keys of clients, and those for engines."""

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 (frozen)
        read_keys: Callable[[], KeyRing] | None = None,
        anyone: Allowance = Allowance(),  # noqa: B008 (frozen)
        credentials: Credentials | None = None,
        standing_of: Callable[[str | None], Standing] | None = None,
        screen_key: str | None = None,
    ) -> None:
        """read_keys: gives the keys, each time it is asked; None: nobody is asked for one, and all are `anyone`.
        standing_of: where a limited client's figures are kept that several processes share, by its name.
        screen_key: what the command's own screen shows to see the live view, and nothing else.

        Raises UsageError when the keys cannot be had.
        """
        self.limits = limits
        self._credentials = credentials if credentials is not None else Credentials()
        self.refused: Counter[str] = Counter()
        """Requests that stand in no journal: nobody knows whose they were, and anybody can send any number of them."""
        self._read_keys = read_keys
        self._keys = read_keys() if read_keys is not None else None
        self._open_paths = OPEN_PATHS
        self._anyone = Account(None, anyone)
        self._screen_line = None if screen_key is None else f"Bearer {screen_key}".encode()
        if standing_of is not None:
            for account in [self._anyone, *(self._keys.accounts if self._keys is not None else ())]:
                if account.allowance != Allowance():
                    account.standing = standing_of(account.name)

    def __repr__(self) -> str:
        return f"<Admission {self._keys or self._anyone}>"

    @property
    def asks_for_keys(self) -> bool:
        return self._keys is not None

    def reload(self) -> None:
        """Read all keys again. Raises UsageError and keeps the old ones when they cannot be had."""
        self._credentials.reload()
        if self._read_keys is not None and self._keys is not None:
            keys = self._read_keys()
            keys.take_over(self._keys)
            self._keys = keys

    def credential_for(self, url: BaseUrl) -> bytes | None:
        """The header line with the key that this engine is shown instead of the client's.

        Empty for none: the client's key is for us, and no engine sees it. None: the client's own passes.
        """
        return self._credentials.of(url) or (None if self._keys is None else b"")

    def account_of(self, request: web.BaseRequest) -> Account:
        """Whose request it is. Raises Refused for one that no engine shall see; that is counted here."""
        try:
            self._check(request)
            if self._keys is None or request.path in self._open_paths or self.is_own_screen(request):
                return self._anyone
            account = self._keys.account_of(request)
            if account is None:
                raise Refused("no_key", "show a valid key, as `Authorization: Bearer ...` or as `x-api-key`")
        except Refused as refused:
            self.refused[refused.kind] += 1
            raise
        return account

    def open(self, paths: Iterable[str]) -> None:
        """Pages of ours, never an engine's, that need no key: they hold no figure."""
        self._open_paths |= frozenset(paths)

    def is_own_screen(self, request: web.BaseRequest) -> bool:
        """Whether the screen of this very command asks for the live view."""
        if self._screen_line is None or request.path != _LIVE_PATH:
            return False
        shown = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return hmac.compare_digest(shown, self._screen_line)

    def _check(self, request: web.BaseRequest) -> None:
        """What the parser lets pass, and an engine might read otherwise than we do."""
        if request.method in _REFUSED_METHODS:
            raise Refused("method_refused", f"{request.method} is not for this server", close=True)
        target = request.raw_path
        if not _TARGET.fullmatch(target):
            raise Refused("bad_request", "the request's target is no URL", close=True)
        if target[0] != "/" and target != "*":
            _check_absolute(request)
        if sum([len(name) + len(value) + 4 for name, value in request.raw_headers]) > self.limits.head_bytes:
            what = f"the request's headers are over {self.limits.head_bytes >> 10} KiB"
            raise Refused("head_too_large", what, close=True)


def _check_absolute(request: web.BaseRequest) -> None:
    """A target with a scheme and a host names the host that `Host` does (RFC 9112, section 3.2.2), or is a trick."""
    scheme, _, rest = request.raw_path.partition("://")
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    if scheme.lower() not in ("http", "https") or authority.lower() != request.headers.get("Host", "").lower():
        raise Refused("bad_request", "the request's target and its Host header name different hosts", close=True)
