from imaxproxy.sim.words import WORD_BYTES, WORDS, stopped_at, text_of


def test_words_have_one_width_and_are_one_token_each() -> None:
    assert {len(word) for word in WORDS} == {WORD_BYTES}
    assert len(set(WORDS)) == len(WORDS)
    assert len(text_of(250, 20).split()) == 20


def test_a_stop_string_ends_the_answer_where_it_begins() -> None:
    third = text_of(3, 1).decode()
    assert stopped_at((third,), 10, 0) == (3, 0, third)
    assert stopped_at((third[2:],), 10, 0) == (3, 2, third[2:])
    assert stopped_at((third,), 2, 0) is None  # the answer is over before
    assert stopped_at((third,), 10, 5) is None  # it would be reasoning
    assert stopped_at((text_of(5, 1).decode(), third), 10, 0) == (3, 0, third)  # the first that comes
