"""Continuous batching: which tokens the next step computes. Pure: no clock, no socket, no price of a step."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imaxproxy.errors import UsageError
from imaxproxy.sim.kv import BlockPool, Lease


def _ignore(_time_ns: int) -> None:
    """Nobody listens (any more)."""


class Stream:
    """One request inside the engine.

    on_token is called with the planned time of each token, on_scheduled with the start of the first step that has it.
    """

    __slots__ = (
        "block_names",
        "cached_tokens",
        "computed_tokens",
        "emitted_tokens",
        "held_tokens",
        "lease",
        "on_scheduled",
        "on_token",
        "output_tokens",
        "preemptions",
        "prompt_tokens",
    )

    def __init__(
        self,
        prompt_tokens: int,
        output_tokens: int,
        *,
        block_names: Sequence[int] = (),
        on_token: Callable[[int], None] = _ignore,
        on_scheduled: Callable[[int], None] = _ignore,
    ) -> None:
        if prompt_tokens < 1 or output_tokens < 1:
            raise ValueError("a stream has at least one prompt token and one output token")
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.block_names = block_names
        self.on_token = on_token
        self.on_scheduled = on_scheduled
        self.computed_tokens = 0  # tokens whose KV is there
        self.held_tokens = 0  # tokens its blocks have room for
        self.cached_tokens = 0  # of the prompt, found in the cache when first admitted
        self.emitted_tokens = 0
        self.preemptions = 0
        self.lease: Lease | None = None

    def __repr__(self) -> str:
        return f"<Stream {self.computed_tokens} computed, {self.emitted_tokens} of {self.output_tokens} emitted>"

    @property
    def to_prefill_tokens(self) -> int:
        """Tokens to compute before the next one comes out: the prompt and, once preempted, what had been emitted."""
        return self.prompt_tokens + self.emitted_tokens

    @property
    def is_done(self) -> bool:
        """All its tokens are out."""
        return self.emitted_tokens >= self.output_tokens


@dataclass(slots=True)
class Step:
    """What one engine step computes."""

    decode: list[Stream] = field(default_factory=list)
    prefill: list[tuple[Stream, int]] = field(default_factory=list)
    """Streams and the prompt tokens they get."""
    first: list[Stream] = field(default_factory=list)
    """Streams whose prompt ends in this step: they emit a token too."""
    admitted: list[Stream] = field(default_factory=list)
    """Streams that had never been in a step."""
    context_tokens: int = 0
    """Sum of the decoding streams' contexts."""
    prefill_tokens: int = 0
    attended_products: float = 0.0
    """Sum over chunks of their tokens times the mean context these attend to."""

    @property
    def is_empty(self) -> bool:
        """Nothing to do."""
        return not self.decode and not self.prefill


class Scheduler:
    """First come, first served: decoding streams first, then prompt chunks while the budget lasts.

    A prompt is admitted when all its blocks are there. A decoding stream that finds no block takes the newest stream's,
    which is computed again later (vLLM's recompute preemption); so the oldest always moves on.
    """

    def __init__(self, pool: BlockPool, max_streams: int, max_batch_tokens: int) -> None:
        if max_streams < 1 or max_batch_tokens < max_streams:
            raise UsageError(
                f"max-num-seqs ({max_streams}) must be 1 or more, max-num-batched-tokens ({max_batch_tokens}) no less"
            )
        self.pool = pool
        self.max_streams = max_streams
        self.max_batch_tokens = max_batch_tokens
        self.waiting: deque[Stream] = deque()
        self.prefilling: list[Stream] = []
        self.running: list[Stream] = []
        self.preemptions = 0

    def __repr__(self) -> str:
        return (
            f"<Scheduler {len(self.running)} decoding, {len(self.prefilling)} in prefill, {len(self.waiting)} waiting, "
            f"{self.pool!r}>"
        )

    def submit(self, stream: Stream) -> None:
        """Queue a stream. Raises ValueError if it can never fit."""
        if self.pool.blocks_for(stream.prompt_tokens + stream.output_tokens) > self.pool.blocks:
            raise ValueError("the KV cache is smaller than this one stream")
        self.waiting.append(stream)

    def next_step(self) -> Step:
        """Choose one engine step: a token for every running stream, then prompt chunks while the budget lasts."""
        step = Step()
        self._decode(step)
        budget_tokens = self.max_batch_tokens - len(step.decode)
        budget_tokens = self._continue_prompts(step, budget_tokens)
        self._admit(step, budget_tokens)
        return step

    def complete(self, step: Step) -> None:
        """The step was computed: count its tokens, let go of the streams that are done."""
        for stream in step.decode:
            stream.emitted_tokens += 1
        for stream in step.first:
            self._end_prompt(stream)
        self._drop_done()

    def cancel(self, stream: Stream) -> None:
        """Forget a stream wherever it is; its blocks are free at once. No harm if it is gone already."""
        stream.on_token = stream.on_scheduled = _ignore  # a step under way may still name it
        for queue in (self.waiting, self.prefilling, self.running):
            if stream in queue:
                queue.remove(stream)
        self._release(stream)

    def check(self) -> None:
        """Raise AssertionError if an invariant is broken."""
        active = [*self.prefilling, *self.running]
        assert len(active) <= self.max_streams, "more streams than allowed"
        assert len({id(stream) for stream in (*active, *self.waiting)}) == len(active) + len(self.waiting)
        assert all(stream.lease is None for stream in self.waiting), "a waiting stream holds blocks"
        assert all(stream.computed_tokens <= stream.held_tokens for stream in active), "KV without memory"
        self.pool.check([stream.lease for stream in active if stream.lease is not None])

    def _decode(self, step: Step) -> None:
        context_tokens = 0
        for stream in self.running.copy():
            if stream.computed_tokens == stream.held_tokens and not self._grow(stream):
                continue  # preempted: itself, or by an older one before its turn
            stream.computed_tokens += 1
            context_tokens += stream.computed_tokens
        step.decode = self.running.copy()
        step.context_tokens = context_tokens

    def _grow(self, stream: Stream) -> bool:
        """One more block, taken from the newest streams if need be. False when the stream itself had to yield."""
        if stream.lease is None:
            return False
        while not self.pool.grow(stream.lease):
            newest = (self.prefilling or self.running)[-1]
            self._preempt(newest)
            if newest is stream:
                return False
        stream.held_tokens += self.pool.block_tokens
        return True

    def _preempt(self, stream: Stream) -> None:
        (self.prefilling if self.prefilling else self.running).pop()
        self._release(stream)
        stream.preemptions += 1
        self.preemptions += 1
        self.waiting.appendleft(stream)

    def _continue_prompts(self, step: Step, budget_tokens: int) -> int:
        for stream in self.prefilling:
            if budget_tokens <= 0:
                break
            budget_tokens -= self._prefill(step, stream, budget_tokens)
        self.prefilling = [stream for stream in self.prefilling if stream.computed_tokens < stream.to_prefill_tokens]
        return budget_tokens

    def _admit(self, step: Step, budget_tokens: int) -> None:
        while self.waiting and budget_tokens > 0 and len(self.running) + self._in_prefill(step) < self.max_streams:
            stream = self.waiting[0]
            lease = self.pool.lease(stream.block_names, stream.to_prefill_tokens)
            if lease is None:
                return
            self._start(step, self.waiting.popleft(), lease)
            budget_tokens -= self._prefill(step, stream, budget_tokens)
            if stream.computed_tokens < stream.to_prefill_tokens:
                self.prefilling.append(stream)

    def _in_prefill(self, step: Step) -> int:
        return len(self.prefilling) + len(step.first)

    def _start(self, step: Step, stream: Stream, lease: Lease) -> None:
        stream.lease = lease
        stream.held_tokens = lease.blocks * self.pool.block_tokens
        stream.computed_tokens = len(lease.shared) * self.pool.block_tokens
        if not stream.preemptions:
            stream.cached_tokens = stream.computed_tokens
            step.admitted.append(stream)

    def _prefill(self, step: Step, stream: Stream, budget_tokens: int) -> int:
        """Give a stream prompt tokens within the budget, and say how many."""
        chunk_tokens = min(budget_tokens, stream.to_prefill_tokens - stream.computed_tokens)
        step.prefill.append((stream, chunk_tokens))
        step.prefill_tokens += chunk_tokens
        step.attended_products += chunk_tokens * (stream.computed_tokens + chunk_tokens / 2)
        stream.computed_tokens += chunk_tokens
        if stream.computed_tokens == stream.to_prefill_tokens:
            step.first.append(stream)
        return chunk_tokens

    def _end_prompt(self, stream: Stream) -> None:
        if stream.lease is None:  # cancelled while the step was under way
            return
        self.pool.publish(stream.lease, stream.block_names)
        stream.emitted_tokens += 1
        self.running.append(stream)

    def _drop_done(self) -> None:
        done = [stream for stream in self.running if stream.emitted_tokens >= stream.output_tokens]
        if done:
            for stream in done:
                self._release(stream)
            self.running = [stream for stream in self.running if not stream.is_done]

    def _release(self, stream: Stream) -> None:
        if stream.lease is not None:
            self.pool.release(stream.lease)
        stream.lease = None
        stream.computed_tokens = stream.held_tokens = 0
