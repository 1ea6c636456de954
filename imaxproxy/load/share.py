"""One of several equal shares of a schedule, each played by workers of its own on some machine."""

from dataclasses import dataclass

from imaxproxy.errors import UsageError


@dataclass(frozen=True, slots=True)
class Share:
    """Share `index`, from 0, of `of`. All shares have the same number of workers, numbered through over all of them."""

    index: int = 0
    of: int = 1

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read `I/N`. Raises UsageError for what is none."""
        index, slash, of = text.partition("/")
        try:
            share = cls(int(index), int(of))
        except ValueError:
            share = cls(0, 0)
        if not slash or share.of < 1 or share.index < 0:
            raise UsageError(f"--share {text}: give I/N, such as 0/4 for the first of four (JOB_COMPLETION_INDEX/N)")
        if share.index >= share.of:
            raise UsageError(
                f"--share {text}: shares count from 0, so the last one of {share.of} is {share.of - 1}/{share.of}"
            )
        return share

    def workers(self, each: int) -> range:
        """The numbers of this share's workers, where every share has `each`."""
        return range(self.index * each, (self.index + 1) * each)

    def all_workers(self, each: int) -> int:
        """How many there are in all shares together."""
        return self.of * each


ALL = Share()
"""The whole schedule, as one share."""
