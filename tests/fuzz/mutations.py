"""Changes of bytes that know nothing of a format, and how a target's changes are put together."""

import random
from collections.abc import Callable, Sequence

Mutation = Callable[[bytes, random.Random], bytes]
"""Makes other bytes of some; it never fails, and gives them back where it finds nothing to do."""

MOST_CHANGES = 4
MOST_BYTES = 1 << 20
EXTREMES = (
    0,
    1,
    2,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0xFFFFFFFF,
    (1 << 64) - 1,
)


def mutated(
    seeds: Sequence[bytes],
    structured: Sequence[Mutation],
    tokens: Sequence[bytes],
    rng: random.Random,
) -> bytes:
    """Returns a seed with one to four changes.

    Args:
      seeds: the corpus.
      structured: changes that know the format; half of all changes are theirs.
      tokens: what stands in files of the format, put anywhere.
      rng: decides everything.
    """
    content = rng.choice(seeds)
    for _ in range(rng.randint(1, MOST_CHANGES)):
        if structured and rng.random() < 0.5:
            content = rng.choice(structured)(content, rng)
        elif rng.random() < 0.1:
            content = spliced(content, rng.choice(seeds), rng)
        elif tokens and rng.random() < 0.2:
            content = with_token(content, rng.choice(tokens), rng)
        else:
            content = rng.choice(BLIND)(content, rng)
    return content[:MOST_BYTES]


def place(content: bytes, rng: random.Random) -> int:
    """Returns a place, as often in the first 256 bytes, where headers are, as in all of them."""
    return rng.randrange(min(len(content), 256 if rng.random() < 0.5 else len(content)) or 1)


def number(rng: random.Random, num_bytes: int) -> int:
    """Returns a number of so many bytes: an extreme one, or any, small ones as often as large."""
    if rng.random() < 0.5:
        return rng.choice(EXTREMES) % (1 << 8 * num_bytes)
    return rng.getrandbits(rng.randint(1, 8 * num_bytes))


def flipped(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8) if content else 0):
        changed[place(content, rng)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def overwritten(content: bytes, rng: random.Random) -> bytes:
    at, size = place(content, rng), rng.choice((1, 2, 4, 8))
    data = number(rng, size).to_bytes(size, rng.choice(("big", "little")))
    return content[:at] + data + content[at + size :]


def inserted(content: bytes, rng: random.Random) -> bytes:
    at = place(content, rng)
    return content[:at] + rng.randbytes(rng.randint(1, 16)) + content[at:]


def deleted(content: bytes, rng: random.Random) -> bytes:
    at = place(content, rng)
    return content[:at] + content[at + rng.randint(1, 64) :]


def repeated(content: bytes, rng: random.Random) -> bytes:
    at = place(content, rng)
    block = content[at : at + rng.randint(1, 256)]
    return content[:at] + block * rng.choice((2, 3, 50)) + content[at:]


def cut_off(content: bytes, rng: random.Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def spliced(content: bytes, other: bytes, rng: random.Random) -> bytes:
    return content[: place(content, rng)] + other[place(other, rng) :]


def with_token(content: bytes, token: bytes, rng: random.Random) -> bytes:
    at = place(content, rng)
    return content[:at] + token + content[at + rng.choice((0, len(token))) :]


BLIND: tuple[Mutation, ...] = (
    flipped,
    flipped,
    overwritten,
    overwritten,
    inserted,
    deleted,
    repeated,
    cut_off,
)
