"""One seed, many independent random streams, each known by its name: changing arrivals never changes lengths."""

import hashlib
import random


def stream(seed: int, name: str) -> random.Random:
    """The stream of this name, the same on any machine. `name` is a path such as "arrivals" or "sessions/7/think"."""
    digest = hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=16).digest()
    return random.Random(int.from_bytes(digest, "little"))
