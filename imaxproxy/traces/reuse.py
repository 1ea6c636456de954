"""How much of a trace's prompts a cache could serve."""

from imaxproxy.traces.checks import block_key
from imaxproxy.traces.row import TraceRow


class PrefixReuse:
    """How much of the prompts an infinite cache of the trace's own blocks would have served.

    A row's hits are its leading hash ids that an earlier row had; the first touch is a miss. A partial last block hits
    only where a whole prompt comes again, and then with the tokens that it holds. A row with a `prefix_length` hits
    with as much of it as its group, or its session, has shown before. The same trace gives figures several points
    apart under different denominators (the 40 % of Mooncake's paper is the mean per request, where the token-weighted
    share is 37 %), so all three are named:

        token_weighted    = sum(hit tokens) / sum(input tokens)
        block_weighted    = sum(hit blocks) / sum(blocks), None without hash ids
        mean_per_request  = mean(hit tokens / input tokens)
    """

    def __init__(self) -> None:
        self._seen: set[tuple[str | None, int, int] | int] = set()
        self._shown_tokens: dict[tuple[str, str], int] = {}
        self.requests = 0
        self._input_tokens = self._hit_tokens = self._blocks = self._hit_blocks = 0
        self._ratios = 0.0

    def add(self, row: TraceRow) -> None:
        if row.input_length is None:
            return
        if row.hash_ids:
            self._count(self._block_hits(row, row.input_length), row.input_length)
        elif row.prefix_length is not None:
            self._count(self._prefix_hits(row, row.prefix_length, row.input_length), row.input_length)

    def _count(self, hit_tokens: int, input_tokens: int) -> None:
        self.requests += 1
        self._input_tokens += input_tokens
        self._hit_tokens += hit_tokens
        self._ratios += hit_tokens / input_tokens

    def _block_hits(self, row: TraceRow, input_tokens: int) -> int:
        keys = [block_key(row, hash_id) for hash_id in row.hash_ids]
        hits = next((place for place, key in enumerate(keys) if key not in self._seen), len(keys))
        self._seen.update(keys)
        self._blocks += len(row.hash_ids)
        self._hit_blocks += hits
        return min(hits * row.block_size, input_tokens)

    def _prefix_hits(self, row: TraceRow, prefix_length: int, input_tokens: int) -> int:
        if row.prefix_group is not None:
            key, shown = ("group", row.prefix_group), prefix_length
        else:
            key, shown = ("session", row.session_id or ""), input_tokens + (row.output_length or 0)
        hits = min(prefix_length, self._shown_tokens.get(key, 0))
        self._shown_tokens[key] = max(shown, self._shown_tokens.get(key, 0))
        return hits

    def described(self) -> dict[str, float | None] | None:
        """None for a trace that says nothing of shared prefixes."""
        if not self.requests:
            return None
        return {
            "token_weighted": self._hit_tokens / self._input_tokens,
            "block_weighted": self._hit_blocks / self._blocks if self._blocks else None,
            "mean_per_request": self._ratios / self.requests,
            "requests": self.requests,
        }
