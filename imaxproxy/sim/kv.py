"""KV cache memory: a pool of blocks, shared by prompts that begin alike, least recently used evicted first."""

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field


def block_hashes(tokens: Sequence[Hashable], block_tokens: int) -> list[int]:
    """Name each full block of a prompt by its tokens and all before them; equal names mean equal beginnings.

    At least one token is left unnamed: an engine computes the last token of a prompt even when it has seen it all.
    """
    names: list[int] = []
    name = 0
    for start in range(0, (len(tokens) - 1) // block_tokens * block_tokens, block_tokens):
        name = hash((name, *tokens[start : start + block_tokens]))
        names.append(name)
    return names


@dataclass(slots=True)
class Lease:
    """The blocks one stream holds: cached ones, shared by name, and its own."""

    shared: list[int] = field(default_factory=list)
    private_blocks: int = 0

    @property
    def blocks(self) -> int:
        """All of them."""
        return len(self.shared) + self.private_blocks


class BlockPool:
    """Counts blocks; which one is where matters to no prediction. Knows no stream and no time.

    A block is free, private to a lease, or cached: named, with a count of the leases that share it. A cached block no
    lease holds stays until its memory is wanted.
    """

    def __init__(self, blocks: int, block_tokens: int) -> None:
        self.blocks = blocks
        self.block_tokens = block_tokens
        self._private_blocks = 0
        self._holders: dict[int, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<BlockPool {self.used_blocks} of {self.blocks} blocks used, {len(self._idle)} idle in cache>"

    @property
    def used_blocks(self) -> int:
        """Blocks some lease holds."""
        return self._private_blocks + len(self._holders)

    @property
    def available_blocks(self) -> int:
        """Blocks one can have, by eviction if need be."""
        return self.blocks - self.used_blocks

    def blocks_for(self, tokens: int) -> int:
        """Blocks that hold so many tokens."""
        return -(-tokens // self.block_tokens)

    def lease(self, names: Sequence[int], tokens: int) -> Lease | None:
        """Take the cached beginning of a prompt, then own blocks up to `tokens`. None, and nothing taken, if short."""
        hits = self._leading_hits(names)
        wanted = max(0, self.blocks_for(tokens) - len(hits))
        newly_held = sum(name in self._idle for name in hits)
        if wanted + newly_held > self.available_blocks:
            return None
        for name in hits:
            self._hold(name)
        lease = Lease(shared=hits)
        self.grow(lease, wanted)
        return lease

    def grow(self, lease: Lease, blocks: int = 1) -> bool:
        """Add own blocks to a lease, evicting what was unused longest. False, and nothing taken, if short."""
        if blocks > self.available_blocks:
            return False
        self._private_blocks += blocks
        lease.private_blocks += blocks
        while self.used_blocks + len(self._idle) > self.blocks:
            self._idle.popitem(last=False)
        return True

    def publish(self, lease: Lease, names: Sequence[int]) -> None:
        """The prompt of this lease is computed: offer its blocks to those who begin alike.

        A name that came into the cache meanwhile is left alone, the lease keeps its own copy, and what follows it too.
        """
        for name in names[len(lease.shared) :]:
            if name in self._holders or name in self._idle:
                return
            lease.shared.append(name)
            lease.private_blocks -= 1
            self._private_blocks -= 1
            self._holders[name] = 1

    def release(self, lease: Lease) -> None:
        """Give everything back. The end of a prompt becomes the first to be evicted."""
        for name in reversed(lease.shared):
            self._holders[name] -= 1
            if not self._holders[name]:
                del self._holders[name]
                self._idle[name] = None
        self._private_blocks -= lease.private_blocks
        lease.shared, lease.private_blocks = [], 0

    def check(self, leases: Sequence[Lease]) -> None:
        """Raise AssertionError unless these leases are all there are and the counts agree."""
        names = [name for lease in leases for name in lease.shared]
        assert self._private_blocks == sum(lease.private_blocks for lease in leases), "private blocks miscounted"
        assert self._holders == {name: names.count(name) for name in set(names)}, "holders miscounted"
        assert not self._holders.keys() & self._idle.keys(), "a block both held and idle"
        assert self.used_blocks + len(self._idle) <= self.blocks, "more blocks than there are"

    def _leading_hits(self, names: Sequence[int]) -> list[int]:
        hits: list[int] = []
        for name in names:
            if name not in self._holders and name not in self._idle:
                break
            hits.append(name)
        return hits

    def _hold(self, name: int) -> None:
        self._idle.pop(name, None)
        self._holders[name] = self._holders.get(name, 0) + 1
