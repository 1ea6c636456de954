"""The keys that clients may show: kept as hashes, each with a name and what its owner may ask for."""

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from aiohttp import web

from imaxproxy.errors import UsageError
from imaxproxy.proxy.allowance import Account, Allowance, Rate

_NAME = re.compile(r"[\w.@-]{1,64}")
_KEY = re.compile(r"[!-~]+")
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_SYNTAX = "a line is `name:key` or `key`, then, if you like, `in_flight=8` and `rate=600/min`"


class KeyRing:
    """Who may come in. Holds no key, only its SHA-256."""

    def __init__(self, lines: Iterable[str], where: str, default: Allowance) -> None:
        """Raises UsageError, which says `where` and the line but never what stands there: it may be a key."""
        self._known: dict[bytes, tuple[bytes, Account]] = {}
        names: set[str | None] = set()
        for number, line in _entries(lines):
            digest, account = _parse(line, f"{where}:{number}", f"key-{len(names) + 1}", default)
            if digest in self._known or account.name in names:
                raise UsageError(f"{where}:{number}: this name or key stands there twice; remove one")
            names.add(account.name)
            self._known[digest] = digest, account
        if not self._known:
            raise UsageError(f"{where} holds no key, and nobody could come in; {_SYNTAX}")

    def __repr__(self) -> str:
        return f"<KeyRing {', '.join(map(repr, self.accounts))}>"

    @property
    def accounts(self) -> list[Account]:
        return [account for _, account in self._known.values()]

    def account_of(self, request: web.BaseRequest) -> Account | None:
        """Whose key the request shows, as a bearer token or as `x-api-key`; None: nobody's."""
        headers = request.headers
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        account = self._find(token.strip()) if scheme.lower() == "bearer" else None
        return account or self._find(headers.get("x-api-key", ""))

    def take_over(self, old: "KeyRing") -> None:
        """Owners who stay keep what they have under way and the rate that they have used."""
        before = {account.name: account for account in old.accounts}
        for digest, (_, account) in self._known.items():
            if (same := before.get(account.name)) is not None:
                same.allowance = account.allowance
                self._known[digest] = digest, same

    def _find(self, key: str) -> Account | None:
        # The time of the look-up tells nothing: Python compares digests only where their SipHash, whose seed is secret,
        # is the same. What it found is compared once more, in a time that depends on nothing.
        digest = hashlib.sha256(key.encode(errors="surrogateescape")).digest()
        known, account = self._known.get(digest, (b"", None))
        return account if hmac.compare_digest(known, digest) else None


def read_keys(path: Path, flag: str, default: Allowance) -> KeyRing:
    """Raises UsageError for a file that cannot be read or holds no keys."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise UsageError(f"{flag} cannot be read: {why}") from error
    return KeyRing(lines, flag, default)


def _entries(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Line numbers from 1; blank lines and comments are none."""
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if text and not text.startswith("#"):
            yield number, text


def _parse(line: str, where: str, nameless: str, default: Allowance) -> tuple[bytes, Account]:
    owner, *limits = line.split()
    name, colon, key = owner.partition(":")
    if not colon or name == "sha256":
        name, key = nameless, owner
    if not _NAME.fullmatch(name) or not _KEY.fullmatch(key):
        raise UsageError(f"{where}: no name, or no key that a header can hold; {_SYNTAX}")
    hashed = _DIGEST.fullmatch(key)
    digest = bytes.fromhex(hashed[1]) if hashed else hashlib.sha256(key.encode()).digest()
    return digest, Account(name, _allowance(limits, where, default))


def _allowance(limits: list[str], where: str, default: Allowance) -> Allowance:
    in_flight, rate = default.in_flight, default.rate
    for limit in limits:
        name, _, value = limit.partition("=")
        if name == "in_flight" and value.isdecimal() and int(value):
            in_flight = int(value)
        elif name == "rate":
            rate = Rate.parse(value, f"{where}: rate")
        else:
            raise UsageError(f"{where}: what stands behind the key is no limit; {_SYNTAX}")
    return Allowance(in_flight, rate)
