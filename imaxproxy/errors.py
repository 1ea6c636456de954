"""What a user may see go wrong. A request that failed is data (`exchange.error`), never one of these."""


class ImaxproxyError(Exception):
    """One line that says what to change. Ends a command with `exit_code`, without a traceback."""

    exit_code = 1


class UsageError(ImaxproxyError):
    """A flag, recipe or file is wrong; nothing has run yet."""

    exit_code = 2


class WireError(ImaxproxyError):
    """The peer broke HTTP or SSE. Ends one Exchange, never the run; `kind` is the name it is counted under."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
