"""What flags say: the options, the choice they make as data, and what does not go together."""
