"""The fields of a sequence table, word by word."""

import numpy as np


def fields_of(sequences):
    """Name of a field -> value, with lists for arrays."""
    segments = [segment for each in sequences for segment in each.segments]
    counts = [len(segment.words or ()) for segment in segments]
    relations, columns = {}, {}
    n_words = sum(counts)
    found = {name: [] for name in ("starts", "ends", "heads", "relation")}
    pairs, pair_relation, pair_offsets = [], [], [0]
    at = 0
    for segment, n in zip(segments, counts, strict=True):
        for word in range(n):
            start, end = segment.spans[word]
            name = segment.relations[word] if segment.heads else None
            found["starts"].append(start)
            found["ends"].append(end)
            found["heads"].append(segment.heads[word] if segment.heads else -1)
            found["relation"].append(number_of(name, relations))
        for name, values in (segment.labels or {}).items():
            codes, names = columns.setdefault(name, ([-1] * n_words, {}))
            codes[at : at + n] = [number_of(value or None, names) for value in values]
        for relation, word, head in segment.word_pairs or ():
            pairs.append([word, head])
            pair_relation.append(number_of(relation, relations))
        pair_offsets.append(len(pairs))
        at += n
    return {
        "ids": tuple(each.id for each in sequences),
        "documents": tuple(each.document for each in sequences),
        "texts": [segment.text for segment in segments],
        "segment_offsets": np.cumsum([0, *(len(each.segments) for each in sequences)]).tolist(),
        "word_offsets": np.cumsum([0, *counts]).tolist(),
        "split": [segment.words is not None for segment in segments],
        "parsed": [segment.parsed for segment in segments],
        "relation_names": tuple(relations),
        "pair_offsets": pair_offsets,
        "pairs": pairs,
        "pair_relation": pair_relation,
        "labels": {name: (codes, tuple(names)) for name, (codes, names) in columns.items()},
        **found,
    }


def number_of(name, numbers):
    """The number of a name in order of first appearance, -1 for None."""
    return -1 if name is None else numbers.setdefault(name, len(numbers))
