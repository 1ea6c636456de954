from imaxproxy.metrics import OTHER, Ask, Breakdown, Dimensions, Exchange, Outcome
from imaxproxy.metrics.dimensions import MOST_TAG_NAMES


def asked(**more: object) -> Exchange:
    return Exchange(Ask("r", "/v1/chat/completions", 0, 1, dialect="chat", **more), Outcome.COMPLETED, 2)  # type: ignore[arg-type]


def sent(breakdown: Breakdown) -> dict[str, int]:
    return {value: tally.sent for value, tally in breakdown.parts.items()}


def test_values_past_the_most_share_one_part() -> None:
    breakdown = Breakdown(most=3)
    for number in (0, 1, 2, 3, 4, 1):
        breakdown.add(str(number), asked())
    assert sent(breakdown) == {"0": 1, "1": 2, "2": 1, OTHER: 2}
    other = Breakdown(most=3)
    other.add("new", asked())
    other.add("2", asked())
    breakdown.merge(other)
    assert sent(breakdown) == {"0": 1, "1": 2, "2": 2, OTHER: 3}


def test_so_do_tag_names() -> None:
    dimensions = Dimensions()
    for number in range(MOST_TAG_NAMES + 2):
        dimensions.add(asked(tags={f"tag{number}": "v"}))
    assert len(dimensions.by_tag) == MOST_TAG_NAMES + 1
    assert sent(dimensions.by_tag[OTHER]) == {"v": 2}


def test_merged_parts_are_as_if_one_had_seen_them_all() -> None:
    exchanges = [asked(tags={"team": str(n % 2)}, upstream=f"u{n % 3}", client="k") for n in range(12)]
    whole, parts = Dimensions(), [Dimensions(), Dimensions()]
    for number, exchange in enumerate(exchanges):
        whole.add(exchange)
        parts[number % 2].add(exchange)
    parts[0].merge(parts[1])
    assert parts[0].as_dict() == whole.as_dict()
    assert set(whole.as_dict()["by_upstream"]) == {"u0", "u1", "u2"}


def test_what_says_nothing_of_itself_is_in_no_dimension() -> None:
    dimensions = Dimensions()
    dimensions.add(asked())
    assert dimensions.as_dict() == {"by_upstream": {}, "by_client": {}, "by_tag": {}}
