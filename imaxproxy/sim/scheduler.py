"""Continuous batching: which tokens the next step computes. Pure: no clock, no socket, no price of a step."""

import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from imaxproxy.errors import UsageError
from imaxproxy.sim.kv import BlockPool, Lease
from imaxproxy.sim.speculation import NO_SPECULATION, Speculation


def _ignore(_time_ns: int) -> None:
    """Nobody listens (any more)."""


def _ignore_tokens(_time_ns: int, _tokens: int) -> None:
    """Nobody listens (any more)."""


class Stream:
    """One request inside the engine.

    on_tokens is called with the planned time of a step's tokens and their number, on_scheduled with the start of the
    first step that has the stream. `is_transferred`: a prefill worker has computed the prompt and sent its KV.
    """

    __slots__ = (
        "block_names",
        "cached_tokens",
        "computed_tokens",
        "emitted_tokens",
        "held_tokens",
        "is_transferred",
        "lease",
        "on_scheduled",
        "on_tokens",
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
        on_tokens: Callable[[int, int], None] = _ignore_tokens,
        on_scheduled: Callable[[int], None] = _ignore,
    ) -> None:
        if prompt_tokens < 1 or output_tokens < 1:
            raise ValueError("a stream has at least one prompt token and one output token")
        self.prompt_tokens = prompt_tokens
        self.output_tokens = output_tokens
        self.block_names = block_names
        self.on_tokens = on_tokens
        self.is_transferred = False
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
    decoded: list[int] | None = None
    """Tokens that each decoding stream gets, with speculative decoding; None: one each."""

    @property
    def is_empty(self) -> bool:
        """Nothing to do."""
        return not self.decode and not self.prefill


class Scheduler:
    """First come, first served: decoding streams first, then prompt chunks while the budget lasts.

    A prompt is admitted when all its blocks are there. A decoding stream that finds no block takes the newest stream's,
    which is computed again later (vLLM's recompute preemption); so the oldest always moves on.
    """

    def __init__(
        self,
        pool: BlockPool,
        max_streams: int,
        max_batch_tokens: int,
        speculation: Speculation = NO_SPECULATION,
        seed: int = 0,
    ) -> None:
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
        self.drafted_tokens = 0
        self.accepted_tokens = 0
        self._speculation = speculation
        self._rng = random.Random(seed)

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
        self._admit_transferred(step)
        self._decode(step)
        budget_tokens = self.max_batch_tokens - len(step.decode)
        budget_tokens = self._continue_prompts(step, budget_tokens)
        self._admit(step, budget_tokens)
        return step

    def repeats(self, step: Step) -> int:
        """How many steps like this one, itself included, can follow each other with nothing to decide in between.

        Only where all streams decode a token a step, until the first of them ends, and while no block must be taken
        from another. A stream that waits now waits for one of them to end.
        """
        if step.prefill or self.prefilling or step.decoded is not None or not step.decode:
            return 1
        left = min(stream.output_tokens - stream.emitted_tokens for stream in step.decode)
        spare_blocks = self.pool.available_blocks // len(step.decode)
        return max(1, min(left, spare_blocks * self.pool.block_tokens))

    def complete(self, step: Step, repeats: int = 1) -> list[Stream]:
        """The step was computed, so many times: count its tokens, let go of the streams that are done; these."""
        if step.decoded is not None:
            for stream, tokens in zip(step.decode, step.decoded, strict=True):
                stream.emitted_tokens += tokens
        else:
            for stream in step.decode:
                stream.emitted_tokens += repeats
        if repeats > 1:
            self._catch_up(step, repeats - 1)
        for stream in step.first:
            self._end_prompt(stream)
        return self._drop_done()

    def preempt_newest(self) -> None:
        """Take the newest stream's memory, if another is left to go on."""
        if len(self.running) > 1:
            self._preempt(self.running[-1], from_running=True)

    def cancel(self, stream: Stream) -> None:
        """Forget a stream wherever it is; its blocks are free at once. No harm if it is gone already."""
        stream.on_scheduled = _ignore  # a step under way may still name it
        stream.on_tokens = _ignore_tokens
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
        if self._speculation.draft_tokens:
            step.decoded = [self._speculate(stream) for stream in self.running.copy()]
        step.decode = self.running.copy()
        step.context_tokens = context_tokens

    def _speculate(self, stream: Stream) -> int:
        """Draw what the step gives this stream; only as much as has room, for a draft preempts nobody."""
        drawn = self._speculation.tokens(self._rng)
        self.drafted_tokens += self._speculation.draft_tokens
        self.accepted_tokens += drawn - 1
        extra = min(drawn, stream.output_tokens - stream.emitted_tokens) - 1
        while stream.computed_tokens + extra > stream.held_tokens:
            if stream.lease is None or not self.pool.grow(stream.lease):
                extra = stream.held_tokens - stream.computed_tokens
                break
            stream.held_tokens += self.pool.block_tokens
        stream.computed_tokens += extra
        return 1 + extra

    def _catch_up(self, step: Step, steps: int) -> None:
        """The streams' memory after `steps` more, for which `repeats` has seen room."""
        block_tokens = self.pool.block_tokens
        for stream in step.decode:
            stream.computed_tokens += steps
            missing = stream.computed_tokens - stream.held_tokens
            if missing > 0 and stream.lease is not None:
                blocks = -(-missing // block_tokens)
                self.pool.grow(stream.lease, blocks)
                stream.held_tokens += blocks * block_tokens

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

    def _preempt(self, stream: Stream, *, from_running: bool = False) -> None:
        (self.prefilling if self.prefilling and not from_running else self.running).pop()
        self._release(stream)
        stream.preemptions += 1
        stream.is_transferred = False  # what it loses is computed here
        self.preemptions += 1
        self.waiting.appendleft(stream)

    def _continue_prompts(self, step: Step, budget_tokens: int) -> int:
        for stream in self.prefilling:
            if budget_tokens <= 0:
                break
            budget_tokens -= self._prefill(step, stream, budget_tokens)
        self.prefilling = [stream for stream in self.prefilling if stream.computed_tokens < stream.to_prefill_tokens]
        return budget_tokens

    def _admit_transferred(self, step: Step) -> None:
        """Streams whose KV came from a prefill worker decode at once."""
        while self.waiting and self.waiting[0].is_transferred and len(self.running) < self.max_streams:
            stream = self.waiting[0]
            lease = self.pool.lease(stream.block_names, stream.to_prefill_tokens)
            if lease is None:
                return
            self._start(step, self.waiting.popleft(), lease)
            self.running.append(stream)

    def _admit(self, step: Step, budget_tokens: int) -> None:
        while self.waiting and budget_tokens > 0 and len(self.running) + self._in_prefill(step) < self.max_streams:
            stream = self.waiting[0]
            if stream.is_transferred:  # there was no room for it
                return
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
            if not stream.is_transferred:
                stream.cached_tokens = stream.computed_tokens
            step.admitted.append(stream)
        if stream.is_transferred:
            stream.computed_tokens = stream.prompt_tokens

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

    def _drop_done(self) -> list[Stream]:
        done = [stream for stream in self.running if stream.emitted_tokens >= stream.output_tokens]
        if done:
            for stream in done:
                self._release(stream)
            self.running = [stream for stream in self.running if not stream.is_done]
        return done

    def _release(self, stream: Stream) -> None:
        if stream.lease is not None:
            self.pool.release(stream.lease)
        stream.lease = None
        stream.computed_tokens = stream.held_tokens = 0
