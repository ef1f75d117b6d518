"""Labels of words in the parse store: a row for each parse and each name of a label.

    key    16 bytes, BLAKE2b of the key of the parse and the name in lower case

    bytes  4                       any                              4
    field  checksum of the parse   JSON, {name: [label of a word]}  CRC-32 of key and fields

The row of the name ``*`` has all labels of the words. No name in a row: no word has the label.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping

from headscore.parsing._parses import checksum

ALL = "*"  # stands for every label
_CHECKSUM = 4  # bytes, at the end of a parse and of a row

Labels = Mapping[str, tuple[str, ...]]


def row_keys(key: bytes, names: Iterable[str]) -> list[bytes]:
    """Return the keys of the rows that may have some labels of a parse."""
    return [_row_key(key, name) for name in (*names, ALL)]


def pack_labels(
    key: bytes, parse: bytes, names: Iterable[str], labels: Labels
) -> Iterator[tuple[bytes, bytes]]:
    """Yield key and row of each name, from the labels that words of a parse have."""
    lower = {name.lower(): list(each) for name, each in labels.items()}
    for name in dict.fromkeys(name.lower() for name in names):
        own = {each: lower[each] for each in lower if name in (each, ALL)}
        row_key = _row_key(key, name)
        row = parse[-_CHECKSUM:] + json.dumps(own).encode("ascii")
        yield row_key, row + checksum(row_key, row, ())


def find_labels(
    key: bytes, parse: bytes, names: Iterable[str], rows: Mapping[bytes, bytes]
) -> dict[str, tuple[str, ...]] | None:
    """Return the labels of some names that words of a parse have.

    None where a name was never stored, or with another parse: components that run only for labels
    may change the words themselves, as those that merge entities do.

    Raises
    ------
    ValueError, TypeError
        A row is damaged.
    """
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        for each in (name, ALL):
            stored = _unpack(_row_key(key, each), parse, rows)
            if stored is not None:
                break
        else:
            return None
        wanted = {each: each for each in stored} if name == ALL else {name: name.lower()}
        found |= {name: tuple(stored[own]) for name, own in wanted.items() if own in stored}
    return found


def _row_key(key: bytes, name: str) -> bytes:
    content = key + b"\0" + name.lower().encode(errors="surrogatepass")
    return hashlib.blake2b(content, digest_size=16).digest()


def _unpack(
    row_key: bytes, parse: bytes, rows: Mapping[bytes, bytes]
) -> dict[str, list[str]] | None:
    """Return the content of a row; None where there is none, or one of another parse."""
    row = rows.get(row_key)
    if row is None:
        return None
    body = row[:-_CHECKSUM]
    if row[-_CHECKSUM:] != checksum(row_key, body, ()):
        raise ValueError("checksum")
    if body[:_CHECKSUM] != parse[-_CHECKSUM:]:
        return None
    stored = json.loads(body[_CHECKSUM:])
    if not all(isinstance(label, str) for each in stored.values() for label in each):
        raise TypeError("labels")
    return dict(stored)
