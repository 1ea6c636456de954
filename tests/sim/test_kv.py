from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.sim import BlockPool, block_hashes
from imaxproxy.sim.kv import Lease

PROMPT = [str(number % 7) for number in range(100)]


def test_names_tell_beginnings_apart() -> None:
    names = block_hashes(PROMPT, 16)
    assert len(names) == 6
    assert block_hashes([*PROMPT[:40], "other", *PROMPT[41:]], 16)[:2] == names[:2]
    assert block_hashes([*PROMPT[:40], "other", *PROMPT[41:]], 16)[2:] != names[2:]


def test_the_last_token_is_always_computed() -> None:
    assert len(block_hashes(PROMPT[:32], 16)) == 1
    assert len(block_hashes(PROMPT[:33], 16)) == 2
    assert block_hashes([], 16) == []


def test_a_second_prompt_shares_what_the_first_published() -> None:
    pool, names = BlockPool(20, 16), block_hashes(PROMPT, 16)
    first = pool.lease(names, len(PROMPT))
    assert first == Lease(shared=[], private_blocks=7)
    pool.publish(first, names)
    second = pool.lease(names, len(PROMPT))
    assert second == Lease(shared=names, private_blocks=1)
    assert pool.used_blocks == 8
    pool.check([first, second])


def test_a_cached_block_outlives_its_holder_until_memory_is_wanted() -> None:
    pool, names = BlockPool(7, 16), block_hashes(PROMPT, 16)
    lease = pool.lease(names, len(PROMPT))
    assert lease is not None
    pool.publish(lease, names)
    pool.release(lease)
    assert (pool.used_blocks, pool.available_blocks) == (0, 7)
    other = pool.lease([], 3 * 16)  # evicts two: the end of the prompt goes first
    assert other is not None
    again = pool.lease(names, 4 * 16)
    assert again == Lease(shared=names[:4], private_blocks=0)
    pool.check([other, again])


def test_what_is_short_takes_nothing() -> None:
    pool = BlockPool(3, 16)
    lease = pool.lease([], 48)
    assert lease is not None
    assert pool.lease([], 1) is None
    assert not pool.grow(lease)
    pool.check([lease])
    assert repr(pool) == "<BlockPool 3 of 3 blocks used, 0 idle in cache>"


@given(st.data())
def test_counts_agree_whatever_happens(data: st.DataObject) -> None:
    pool, leases = BlockPool(12, 4), list[tuple[Lease, list[int]]]()
    for _ in range(data.draw(st.integers(1, 40))):
        action = data.draw(st.sampled_from(["lease", "grow", "publish", "release"]))
        if action == "lease":
            prompt = data.draw(st.lists(st.sampled_from("ab"), min_size=1, max_size=30))
            names = block_hashes(prompt, 4)
            lease = pool.lease(names, len(prompt))
            if lease is not None:
                leases.append((lease, names))
        elif leases:
            lease, names = leases[data.draw(st.integers(0, len(leases) - 1))]
            if action == "grow":
                pool.grow(lease)
            elif action == "publish":
                pool.publish(lease, names)
            else:
                pool.release(lease)
                leases = [entry for entry in leases if entry[0] is not lease]
        pool.check([lease for lease, _ in leases])
