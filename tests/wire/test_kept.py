from imaxproxy.wire.kept import KEPT_LIMIT_BYTES, Kept, KeptBudget


def test_what_is_kept_counts_until_it_goes() -> None:
    budget = KeptBudget(1000)
    one, two = Kept(budget), Kept(budget)
    one.add(b"x" * 600)
    two.add(b"y" * 300)
    assert (budget.held_bytes, one.data, two.unkept) == (900, b"x" * 600, None)
    del one
    assert budget.held_bytes == 300


def test_an_answer_that_does_not_fit_gives_all_of_it_back_and_says_why() -> None:
    budget = KeptBudget(2 << 20)
    first, second = Kept(budget), Kept(budget)
    first.add(bytes(2 << 20))
    second.add(b"z")
    assert (second.data, second.unkept) == (None, "all answers under way held 2 MiB")
    del first
    second.add(b"its rest is not wanted")
    assert (second.data, budget.held_bytes) == (None, 0)


def test_a_long_answer_is_not_kept() -> None:
    kept = Kept(KeptBudget(1 << 40))
    kept.add(bytes(KEPT_LIMIT_BYTES))
    assert kept.data is not None
    kept.add(b"z")
    assert (kept.data, kept.unkept) == (None, "over 4 MiB")


def test_how_long_an_answer_may_be_is_the_budgets_word() -> None:
    kept = Kept(KeptBudget(1 << 40, 2 << 20))
    kept.add(bytes((2 << 20) + 1))
    assert kept.unkept == "over 2 MiB"
