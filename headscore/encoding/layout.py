"""Layout: the arrays of a file that holds an encoded corpus."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from headscore import files
from headscore.arrays import Array
from headscore.encoding import sources as bits
from headscore.encoding.sources import Seen, Sources
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError
from headscore.files import Field

Arrays: TypeAlias = Mapping[str, Array]
Labels: TypeAlias = tuple[Array, tuple[str, ...]]  # of a column, and their names

KIND = "encoded"
SUFFIX = ".hse"
# Axes: t tokens, o and q offsets of sequences and pairs, p word pairs, c columns, l those of the
# corpus, s sources, x dropped pairs.
LAYOUT = {
    "offsets": Field("int64", "o"),
    "input_ids": Field("int64", "t"),
    "special": Field("bool", "t"),
    "segments": Field("int32", "t"),
    "token_types": Field("int64", "t"),
    "labels": Field("int32", "ct"),
    "pair_offsets": Field("int64", "o"),
    "relation": Field("int32", "p"),
    "dependent_offsets": Field("int64", "q"),
    "dependents": Field("int32", "d"),
    "head_offsets": Field("int64", "q"),
    "heads": Field("int32", "h"),
    "state": Field("uint8", "s"),
    "seen_offsets": Field("int64", "lo"),
    "seen": Field("int32", "n"),
    "dropped": Field("int64", "x"),
    "dropped_relation": Field("int32", "x"),
    "texts": Field("uint8", "j"),
}
_FACTS = ("tokenizer", "max_length", "parser")
LAYOUTS = {(KIND, files.FORMAT_VERSION): LAYOUT}
# Lists of texts, of which those of documents may be null.
_LISTS = ("ids", "documents", "relation_names", "dropped_names", "seen")


def check_facts(facts: Mapping[str, str]) -> None:
    """Check that the facts that scores depend on are there; raises InputError."""
    missing = [name for name in _FACTS if name not in facts]
    if missing:
        raise InputError(f"facts must have {' and '.join(missing)}")


def pack_pairs(pairs: WordPairs) -> dict[str, Array]:
    """Return the arrays of word pairs."""
    return {
        "pair_offsets": pairs.offsets,
        "relation": pairs.relation,
        "dependent_offsets": pairs.dependent_offsets,
        "dependents": pairs.dependents,
        "head_offsets": pairs.head_offsets,
        "heads": pairs.heads,
    }


def unpack_pairs(arrays: Arrays) -> WordPairs:
    """Return the word pairs of a file."""
    return WordPairs(
        offsets=arrays["pair_offsets"],
        relation=arrays["relation"],
        dependent_offsets=arrays["dependent_offsets"],
        dependents=arrays["dependents"],
        head_offsets=arrays["head_offsets"],
        heads=arrays["heads"],
    )


def pack_sources(sources: Sources) -> dict[str, Array]:
    """Return the arrays of sources; the labels of all columns follow one another."""
    seen = list(sources.seen.values())
    kept = sources.kept_before(len(sources))
    ends = np.cumsum([0, *(len(each.labels) for each in seen)])
    shifted = [each.offsets + end for each, end in zip(seen, ends[:-1], strict=True)]
    return {
        "state": sources.state,
        "seen_offsets": _stack(shifted, kept + 1, np.int64),
        "seen": np.concatenate([np.empty(0, np.int32), *(each.labels for each in seen)]),
        "dropped": sources.dropped,
        "dropped_relation": sources.dropped_relation,
    }


def unpack_sources(arrays: Arrays, texts: Mapping[str, Any]) -> Sources:
    """Return the sources of a file."""
    columns = zip(texts["seen"], arrays["seen_offsets"], strict=True)
    return Sources(
        state=arrays["state"],
        dropped=arrays["dropped"],
        dropped_relation=arrays["dropped_relation"],
        dropped_names=tuple(texts["dropped_names"]),
        seen={
            name: Seen(offsets - offsets[0], arrays["seen"][offsets[0] : offsets[-1]])
            for name, offsets in columns
        },
        read=texts["read"],
    )


def pack_labels(columns: Mapping[str, Labels], tokens: int) -> Array:
    """Return the labels of all columns, int32 (column, token)."""
    return _stack([labels for labels, _ in columns.values()], tokens, np.int32)


def pack_texts(texts: Mapping[str, Any]) -> Array:
    """Encode the texts as an array of bytes."""
    return np.frombuffer(json.dumps(texts).encode("ascii"), dtype=np.uint8)


def unpack_texts(arrays: Arrays) -> dict[str, Any]:
    """Decode the texts, and check that they fit the arrays; raises InputError."""
    try:
        texts = json.loads(arrays["texts"].tobytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"texts must be in JSON, got {error}") from error
    if not isinstance(texts, dict) or not _are_texts(texts):
        raise InputError("texts must be those of an encoded corpus, got others")
    kept, columns = len(arrays["offsets"]) - 1, len(arrays["labels"])
    sizes = {
        "ids": kept,
        "documents": kept,
        "columns": columns,
        "seen": len(arrays["seen_offsets"]),
    }
    for name, size in sizes.items():
        if len(texts[name]) != size:
            raise InputError(f"{name} must have {size} entries, got {len(texts[name])}")
    return texts


def _are_texts(texts: Mapping[str, Any]) -> bool:
    read, wordless = texts.get("read"), texts.get("wordless")
    if not all(isinstance(texts.get(name), list) for name in (*_LISTS, "columns")):
        return False
    named = [each for name in _LISTS if name != "documents" for each in texts[name]]
    return (
        all(isinstance(each, str) for each in named)
        and all(each is None or isinstance(each, str) for each in texts["documents"])
        and all(_is_column(each) for each in texts["columns"])
        and set(texts["seen"]) <= {name for name, _ in texts["columns"]}
        and isinstance(read, dict)
        and all(isinstance(count, int) for count in read.values())
        and (wordless is None or isinstance(wordless, str))
    )


def _is_column(value: object) -> bool:
    """Return whether a value is the name of a column and a list of its labels."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[1], list):
        return False
    return all(isinstance(text, str) for text in (value[0], *value[1]))


def check_arrays(arrays: Arrays, texts: Mapping[str, Any]) -> None:
    """Check that offsets, positions and numbers lie in their ranges; raises InputError."""
    lengths = _check_offsets(arrays, "offsets", len(arrays["input_ids"]), least=1)
    pairs = _check_offsets(arrays, "pair_offsets", len(arrays["relation"]))
    for side in ("dependent", "head"):
        name = {"dependent": "dependents", "head": "heads"}[side]
        pieces = _check_offsets(arrays, f"{side}_offsets", len(arrays[name]))
        if len(pieces) != len(arrays["relation"]):
            raise InputError(f"{side}_offsets must have one entry more than relation")
        # Every piece lies inside the sequence of its pair.
        ends = np.repeat(np.repeat(lengths, pairs), pieces)
        _check_range(name, arrays[name], 0, ends)
    _check_range("input_ids", arrays["input_ids"], 0, np.iinfo(np.int64).max)
    _check_range("token_types", arrays["token_types"], 0, np.iinfo(np.int64).max)
    _check_range("segments", arrays["segments"], 0, 2)
    _check_range("relation", arrays["relation"], 0, len(texts["relation_names"]))
    for (name, names), labels in zip(texts["columns"], arrays["labels"], strict=True):
        _check_range(f"column {name!r}", labels, -1, len(names) or np.iinfo(np.int32).max)
    _check_sources(arrays, texts)


def _check_sources(arrays: Arrays, texts: Mapping[str, Any]) -> None:
    kept = int(np.count_nonzero(arrays["state"] & bits.KEPT))
    if kept != len(arrays["offsets"]) - 1:
        raise InputError(f"state must keep {len(arrays['offsets']) - 1} sequences, keeps {kept}")
    _check_range("dropped", arrays["dropped"], 0, len(arrays["state"]))
    if (np.diff(arrays["dropped"]) < 0).any():
        raise InputError("dropped must be in order")
    _check_range("dropped_relation", arrays["dropped_relation"], 0, len(texts["dropped_names"]))
    sizes = {name: len(names) for name, names in texts["columns"]}
    ends = [0, *arrays["seen_offsets"][:, -1].tolist()]
    if ends[-1] != len(arrays["seen"]) or (np.diff(arrays["seen_offsets"]) < 0).any():
        raise InputError("seen_offsets must rise from 0 to the number of labels seen")
    for name, offsets, start in zip(texts["seen"], arrays["seen_offsets"], ends[:-1], strict=True):
        if offsets[0] != start:
            raise InputError("seen_offsets must follow one another")
        _check_range("seen", arrays["seen"][start : offsets[-1]], 0, sizes[name])


def _check_offsets(arrays: Arrays, name: str, total: int, least: int = 0) -> Array:
    """Check offsets, and return the sizes of the rows."""
    offsets = arrays[name]
    sizes = np.diff(offsets)
    if not len(offsets) or offsets[0] != 0 or offsets[-1] != total or (sizes < least).any():
        raise InputError(f"{name} must rise from 0 to {total}")
    return sizes


def _check_range(name: str, values: Array, least: int, end: int | Array) -> None:
    if ((values < least) | (values >= end)).any():
        raise InputError(f"{name} must lie in its range, from {least} on, got others")


def _stack(rows: list[Array], size: int, dtype: type) -> Array:
    return np.stack(rows) if rows else np.empty((0, size), dtype)
