"""How a simulated engine counts a prompt: words between white space, or pieces of them, and what its template adds.

Words alone are what our own prompts are made to fit. Real tokenizers cut long words, and real chat templates add a
head: both can be switched on, to hold a meter's calibration against an engine that counts otherwise.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tokenization:
    """A made-up tokenizer."""

    template_tokens: int = 0
    """Before the first message of a chat; always the same, so that caches share them."""
    letters_per_token: int | None = None
    """A word of more letters is cut into pieces of so many; None: a word is one token."""

    def of(self, words: list[str], *, is_chat: bool) -> list[str]:
        """The tokens of a prompt's words, each as a text."""
        head = [f"<|{number}|>" for number in range(self.template_tokens)] if is_chat else []
        letters = self.letters_per_token
        if letters is None:
            return head + words if head else words
        return head + [word[at : at + letters] for word in words for at in range(0, len(word), letters)]
