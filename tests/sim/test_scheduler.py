import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.errors import UsageError
from imaxproxy.sim import BlockPool, Scheduler, Step, Stream, block_hashes

BLOCK_TOKENS = 4
KV_TOKENS = 64


def scheduler(blocks: int = KV_TOKENS // BLOCK_TOKENS, max_streams: int = 4, max_batch_tokens: int = 16) -> Scheduler:
    return Scheduler(BlockPool(blocks, BLOCK_TOKENS), max_streams, max_batch_tokens)


def run(scheduler: Scheduler, most_steps: int = 10_000) -> list[Step]:
    """Step until nothing is left, checking on the way."""
    steps: list[Step] = []
    for _ in range(most_steps):
        step = scheduler.next_step()
        if step.is_empty:
            assert not scheduler.waiting
            return steps
        steps.append(step)
        scheduler.complete(step)
        scheduler.check()
    raise AssertionError(f"still not done: {scheduler!r}")


def test_a_long_prompt_is_read_in_chunks_beside_the_decoding() -> None:
    chooser = scheduler()
    short, long = Stream(3, 8), Stream(30, 2)
    chooser.submit(short)
    chooser.submit(long)
    steps = run(chooser)
    assert [tokens for step in steps for stream, tokens in step.prefill if stream is long] == [13, 15, 2]
    assert all(len(step.decode) + step.prefill_tokens <= 16 for step in steps)
    assert all(short in step.decode for step in steps[1:7])


def test_the_first_token_comes_with_the_end_of_the_prompt() -> None:
    chooser, stream = scheduler(), Stream(5, 1)
    chooser.submit(stream)
    step = chooser.next_step()
    assert (step.first, step.decode, step.admitted) == ([stream], [], [stream])
    chooser.complete(step)
    assert stream.is_done
    assert chooser.next_step().is_empty


def test_a_known_beginning_is_not_computed_again() -> None:
    chooser, prompt = scheduler(), list("abcdefghij")
    names = block_hashes(prompt, BLOCK_TOKENS)
    first, second = Stream(10, 1, block_names=names), Stream(10, 1, block_names=names)
    for stream in (first, second):
        chooser.submit(stream)
        run(chooser)
    assert (first.cached_tokens, second.cached_tokens) == (0, 8)


def test_the_newest_yields_when_memory_is_short_and_comes_back() -> None:
    chooser = scheduler(blocks=6)
    old, new = Stream(8, 12), Stream(8, 8)
    chooser.submit(old)
    chooser.submit(new)
    run(chooser)
    assert (old.preemptions, new.preemptions) == (0, 1)
    assert (old.emitted_tokens, new.emitted_tokens) == (12, 8)


def test_a_cancelled_stream_frees_its_place_at_once() -> None:
    chooser = scheduler(max_streams=1)
    gone, next_one = Stream(5, 100 - 50), Stream(5, 1)
    told: list[int] = []
    gone.on_tokens = lambda time_ns, _tokens: told.append(time_ns)
    chooser.submit(gone)
    chooser.submit(next_one)
    step = chooser.next_step()
    chooser.cancel(gone)
    for stream in step.first:
        stream.on_tokens(1, 1)
    chooser.complete(step)
    chooser.cancel(gone)
    chooser.check()
    assert told == []
    assert chooser.pool.used_blocks == 0
    run(chooser)
    assert next_one.is_done


def test_refuses_what_can_never_run() -> None:
    with pytest.raises(ValueError, match="smaller than this one stream"):
        scheduler().submit(Stream(60, 10))
    with pytest.raises(UsageError, match="max-num-batched-tokens"):
        scheduler(max_streams=20)
    with pytest.raises(ValueError, match="at least one"):
        Stream(0, 1)


sizes = st.tuples(st.integers(1, 40), st.integers(1, 24))


@given(st.lists(sizes, min_size=1, max_size=12), st.integers(16, 32), st.integers(1, 5), st.booleans())
def test_every_token_comes_out_once_in_the_order_of_arrival(
    requests: list[tuple[int, int]], blocks: int, max_streams: int, shared: bool
) -> None:
    chooser = scheduler(blocks=blocks, max_streams=max_streams)
    streams = [
        Stream(prompt, output, block_names=block_hashes("x" * prompt, BLOCK_TOKENS) if shared else ())
        for prompt, output in requests
    ]
    for stream in streams:
        chooser.submit(stream)
    steps = run(chooser)
    emitted = [stream for step in steps for stream in (*step.decode, *step.first)]
    assert [emitted.count(stream) for stream in streams] == [output for _, output in requests]
    assert [stream for step in steps for stream in step.admitted] == streams  # first come, first served
    computed = sum(tokens for step in steps for _, tokens in step.prefill)
    if not chooser.preemptions:
        assert computed == sum(stream.prompt_tokens - stream.cached_tokens for stream in streams)
    assert chooser.pool.used_blocks == 0


@given(st.lists(sizes, min_size=2, max_size=8), st.data())
def test_cancelling_at_any_time_leaves_no_trace(requests: list[tuple[int, int]], data: st.DataObject) -> None:
    chooser = scheduler()
    streams = [Stream(prompt, output) for prompt, output in requests]
    for stream in streams:
        chooser.submit(stream)
    victim = data.draw(st.sampled_from(streams))
    for _ in range(data.draw(st.integers(0, 6))):
        chooser.complete(chooser.next_step())
    step = chooser.next_step()
    chooser.cancel(victim)
    chooser.complete(step)
    run(chooser)
    assert all(stream.is_done for stream in streams if stream is not victim)
    assert chooser.pool.used_blocks == 0
