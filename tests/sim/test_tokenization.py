from imaxproxy.sim.tokenization import Tokenization


def test_a_word_is_a_token() -> None:
    assert Tokenization().of(["one", "three"], is_chat=True) == ["one", "three"]


def test_long_words_are_cut_and_a_chat_has_a_head() -> None:
    cut = Tokenization(template_tokens=2, letters_per_token=2)
    assert cut.of(["one", "four"], is_chat=False) == ["on", "e", "fo", "ur"]
    assert cut.of(["a"], is_chat=True) == ["<|0|>", "<|1|>", "a"]
