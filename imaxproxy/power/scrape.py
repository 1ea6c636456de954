"""One page of a server, again and again over one connection."""

import http.client
from urllib.parse import urlsplit

from imaxproxy.errors import UsageError

_TIMEOUT_S = 2.0


class Page:
    """Asks by GET. Not for several threads."""

    def __init__(self, url: str, path: str) -> None:
        """url: with or without `path`, which is added where there is none. Raises UsageError for what is no URL."""
        parts = urlsplit(url if "//" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError as error:
            raise UsageError(f"{url} is no URL: {error}") from error
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UsageError(f"{url} is no URL of a page: http://HOST:PORT{path}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, port, timeout=_TIMEOUT_S)
        self._path = parts.path if parts.path not in ("", "/") else path
        self.host = parts.hostname
        self.url = f"{parts.scheme}://{parts.netloc}{self._path}"

    def get(self) -> bytes:
        """The page's body. Raises OSError when nobody answers, or answers with anything but 200."""
        try:
            return self._once()
        except (http.client.HTTPException, ConnectionError):  # a kept connection that the server has closed meanwhile
            self.close()
        try:
            return self._once()
        except http.client.HTTPException as error:
            self.close()
            raise OSError(f"{self.url}: no HTTP ({type(error).__name__})") from error
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the next `get` opens it again."""
        self._connection.close()

    def _once(self) -> bytes:
        self._connection.request("GET", self._path)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise OSError(f"{self.url} answers {answer.status}")
        return body
