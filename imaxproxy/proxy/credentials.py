"""The keys that the proxy itself shows to engines, in place of those of its clients."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from imaxproxy.errors import UsageError
from imaxproxy.wire import BaseUrl

Source = Callable[[], str]
"""Reads a key anew; raises UsageError when there is none."""


class Credentials:
    """One key for all engines, or one for each, in the order of the upstreams. Shows none of them in its `repr`."""

    def __init__(self, sources: Sequence[Source] = (), urls: Sequence[BaseUrl] = ()) -> None:
        """Raises UsageError when a key cannot be had, or they are not as many as the engines."""
        if len(sources) not in (0, 1, len(urls)):
            raise UsageError(
                f"{len(sources)} upstream keys for {len(urls)} upstreams: give one for all, or one for each"
            )
        self._sources, self._urls = sources, urls
        self._lines = self._read()

    def __repr__(self) -> str:
        return f"<Credentials for {len(self._lines)} upstreams>"

    def __bool__(self) -> bool:
        return bool(self._lines)

    def of(self, url: BaseUrl) -> bytes | None:
        """The header line for this engine; None: the proxy has no key for it, and the client's own passes."""
        return self._lines.get(url)

    def reload(self) -> None:
        """Read them again. Raises UsageError and keeps the old ones when one cannot be had."""
        self._lines = self._read()

    def _read(self) -> dict[BaseUrl, bytes]:
        keys = [source() for source in self._sources]
        each = keys * len(self._urls) if len(keys) == 1 else keys
        return {url: b"Authorization: Bearer " + key.encode() for url, key in zip(self._urls, each, strict=False)}


def key_in_file(path: Path, flag: str) -> Source:
    """A file that holds one key and nothing else."""

    def read() -> str:
        try:
            return _checked(path.read_text().strip(), flag)
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8"
            raise UsageError(f"{flag} cannot be read: {why}") from error

    return read


def key_in_environment(environment: Mapping[str, str], name: str, flag: str) -> Source:
    """A variable that holds a key."""

    def read() -> str:
        if name not in environment:
            raise UsageError(f"{flag} names a variable that is not set; export it, or pass a file")
        return _checked(environment[name].strip(), flag)

    return read


def _checked(key: str, flag: str) -> str:
    if not (key and key.isascii() and key.isprintable() and " " not in key):
        raise UsageError(f"{flag}: the key is empty, or holds what no header can")
    return key
