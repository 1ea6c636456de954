from hypothesis import given
from hypothesis import strategies as st

from imaxproxy.metrics import OTHER, Ask, Breakdown, Dimensions, DimensionValues, Exchange, Outcome
from imaxproxy.metrics.dimensions import MOST_TAG_NAMES, Least


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


@given(st.lists(st.text(max_size=3)), st.integers(1, 5))
def test_the_least_are_the_first_by_the_alphabet_in_whatever_order_they_come(texts: list[str], most: int) -> None:
    for order in (texts, texts[::-1]):
        least = Least(most)
        for text in order:
            least.add(text)
        assert least.texts == sorted(set(texts))[:most]


TAGS = st.dictionaries(st.sampled_from([f"t{n}" for n in range(20)]), st.sampled_from("abc"), max_size=3)


@given(st.lists(st.builds(lambda tags, n: asked(tags=tags, upstream=f"u{n}"), TAGS, st.integers(0, 90)), max_size=60))
def test_which_values_are_told_apart_does_not_depend_on_who_saw_which(exchanges: list[Exchange]) -> None:
    whole, parts = DimensionValues(), [DimensionValues(), DimensionValues()]
    for number, exchange in enumerate(exchanges):
        whole.add(exchange)
        parts[number % 2].add(exchange)
    parts[1].merge(parts[0])
    for name in ("upstreams", "clients"):
        assert getattr(parts[1], name).texts == getattr(whole, name).texts
    names = sorted({name for exchange in exchanges for name in exchange.ask.tags or {}})[:MOST_TAG_NAMES]
    assert sorted(whole.tags) == sorted(parts[1].tags) == names
    for name in names:
        values = sorted({exchange.ask.tags[name] for exchange in exchanges if name in (exchange.ask.tags or {})})  # type: ignore[index]
        assert whole.tags[name].texts == parts[1].tags[name].texts == values


def test_what_is_not_told_apart_is_other() -> None:
    values = DimensionValues()
    for number in range(MOST_TAG_NAMES):
        values.add(asked(tags={f"a{number:02}": "v"}, client="k"))
    dimensions = Dimensions(values=values)
    for tags in ({"a00": "v"}, {"a00": "w"}, {"zebra": "v"}, {"zoo": "w"}):
        dimensions.add(asked(tags=tags, client="k2"))
    assert {name: sent(part) for name, part in dimensions.by_tag.items()} == {
        "a00": {"v": 1, OTHER: 1},
        OTHER: {OTHER: 2},
    }
    assert sent(dimensions.by_client) == {OTHER: 4}
