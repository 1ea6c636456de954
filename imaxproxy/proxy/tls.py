"""TLS towards clients."""

import ssl
from dataclasses import dataclass
from pathlib import Path

from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files: the chain, and its private key, which may stand in the same file."""

    chain: Path
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later, HTTP/1.1 only. Raises UsageError for files that are no certificate and its key."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.set_alpn_protocols(["http/1.1"])
        self.load(context)
        return context

    def load(self, context: ssl.SSLContext) -> None:
        """Read the files, at the start or again: handshakes from now on use what they hold. Raises UsageError."""
        try:
            context.load_cert_chain(self.chain, self.key, password="")  # a prompt would wait for nobody
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            why = error.strerror if isinstance(error, FileNotFoundError | PermissionError) else str(error)
            files = f"--tls-cert {self.chain}" if self.key is None else f"--tls-cert {self.chain}, --tls-key {self.key}"
            raise UsageError(f"{files}: not a certificate and its unencrypted key: {why}") from error
