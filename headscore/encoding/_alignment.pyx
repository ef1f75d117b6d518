# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""Flat columns of a tokenizer's encodings, and the tokens of each word and word pair in them."""

import numpy as np

from cpython.unicode cimport (
    PyUnicode_GET_LENGTH,
    PyUnicode_READ_CHAR,
    Py_UNICODE_ISALNUM,
    Py_UNICODE_ISSPACE,
)
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy
from libcpp.vector cimport vector


def flatten(list encodings, bint placed):
    """Return the columns of some encodings; see `_alignment.pyi`."""
    cdef Py_ssize_t n = len(encodings), e, t, tokens
    cdef vector[int32_t] ids, types, owners, words, starts, ends
    cdef list each_ids, each_types, each_owners, each_words, each_offsets
    cdef object item, pair
    offsets = np.zeros(n + 1, np.int64)
    truncated = np.zeros(n, np.bool_)
    cdef int64_t[::1] offsets_ = offsets
    cdef uint8_t[::1] truncated_ = truncated.view(np.uint8)
    # One encoding at a time, so that few Python objects are alive at once: the garbage collector
    # looks at every living tuple again and again.
    for e in range(n):
        encoding = encodings[e]
        each_ids, each_types = encoding.ids, encoding.type_ids
        each_owners = encoding.sequence_ids
        tokens = len(each_ids)
        for t in range(tokens):
            ids.push_back(<int32_t> each_ids[t])
            types.push_back(<int32_t> each_types[t])
            item = each_owners[t]
            owners.push_back(-1 if item is None else <int32_t> item)
        if placed:
            each_words, each_offsets = encoding.word_ids, encoding.offsets
            for t in range(tokens):
                item, pair = each_words[t], each_offsets[t]
                words.push_back(-1 if item is None else <int32_t> item)
                starts.push_back(<int32_t> (<tuple> pair)[0])
                ends.push_back(<int32_t> (<tuple> pair)[1])
        truncated_[e] = len(encoding.overflowing) > 0
        offsets_[e + 1] = <int64_t> ids.size()
    return (
        offsets,
        _array(ids),
        _array(types),
        _array(owners),
        _array(words),
        _array(starts),
        _array(ends),
        truncated,
    )


def spell_words(list texts, const uint8_t[::1] left_out):
    """Return the words of texts as they are written; see `_alignment.pyi`."""
    cdef vector[int32_t] starts, ends
    cdef vector[int64_t] offsets
    cdef Py_ssize_t g, c, length
    cdef Py_UCS4 each
    cdef bint inside, alone
    cdef str text
    offsets.push_back(0)
    for g in range(len(texts)):
        text = texts[g]
        length = 0 if left_out[g] else PyUnicode_GET_LENGTH(text)
        inside = alone = False  # of a word, and of one that is a single letter
        for c in range(length):
            each = PyUnicode_READ_CHAR(text, c)
            if Py_UNICODE_ISSPACE(each):
                inside = False
                continue
            if not inside or (_is_unspaced(each) or alone) and not _joins(each):
                starts.push_back(<int32_t> c)
                ends.push_back(<int32_t> c)
                alone = _is_unspaced(each)
            inside = True
            ends[ends.size() - 1] = <int32_t> (c + 1)
        offsets.push_back(<int64_t> starts.size())
    return _long_array(offsets), _array(starts), _array(ends)


cdef bint _is_unspaced(Py_UCS4 letter) noexcept:
    """Return whether a letter is of a script that puts no spaces between words."""
    if letter < 0x0E00:
        return False
    return (
        letter < 0x10A0  # Thai, Lao, Tibetan, Myanmar
        or 0x1780 <= letter < 0x1800  # Khmer
        or 0x1950 <= letter < 0x1AB0  # Tai Le, New Tai Lue, Tai Tham
        or 0x1B00 <= letter < 0x1B80  # Balinese
        or 0x3005 <= letter < 0x3008  # Han
        or 0x3041 <= letter < 0x3130  # kana, bopomofo
        or 0x31F0 <= letter < 0x3200  # kana
        or 0x3400 <= letter < 0x4DC0  # Han
        or 0x4E00 <= letter < 0xA000  # Han
        or 0xA980 <= letter < 0xAA00  # Javanese, Myanmar
        or 0xAA60 <= letter < 0xAA80  # Myanmar
        or 0xF900 <= letter < 0xFB00  # Han
        or 0xFF66 <= letter < 0xFFA0  # kana
        or 0x20000 <= letter < 0x40000  # Han
    )


cdef bint _joins(Py_UCS4 letter) noexcept:
    """Return whether a character belongs to the letter before it: vowel signs, tones, variants."""
    if 0xFE00 <= letter < 0xFE10 or 0xE0100 <= letter < 0xE01F0:
        return True
    return _is_unspaced(letter) and not Py_UNICODE_ISALNUM(letter)


def number_words(
    const int64_t[::1] chosen,
    const int64_t[::1] token_offsets,
    const int64_t[::1] segment_offsets,
    const int64_t[::1] word_offsets,
    const int32_t[::1] begins,
    const int32_t[::1] stops,
):
    """Return the number of the word of each token; see `_alignment.pyi`."""
    numbers = np.full(token_offsets[chosen.shape[0]], -1, np.int32)
    cdef int32_t[::1] numbers_ = numbers
    cdef Py_ssize_t row, w, t, start, first
    cdef int32_t number
    with nogil:
        for row in range(chosen.shape[0]):
            start = token_offsets[row]
            first = word_offsets[segment_offsets[chosen[row]]]
            for w in range(first, word_offsets[segment_offsets[chosen[row] + 1]]):
                if begins[w] < 0:
                    continue
                number = numbers_[start + begins[w]]
                if number < 0:
                    number = <int32_t> (w - first)
                for t in range(start + begins[w], start + stops[w]):
                    if numbers_[t] < 0:
                        numbers_[t] = number
    return numbers


def find_pieces(
    const int64_t[::1] chosen,
    const int64_t[::1] token_offsets,
    const int32_t[::1] owners,
    const int32_t[::1] token_starts,
    const int32_t[::1] token_ends,
    list texts,
    const int64_t[::1] segment_offsets,
    const int64_t[::1] word_offsets,
    const int32_t[::1] starts,
    const int32_t[::1] ends,
):
    """Return the first token of each word and the end of its tokens; see `_alignment.pyi`."""
    begins = np.full(starts.shape[0], -1, np.int32)
    stops = np.full(starts.shape[0], -1, np.int32)
    cdef int32_t[::1] begins_ = begins, stops_ = stops
    cdef Py_ssize_t row, g, number, first, last
    for row in range(chosen.shape[0]):
        number = 0
        for g in range(segment_offsets[chosen[row]], segment_offsets[chosen[row] + 1]):
            first, last = token_offsets[row], token_offsets[row + 1]
            # The tokens of one text are contiguous.
            while first < last and owners[first] != number:
                first += 1
            while last > first and owners[last - 1] != number:
                last -= 1
            _find_in_text(
                texts[g],
                word_offsets[g],
                word_offsets[g + 1],
                starts,
                ends,
                first,
                last - first,
                first - token_offsets[row],
                token_starts,
                token_ends,
                begins_,
                stops_,
            )
            number += 1
    return begins, stops


cdef int _find_in_text(
    str text,
    Py_ssize_t first_word,
    Py_ssize_t end_word,
    const int32_t[::1] starts,
    const int32_t[::1] ends,
    Py_ssize_t first_token,
    Py_ssize_t tokens,
    Py_ssize_t position,
    const int32_t[::1] token_starts,
    const int32_t[::1] token_ends,
    int32_t[::1] begins,
    int32_t[::1] stops,
) except -1:
    """Write the tokens of each word of a text, as positions in the sequence.

    A token belongs to every word that it shares characters with. A token of nothing but the space
    before a word belongs to that word, as in the tokenizer's own word_ids::

        characters   T h e   d o g s .        spans of words    The 0..3, dogs 4..8, . 8..9
        tokens       0---- 1 2---- 3 4        1 is the space alone: it belongs to the word of 2
        begin        first token that ends behind the start of the word
        end          first token that starts at or behind the end of the word

    A word of white space only, as spaCy makes them, has no tokens.
    """
    cdef Py_ssize_t w, begin, end, before
    for w in range(first_word, end_word):
        begin = _first_behind(token_ends, first_token, tokens, starts[w] + 1)
        end = _first_behind(token_starts, first_token, tokens, ends[w])
        if begin >= end or _is_space(text, starts[w], ends[w]):
            continue
        # SentencePiece may make the space a token of its own. Such a token lies directly before the
        # word's first one, ends where the word starts, and starts at most one character earlier
        # (equal offsets: a mark that stands for no character of the text). Byte-level vocabularies
        # may spell one space with several tokens, of equal offsets.
        if begin > 0 and (starts[w] == 0 or _is_space(text, starts[w] - 1, starts[w])):
            before = first_token + begin - 1
            if token_starts[before] >= starts[w] - 1 and token_ends[before] == starts[w]:
                begin -= 1
                while (
                    begin > 0
                    and token_starts[before] < starts[w]
                    and token_starts[before - 1] == token_starts[before]
                    and token_ends[before - 1] == token_ends[before]
                ):
                    before -= 1
                    begin -= 1
        begins[w], stops[w] = <int32_t> (position + begin), <int32_t> (position + end)
    return 0


cdef Py_ssize_t _first_behind(
    const int32_t[::1] values, Py_ssize_t first, Py_ssize_t count, int32_t least
) noexcept nogil:
    """Return the number of values below `least`, of ascending ones."""
    cdef Py_ssize_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) >> 1
        if values[first + middle] < least:
            low = middle + 1
        else:
            high = middle
    return low


cdef bint _is_space(str text, Py_ssize_t start, Py_ssize_t end):
    """Return whether characters of a text are white space only, and there are some."""
    start, end = max(start, 0), min(end, PyUnicode_GET_LENGTH(text))
    cdef Py_ssize_t c
    for c in range(start, end):
        if not Py_UNICODE_ISSPACE(PyUnicode_READ_CHAR(text, c)):
            return False
    return start < end


def relate(
    const int64_t[::1] chosen,
    const int64_t[::1] segment_offsets,
    const int64_t[::1] word_offsets,
    const int32_t[::1] heads,
    const int32_t[::1] relation,
    Py_ssize_t relations,
    const int32_t[::1] begins,
    const int32_t[::1] stops,
):
    """Return the word pairs of some sequences in flat arrays; see `_alignment.pyi`."""
    cdef vector[int32_t] numbers, dependents, theirs, order, lost, number_of
    cdef vector[int64_t] dependent_offsets, their_offsets, owners
    offsets = np.zeros(chosen.shape[0] + 1, np.int64)
    cdef int64_t[::1] offsets_ = offsets
    cdef Py_ssize_t row, g, first, w, head
    number_of.assign(relations, -1)
    dependent_offsets.push_back(0)
    their_offsets.push_back(0)
    with nogil:
        for row in range(chosen.shape[0]):
            for g in range(segment_offsets[chosen[row]], segment_offsets[chosen[row] + 1]):
                first = word_offsets[g]
                for w in range(first, word_offsets[g + 1]):
                    if heads[w] < 0:
                        continue
                    head = first + heads[w]
                    # A word without tokens or with truncated ones makes its pair unusable.
                    if begins[w] < 0 or begins[head] < 0:
                        owners.push_back(row)
                        lost.push_back(relation[w])
                        continue
                    if number_of[relation[w]] < 0:
                        number_of[relation[w]] = <int32_t> order.size()
                        order.push_back(relation[w])
                    numbers.push_back(number_of[relation[w]])
                    _extend(dependents, begins[w], stops[w])
                    dependent_offsets.push_back(<int64_t> dependents.size())
                    _extend(theirs, begins[head], stops[head])
                    their_offsets.push_back(<int64_t> theirs.size())
            offsets_[row + 1] = <int64_t> numbers.size()
    return (
        offsets,
        _array(numbers),
        _long_array(dependent_offsets),
        _array(dependents),
        _long_array(their_offsets),
        _array(theirs),
        _array(order),
        _long_array(owners),
        _array(lost),
    )


cdef void _extend(vector[int32_t]& values, int32_t begin, int32_t stop) noexcept nogil:
    cdef int32_t each
    for each in range(begin, stop):
        values.push_back(each)


def label(
    const int64_t[::1] chosen,
    const int64_t[::1] token_offsets,
    const int64_t[::1] segment_offsets,
    const int64_t[::1] word_offsets,
    const int32_t[::1] codes,
    Py_ssize_t names,
    const int32_t[::1] begins,
    const int32_t[::1] stops,
):
    """Return the label of each token, and the codes of the labels; see `_alignment.pyi`."""
    cdef vector[int32_t] number_of, last_row, order, seen
    seen_offsets = np.zeros(chosen.shape[0] + 1, np.int64)
    cdef int64_t[::1] seen_offsets_ = seen_offsets
    labels = np.full(token_offsets[chosen.shape[0]], -1, np.int32)
    cdef int32_t[::1] labels_ = labels
    cdef Py_ssize_t row, w, t, start
    number_of.assign(names, -1)
    last_row.assign(names, -1)
    with nogil:
        for row in range(chosen.shape[0]):
            start = token_offsets[row]
            for w in range(
                word_offsets[segment_offsets[chosen[row]]],
                word_offsets[segment_offsets[chosen[row] + 1]],
            ):
                if begins[w] < 0 or codes[w] < 0:
                    continue
                if number_of[codes[w]] < 0:
                    number_of[codes[w]] = <int32_t> order.size()
                    order.push_back(codes[w])
                if last_row[codes[w]] != row:
                    last_row[codes[w]] = <int32_t> row
                    seen.push_back(number_of[codes[w]])
                for t in range(start + begins[w], start + stops[w]):
                    labels_[t] = number_of[codes[w]]
            seen_offsets_[row + 1] = <int64_t> seen.size()
    return labels, _array(order), seen_offsets, _array(seen)


cdef _array(const vector[int32_t]& values):
    """Return a copy of a vector, int32."""
    array = np.empty(values.size(), np.int32)
    cdef int32_t[::1] view = array
    if values.size():
        memcpy(&view[0], values.data(), values.size() * sizeof(int32_t))
    return array


cdef _long_array(const vector[int64_t]& values):
    """Return a copy of a vector, int64."""
    array = np.empty(values.size(), np.int64)
    cdef int64_t[::1] view = array
    if values.size():
        memcpy(&view[0], values.data(), values.size() * sizeof(int64_t))
    return array
