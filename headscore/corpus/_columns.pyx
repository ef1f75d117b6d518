# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""The columns of the words of a sequence table, filled segment by segment."""

from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t, uint8_t

import numpy as np

from headscore.errors import InputError


cdef extern from "Python.h":
    object PySequence_Fast(object, const char*)
    Py_ssize_t PySequence_Fast_GET_SIZE(object)
    PyObject* PySequence_Fast_GET_ITEM(object, Py_ssize_t)


cdef enum:
    RECENT = 256


def count_words(list segments not None):
    cdef Py_ssize_t n
    split, counts = np.empty(len(segments), np.bool_), np.empty(len(segments), np.int64)
    cdef uint8_t[::1] is_split = split.view(np.uint8)
    cdef int64_t[::1] count = counts
    for n in range(len(segments)):
        words = segments[n].words
        is_split[n] = words is not None
        count[n] = 0 if words is None else len(words)
    return split, counts


def fill_columns(list segments not None, const int64_t[::1] offsets not None):
    cdef Py_ssize_t n, first, n_words = offsets[len(segments)]
    starts, ends = np.empty(n_words, np.int32), np.empty(n_words, np.int32)
    heads, parsed = np.full(n_words, -1, np.int32), np.zeros(len(segments), np.bool_)
    cdef int32_t[::1] start = starts, end = ends, head = heads
    cdef uint8_t[::1] is_parsed = parsed.view(np.uint8)
    cdef Names relations = Names(n_words)
    cdef dict labels = {}
    cdef list pairs = [], pair_relation = [], pair_counts = []
    for n in range(len(segments)):
        segment = segments[n]
        first = offsets[n]
        n_words = offsets[n + 1] - first
        if segment.spans is not None:
            fill_spans(values_of(segment.spans, n_words), &start[first], &end[first])
        if segment.heads is not None:
            is_parsed[n] = True
            fill_heads(values_of(segment.heads, n_words), &head[first])
            relations.fill(values_of(segment.relations, n_words), first)
        if segment.labels:
            for name, values in segment.labels.items():
                if name not in labels:
                    labels[name] = Names(start.shape[0], no_name="")
                (<Names>labels[name]).fill(values_of(values, n_words), first)
        if segment.word_pairs is not None:
            is_parsed[n] = True
            for relation, word, head_word in segment.word_pairs:
                pair_relation.append(relations.number_of(relation))
                pairs.append((word, head_word))
        pair_counts.append(len(segment.word_pairs or ()))
    return {
        "parsed": parsed,
        "starts": starts,
        "ends": ends,
        "heads": heads,
        "relation": relations.array,
        "pair_offsets": np.concatenate([[0], np.cumsum(pair_counts, dtype=np.int64)]),
        "pairs": np.array(pairs, np.int32).reshape(-1, 2),
        "pair_relation": np.array(pair_relation, np.int32),
        "relation_names": tuple(relations.numbers),
        "labels": {name: (each.array, tuple(each.numbers)) for name, each in labels.items()},
    }


# A segment has checked its columns, but a list may have changed since.
cdef object values_of(column, Py_ssize_t n_words):
    cdef object values = PySequence_Fast(column, "a column of words must be a sequence")
    if PySequence_Fast_GET_SIZE(values) != n_words:
        raise ValueError(f"a column must have {n_words} entries, got {len(values)}")
    return values


cdef fill_spans(object spans, int32_t* starts, int32_t* ends):
    cdef Py_ssize_t n
    for n in range(PySequence_Fast_GET_SIZE(spans)):
        starts[n], ends[n] = <object>PySequence_Fast_GET_ITEM(spans, n)


cdef fill_heads(object values, int32_t* heads):
    cdef Py_ssize_t n, n_words = PySequence_Fast_GET_SIZE(values)
    for n in range(n_words):
        heads[n] = <object>PySequence_Fast_GET_ITEM(values, n)
        if not -1 <= heads[n] < n_words:
            raise ValueError(f"a head must be -1 or the index of a word, got {heads[n]}")


cdef class Names:
    """A column of names as their numbers in order of first appearance, -1 for `no_name`."""

    cdef readonly object array
    cdef object no_name
    cdef readonly dict numbers
    cdef int32_t[::1] column
    cdef list recent  # names by address: readers make one object of each name
    cdef int32_t[RECENT] recent_number

    def __cinit__(self, Py_ssize_t n_words, no_name=None):
        self.array = self.column = np.full(n_words, -1, np.int32)
        self.no_name = no_name
        self.numbers = {}
        self.recent = [object()] * RECENT  # which is no name, as None might be

    cdef fill(self, object names, Py_ssize_t first):
        cdef PyObject* name
        cdef Py_ssize_t n, slot
        for n in range(PySequence_Fast_GET_SIZE(names)):
            name = PySequence_Fast_GET_ITEM(names, n)
            slot = (<size_t>name >> 4) % RECENT
            if self.recent[slot] is not <object>name:
                self.recent[slot] = <object>name
                self.recent_number[slot] = self.number_of(<object>name)
            self.column[first + n] = self.recent_number[slot]

    cdef int32_t number_of(self, name) except? -1:
        if not isinstance(name, str):
            raise InputError(f"relations and labels must be texts, got {name!r}")
        if name == self.no_name:
            return -1
        return self.numbers.setdefault(name, len(self.numbers))
