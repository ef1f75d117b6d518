"""Stored parses are unpacked as by struct, and refused where struct or a segment refuses them."""

import random
import struct
import zlib

import pytest
from helpers.parses import SIZES, unpack_slowly

from headscore.corpus.sequence import Segment
from headscore.parsing._parses import checksum, unpack

NAMES = ["root", "nsubj", "obl:\u00e9", ""]
KEY = b"k" * 16


def signed(body, names):
    """A parse with a right checksum, whatever its body holds."""
    return body + zlib.crc32(b"\0".join((KEY, body, "\0".join(names).encode()))).to_bytes(
        4, "little"
    )


def random_parse(rng, segment):
    """Numbers that fit the segment in most cases, and a checksum that does."""
    size, length = rng.choice([1, 2, 4]), len(segment.text)
    n = len(segment.words) if segment.words is not None else rng.randint(0, 5)
    starts = [rng.randint(0, length) for _ in range(n)]
    ends = [rng.randint(start, length) for start in starts]
    heads = [rng.choice([word for word in range(-1, n) if word != own]) for own in range(n)]
    ids = [rng.randrange(len(NAMES)) for _ in range(n)]
    if rng.random() < 0.4 and n:
        column = rng.choice([starts, ends, heads])
        column[rng.randrange(n)] = rng.choice([-2, -1, 0, n - 1, n, length + 1, 127])
    body = struct.pack(f"<B{3 * n}{SIZES[size]}{n}H", size, *starts, *ends, *heads, *ids)
    body += rng.choice([b"", b"", b"\0"])
    return signed(body, [NAMES[id_] for id_ in ids])


def outcome(function, parse, segment):
    try:
        return function(KEY, parse, segment, NAMES)
    except (ValueError, LookupError, TypeError, struct.error):
        return None


@pytest.mark.parametrize("seed", range(4))
def test_parses_are_unpacked_or_refused_as_by_struct(seed):
    rng = random.Random(seed)
    n_read = n_refused = 0
    for _ in range(500):
        text = "".join(rng.choices("ab \u00e9\U0001f600", k=rng.randint(0, 60)))
        words = [text[:1] or "a"] * rng.randint(0, 4)
        labels = {"upos": ["X"] * len(words)}
        segment = rng.choice([Segment(text), Segment.from_words(words, labels=labels)])
        parse = random_parse(rng, segment)
        if rng.random() < 0.3:
            at = rng.randrange(len(parse))
            parse = rng.choice([parse[:at], parse[:at] + b"\1" + parse[at + 1 :], parse + b"\0"])
        slow = outcome(unpack_slowly, parse, segment)
        assert outcome(unpack, parse, segment) == slow
        n_read, n_refused = n_read + (slow is not None), n_refused + (slow is None)
    assert min(n_read, n_refused) > 100


@pytest.mark.parametrize("parse", [b"", b"\1", b"\1\0\0\0\0", b"\3" * 40, None, "text"])
def test_other_values_are_refused(parse):
    with pytest.raises((ValueError, TypeError)):
        unpack(KEY, parse, Segment("a"), NAMES)


def test_a_relation_without_a_name_is_refused():
    body = struct.pack("<B3b1H", 1, 0, 1, -1, len(NAMES))
    with pytest.raises(ValueError, match="relations"):
        unpack(KEY, body + checksum(KEY, body, []), Segment("a"), NAMES)
