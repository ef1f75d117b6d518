# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""Segments and sequences made by readers that have checked what they read; for them alone."""

from cpython.object cimport PyObject_GenericSetAttr

from headscore.corpus.sequence import Segment, Sequence

cdef extern from "Python.h":
    void PyObject_GC_UnTrack(void*)

cdef enum:
    STARTS = 512
    LENGTHS = 16

cdef object new = object.__new__
cdef list spans = [None] * (STARTS * LENGTHS)


# A frozen dataclass refuses attributes, and its constructor takes microseconds for its checks.
cdef object new_segment(
    str text, object words, object spans, object heads, object relations, object labels
):
    cdef object segment = new(Segment)
    PyObject_GenericSetAttr(segment, "text", text)
    PyObject_GenericSetAttr(segment, "words", words)
    PyObject_GenericSetAttr(segment, "spans", spans)
    PyObject_GenericSetAttr(segment, "heads", heads)
    PyObject_GenericSetAttr(segment, "relations", relations)
    PyObject_GenericSetAttr(segment, "labels", labels)
    PyObject_GenericSetAttr(segment, "word_pairs", None)
    return segment


cdef object new_sequence(str id, tuple segments, object document):
    cdef object sequence = new(Sequence)
    PyObject_GenericSetAttr(sequence, "id", id)
    PyObject_GenericSetAttr(sequence, "segments", segments)
    PyObject_GenericSetAttr(sequence, "document", document)
    return sequence


# Most spans of one sentence occur in others too: short words near the start of a text.
cdef object span(long start, long end):
    cdef long length = end - start
    if not (0 <= start < STARTS and 0 <= length < LENGTHS):
        return untracked((start, end))
    known = spans[start * LENGTHS + length]
    if known is None:
        known = spans[start * LENGTHS + length] = untracked((start, end))
    return known


# Tuples of texts, numbers or spans are in no reference cycle. The garbage collector finds that out
# at its first visit of each; without that visit a corpus is read in half the time.
cdef tuple untracked(tuple atoms):
    PyObject_GC_UnTrack(<void*>atoms)
    return atoms


def text_sequence(str id not None, str text not None):
    return new_sequence(id, (new_segment(text, None, None, None, None, None),), None)


def with_segments(sequence, tuple segments not None):
    if len(segments) != len(sequence.segments):
        raise ValueError(f"{len(sequence.segments)} segments are needed, got {len(segments)}")
    return new_sequence(sequence.id, segments, sequence.document)


def joined(first, second):
    cdef tuple segments = (*first.segments, *second.segments)
    if len(segments) != 2:
        raise ValueError(f"two segments are needed, got {len(segments)}")
    return new_sequence(f"{first.id}+{second.id}", segments, first.document)
