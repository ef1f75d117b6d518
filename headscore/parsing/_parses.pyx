# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# distutils: language = c++
"""Unpacks stored parses; their layout is drawn in headscore/parsing/store.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_New
from cpython.unicode cimport PyUnicode_Substring
from libc.stdint cimport int8_t, int16_t, int32_t, uint8_t, uint32_t

from zlib import crc32

from headscore.corpus._segments cimport new_segment, put, span, untracked


def unpack(bytes key not None, bytes parse not None, segment, list names not None):
    cdef const uint8_t* data = <const uint8_t*>PyBytes_AS_STRING(parse)
    cdef Py_ssize_t length = PyBytes_GET_SIZE(parse) - 5  # without the size and the checksum
    cdef Py_ssize_t n, n_words, start, end, size = data[0] if length >= 0 else 0
    cdef str text = segment.text
    if size not in (1, 2, 4):
        raise ValueError("size")
    n_words = length // (3 * size + 2)
    cdef const uint8_t* starts = data + 1
    cdef const uint8_t* ends = starts + n_words * size
    cdef const uint8_t* heads = ends + n_words * size
    # The checksum covers relation names, so that ids that now mean other names are found too.
    cdef tuple relations = names_at(heads + n_words * size, n_words, names)
    if parse[length + 1:] != checksum(key, parse[:length + 1], relations):
        raise ValueError("checksum")
    # A matching checksum shows that the bytes are those written, not that they fit this text.
    numbers = heads_at(heads, size, n_words)
    if segment.words is not None:
        if len(segment.words) != n_words:
            raise ValueError("words")
        return new_segment(
            text, segment.words, segment.spans, numbers, relations, segment.labels
        )
    cdef tuple words = PyTuple_New(n_words)
    cdef tuple spans = PyTuple_New(n_words)
    for n in range(n_words):
        start = number_at(starts + n * size, size)
        end = number_at(ends + n * size, size)
        if not 0 <= start <= end <= len(text):
            raise ValueError("spans")
        put(words, n, PyUnicode_Substring(text, start, end))
        put(spans, n, span(start, end))
    return new_segment(text, untracked(words), untracked(spans), numbers, relations, None)


def checksum(bytes key, bytes body, relations):
    cdef bytes content = b"\0".join((key, body, "\0".join(relations).encode()))
    return crc32(content).to_bytes(4, "little")


cdef tuple names_at(const uint8_t* at, Py_ssize_t n_words, list names):
    cdef tuple found = PyTuple_New(n_words)
    cdef Py_ssize_t n, number
    for n in range(n_words):
        number = at[2 * n] | at[2 * n + 1] << 8
        if number >= len(names):
            raise ValueError("relations")
        put(found, n, names[number])
    return untracked(found)


cdef tuple heads_at(const uint8_t* at, Py_ssize_t size, Py_ssize_t n_words):
    cdef tuple heads = PyTuple_New(n_words)
    cdef Py_ssize_t n, head
    for n in range(n_words):
        head = number_at(at + n * size, size)
        if not -1 <= head < n_words or head == n:
            raise ValueError("heads")
        put(heads, n, head)
    return untracked(heads)


# Little-endian on every machine.
cdef inline int32_t number_at(const uint8_t* at, Py_ssize_t size) noexcept:
    if size == 1:
        return <int8_t>at[0]
    if size == 2:
        return <int16_t>(at[0] | at[1] << 8)
    return <int32_t>(at[0] | at[1] << 8 | at[2] << 16 | <uint32_t>at[3] << 24)
