from imaxproxy.traces import stream


def test_streams_are_known_by_seed_and_name() -> None:
    numbers = {(seed, name): stream(seed, name).random() for seed in (1, 2) for name in ("arrivals", "lengths")}
    assert len(set(numbers.values())) == 4
    assert stream(1, "arrivals").random() == numbers[1, "arrivals"]


def test_the_stream_never_changes() -> None:
    """Golden: another number here means that every seed of every published run means another schedule."""
    assert stream(1, "arrivals").random() == 0.9735197084243439


def test_seed_and_name_do_not_run_into_each_other() -> None:
    assert stream(1, "1/a").random() != stream(11, "/a").random()
