# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""Builds the sentences of a CoNLL-U file that keep all rules; csrc/sentences reads them."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.tuple cimport PyTuple_New
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memchr
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from sys import intern

from headscore.corpus._segments cimport new_segment, new_sequence, put, span, untracked


cdef extern from "sentences/sentence.h" namespace "headscore" nogil:
    cdef cppclass Slice:
        const char* begin
        const char* end
        int64_t size()

    cdef struct Row:
        Slice form
        Slice upos
        Slice relation

    cdef struct Word:
        int32_t row
        int32_t head
        int32_t start
        int32_t end

    cdef cppclass Sentence:
        Slice text
        Slice id
        Slice document
        cbool new_document
        int32_t n_comments
        int32_t id_row
        cbool parsed
        cbool tagged
        vector[Word] words
        vector[Row] rows

    cbool is_ascii(Slice)
    const char* skip_empty_lines(const char*, const char*, int64_t*)
    const char* block_end(const char*, const char*)
    cbool read_sentence(Slice, Sentence*)


cdef extern from "sentences/names.h" namespace "headscore" nogil:
    cdef cppclass Names:
        int64_t number_of(Slice)


def read_valid(bytes piece not None, Py_ssize_t start, int64_t line, numbering):
    cdef const char* data = PyBytes_AS_STRING(piece)
    cdef const char* end = data + PyBytes_GET_SIZE(piece)
    cdef Builder builder = Builder()
    cdef Sentence sentence
    cdef Slice block
    cdef object lines = numbering.lines
    cdef object document = numbering.document
    cdef int64_t n_documents = numbering.n_documents, ordinal = numbering.ordinal
    cdef list sequences = []
    cdef str id_
    block.begin = skip_empty_lines(data + start, end, &line)
    while block.begin < end:
        block.end = block_end(block.begin, end)
        if block.end == NULL or not is_text(block) or not read_sentence(block, &sentence):
            break
        id_ = decoded(sentence.id) if sentence.id.size() else f"s{ordinal + 1}"
        if lines.get(id_) is not None:
            break
        lines.add(id_, line + sentence.id_row)
        ordinal += 1
        if sentence.new_document:
            n_documents += 1
            document = decoded(sentence.document) or f"doc{n_documents}"
        sequences.append(new_sequence(id_, (builder.segment(sentence),), document))
        line += sentence.n_comments + <int64_t>sentence.rows.size()
        block.begin = skip_empty_lines(block.end, end, &line)
    numbering.document = document
    numbering.n_documents, numbering.ordinal = n_documents, ordinal
    return sequences, block.begin - data, line


cdef class Builder:
    """Builds segments, with one object for each name of a relation or part of speech."""

    cdef Names numbers
    cdef list names

    def __cinit__(self):
        self.names = []

    cdef object segment(self, const Sentence& sentence):
        cdef Py_ssize_t n_words = sentence.words.size()
        cdef tuple words = PyTuple_New(n_words)
        cdef tuple spans = PyTuple_New(n_words)
        cdef object heads = None
        cdef object relations = None
        cdef object labels = None
        cdef Py_ssize_t n
        cdef Word word
        for n in range(n_words):
            word = sentence.words[n]
            put(words, n, decoded(sentence.rows[word.row].form))
            put(spans, n, span(word.start, word.end))
        if sentence.parsed:
            heads = PyTuple_New(n_words)
            relations = PyTuple_New(n_words)
            for n in range(n_words):
                word = sentence.words[n]
                put(<tuple>heads, n, word.head)
                put(<tuple>relations, n, self.name(sentence.rows[word.row].relation))
            untracked(<tuple>heads)
            untracked(<tuple>relations)
        if sentence.tagged:
            labels = {"upos": self.tags(sentence)}
        return new_segment(
            decoded(sentence.text), untracked(words), untracked(spans), heads, relations, labels
        )

    cdef tuple tags(self, const Sentence& sentence):
        cdef Py_ssize_t n, n_words = sentence.words.size()
        cdef tuple tags = PyTuple_New(n_words)
        cdef str tag
        for n in range(n_words):
            tag = self.name(sentence.rows[sentence.words[n].row].upos)
            put(tags, n, "" if tag == "_" else tag)
        return untracked(tags)

    cdef str name(self, Slice letters):
        cdef int64_t number = self.numbers.number_of(letters)
        if number == len(self.names):
            self.names.append(intern(decoded(letters)))
        return self.names[number]


cdef inline str decoded(Slice letters):
    return PyUnicode_DecodeUTF8(letters.begin, letters.size(), NULL)


cdef bint is_text(Slice block):
    """Whether a block is UTF-8 without NUL."""
    if memchr(block.begin, 0, block.size()) != NULL:
        return False
    if is_ascii(block):
        return True
    try:
        decoded(block)
    except UnicodeDecodeError:
        return False
    return True
