# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# distutils: language = c++
"""Planning: calls csrc/planning with the arrays of a batch, and returns what that computes."""

import numpy as np

from cpython.buffer cimport PyBuffer_FillInfo
from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libc.stdlib cimport free
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.vector cimport vector


cdef extern from "planning/sieves.h" namespace "headscore" nogil:
    cdef struct Visibility:
        cbool causal
        int64_t window

    cdef struct Sieves:
        int64_t batch
        int64_t tokens
        int64_t key_tokens
        int64_t roles
        int64_t label_roles
        int64_t entries
        const int32_t* lengths
        const int32_t* key_lengths
        const uint8_t* times_entropy
        const int32_t* label_role
        const int32_t* query_label
        const int32_t* key_label
        const int32_t* band
        const uint8_t* listed
        const int32_t* entry_role
        const int32_t* entry_sequence
        const int32_t* entry_group
        const int32_t* entry_query
        const int32_t* entry_key

    cdef struct Texts:
        const int32_t* text
        const int64_t* arc_offsets
        const int32_t* arc_key


cdef extern from "planning/column.h" namespace "headscore" nogil:
    cdef cppclass Column[T]:
        size_t size()
        T* release()


cdef extern from "planning/plan.h" namespace "headscore" nogil:
    cdef struct RoleArrays:
        float* row_weight
        int64_t* pair_offsets
        uint8_t* takes_part
        uint8_t* token_takes_part
        float* attainable
        int64_t* overlap
        uint8_t* invisible

    cdef cppclass GrownArrays:
        Column[int32_t] pair_role, pair_key
        Column[float] pair_weight
        vector[int64_t] pair_offsets, mean_offsets, unit_offsets
        vector[int32_t] member_column, member_mean, mean_column, unit_sequence, unit_role
        vector[double] member_weight, mean_share
        int64_t further
        int64_t left_out

    void c_plan_batch "headscore::plan_batch"(
        const Sieves& sieves, const Texts& texts, const Visibility& visibility, cbool compared,
        const RoleArrays& arrays, GrownArrays* grown) except +


cdef extern from "planning/entries.h" namespace "headscore" nogil:
    cdef struct GivenEntries:
        int64_t count
        const int64_t* sequence
        const int64_t* group
        const int64_t* query
        const int64_t* key

    cdef cppclass SortedEntries:
        vector[int32_t] role, sequence, group, query, key

    cdef struct Words:
        int64_t sequences
        const int64_t* offsets
        const int64_t* dependent_offsets
        const int32_t* dependents
        const int64_t* head_offsets
        const int32_t* heads

    int64_t c_append_entries "headscore::append_entries"(
        const GivenEntries& given, int32_t role, int64_t batch, const int32_t* lengths,
        const int32_t* key_lengths, SortedEntries* entries) except +
    void c_list_arcs "headscore::list_arcs"(
        const Words& words, const int64_t* token_offsets, vector[int64_t]* arc_offsets,
        vector[int32_t]* arc_key) except +


cdef extern from "planning/control.h" namespace "headscore" nogil:
    cdef struct Comparison:
        int64_t units
        const int64_t* pair_offsets
        const int32_t* member_column
        const int32_t* member_mean
        const double* member_weight
        const int64_t* mean_offsets
        const int32_t* mean_column
        const double* mean_share
        const int64_t* unit_offsets
        const int32_t* unit_sequence
        const int32_t* unit_role

    void c_control_position "headscore::control_position"(
        const Comparison& comparison, const float* scores, const uint8_t* counted, int64_t roles,
        int64_t heads, float* excess, int64_t* sums)


cdef inline uintptr_t _at(object array):
    return array.ctypes.data


cdef class _Memory:
    """Memory of a `Column`, as a buffer of bytes."""

    cdef void* data
    cdef Py_ssize_t size

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.data, self.size, 0, flags)

    def __dealloc__(self):
        free(self.data)


cdef object _taken(void* data, Py_ssize_t size, object dtype):
    """Return an array on memory that is freed with it."""
    cdef _Memory memory = _Memory()
    memory.data, memory.size = data, size
    return np.frombuffer(memory, dtype) if size else np.empty(0, dtype)


cdef object _copied(const void* data, size_t count, object dtype):
    array = np.empty(count, dtype)
    memcpy(<void*>_at(array), data, array.nbytes)
    return array


cdef object _int32(const vector[int32_t]& values):
    return _copied(values.data(), values.size(), np.int32)


cdef object _int64(const vector[int64_t]& values):
    return _copied(values.data(), values.size(), np.int64)


cdef object _float64(const vector[double]& values):
    return _copied(values.data(), values.size(), np.float64)


ctypedef fused Whole:
    int32_t
    int64_t


def copy_labels(const Whole[:, ::1] labels, const int32_t[::1] lengths, int32_t[:, ::1] into):
    """Copy labels (batch, T), with -1 at padding; return the smallest and largest of them or 0."""
    cdef Py_ssize_t batch = labels.shape[0], tokens = labels.shape[1], b, t
    cdef Whole low = 0, high = 0, label
    with nogil:
        for b in range(batch):
            for t in range(tokens):
                label = labels[b, t]
                low = min(low, label)
                high = max(high, label)
                into[b, t] = <int32_t>label
            for t in range(lengths[b], tokens):
                into[b, t] = -1
    return low, high


cdef class EntryList:
    """The entries of pair roles, sorted by role, sequence, group, query and key, each once."""

    cdef SortedEntries entries

    def add(
        self,
        int32_t role,
        const int32_t[::1] lengths,
        const int32_t[::1] key_lengths,
        const int64_t[::1] sequence,
        const int64_t[::1] group,
        const int64_t[::1] query,
        const int64_t[::1] key,
    ):
        """Add the entries of a role behind those of lower roles.

        Returns -1, or the first entry whose positions lie outside its sequence, or group outside
        int32.
        """
        cdef GivenEntries given
        if not len(query):
            return -1
        given.count = len(query)
        given.sequence, given.group = &sequence[0], &group[0]
        given.query, given.key = &query[0], &key[0]
        cdef int64_t batch = len(lengths)
        if not batch:
            return 0
        return c_append_entries(
            given, role, batch, &lengths[0], &key_lengths[0], &self.entries
        )

    def columns(self):
        """Return role, sequence, group, query and key, int32 (entry,)."""
        return (
            _int32(self.entries.role),
            _int32(self.entries.sequence),
            _int32(self.entries.group),
            _int32(self.entries.query),
            _int32(self.entries.key),
        )


def list_arcs(words, token_offsets):
    """Return the keys of each token's arcs in either direction: int64 offsets and int32 keys."""
    cdef const int64_t[::1] starts = token_offsets, offsets_ = words.offsets
    cdef const int64_t[::1] dependent_offsets = words.dependent_offsets
    cdef const int64_t[::1] head_offsets = words.head_offsets
    cdef const int32_t[::1] dependents = words.dependents, heads = words.heads
    cdef Words c
    c.sequences = starts.shape[0] - 1
    c.offsets, c.dependent_offsets = &offsets_[0], &dependent_offsets[0]
    c.head_offsets = &head_offsets[0]
    c.dependents, c.heads = &dependents[0], &heads[0]
    cdef vector[int64_t] offsets
    cdef vector[int32_t] keys
    c_list_arcs(c, &starts[0], &offsets, &keys)
    return _int64(offsets), _int32(keys)


cdef Sieves _sieves(object sieves):
    """Point at the arrays of a CompiledSieves, which its caller keeps alive."""
    cdef Sieves c
    c.batch = sieves.batch
    c.tokens = sieves.tokens
    c.key_tokens = sieves.key_tokens
    c.roles = len(sieves.names)
    c.label_roles = len(sieves.label_role)
    c.entries = len(sieves.entry_key)
    c.lengths = <const int32_t*>_at(sieves.lengths)
    c.key_lengths = <const int32_t*>_at(sieves.key_lengths)
    c.times_entropy = <const uint8_t*>_at(sieves.times_entropy)
    c.label_role = <const int32_t*>_at(sieves.label_role)
    c.query_label = <const int32_t*>_at(sieves.query_label)
    c.key_label = <const int32_t*>_at(sieves.key_label)
    c.band = <const int32_t*>_at(sieves.band)
    c.listed = <const uint8_t*>_at(sieves.listed)
    c.entry_role = <const int32_t*>_at(sieves.entry_role)
    c.entry_sequence = <const int32_t*>_at(sieves.entry_sequence)
    c.entry_group = <const int32_t*>_at(sieves.entry_group)
    c.entry_query = <const int32_t*>_at(sieves.entry_query)
    c.entry_key = <const int32_t*>_at(sieves.entry_key)
    return c


def plan_batch(sieves, texts, visibility, counts):
    """Compute the plan of a batch under a visibility.

    Parameters
    ----------
    sieves
        A `CompiledSieves`.
    texts
        (text, arc offsets, arc keys) of the tokens, to compare word pairs; None: not compared.
    visibility
        Which keys a query may attend to.
    counts
        Whether overlap and invisible sequences are counted.

    Returns
    -------
    arrays, comparison, further, left_out
        Two dicts of arrays, the number of further columns, and the pairs without a comparison.
    """
    cdef Sieves c = _sieves(sieves)
    cdef Texts c_texts
    cdef bint compared = texts is not None
    if compared:
        text, arc_offsets, arc_key = texts
        c_texts.text = <const int32_t*>_at(text)
        c_texts.arc_offsets = <const int64_t*>_at(arc_offsets)
        c_texts.arc_key = <const int32_t*>_at(arc_key)
    cdef Visibility c_visibility
    c_visibility.causal = visibility.causal
    c_visibility.window = -1 if visibility.window is None else min(visibility.window, c.tokens)
    arrays = {
        "row_weight": np.zeros((c.label_roles, c.batch, c.tokens), np.float32),
        "pair_offsets": np.zeros(c.batch * c.tokens + 1, np.int64),
        "takes_part": np.zeros((c.batch, c.roles), np.bool_),
        "token_takes_part": np.zeros((c.batch, c.roles, c.tokens), np.bool_),
        "attainable": np.zeros((c.batch, c.roles), np.float32),
    }
    cdef RoleArrays c_arrays
    c_arrays.row_weight = <float*>_at(arrays["row_weight"])
    c_arrays.pair_offsets = <int64_t*>_at(arrays["pair_offsets"])
    c_arrays.takes_part = <uint8_t*>_at(arrays["takes_part"])
    c_arrays.token_takes_part = <uint8_t*>_at(arrays["token_takes_part"])
    c_arrays.attainable = <float*>_at(arrays["attainable"])
    c_arrays.overlap = NULL
    c_arrays.invisible = NULL
    if counts:
        arrays["overlap"] = np.zeros((c.batch, c.roles, c.roles), np.int64)
        arrays["invisible"] = np.zeros((c.batch, c.roles), np.bool_)
        c_arrays.overlap = <int64_t*>_at(arrays["overlap"])
        c_arrays.invisible = <uint8_t*>_at(arrays["invisible"])
    cdef GrownArrays grown
    with nogil:
        c_plan_batch(c, c_texts, c_visibility, compared, c_arrays, &grown)
    cdef Py_ssize_t size = grown.pair_role.size() * sizeof(int32_t)  # of every pair column
    arrays["pair_role"] = _taken(grown.pair_role.release(), size, np.int32)
    arrays["pair_key"] = _taken(grown.pair_key.release(), size, np.int32)
    arrays["pair_weight"] = _taken(grown.pair_weight.release(), size, np.float32)
    comparison = {
        "pair_offsets": _int64(grown.pair_offsets),
        "member_column": _int32(grown.member_column),
        "member_mean": _int32(grown.member_mean),
        "member_weight": _float64(grown.member_weight),
        "mean_offsets": _int64(grown.mean_offsets),
        "mean_column": _int32(grown.mean_column),
        "mean_share": _float64(grown.mean_share),
        "unit_offsets": _int64(grown.unit_offsets),
        "unit_sequence": _int32(grown.unit_sequence),
        "unit_role": _int32(grown.unit_role),
    }
    return arrays, comparison, grown.further, grown.left_out


def control_position(comparison, scores, counted, excess, sums):
    """Compare word pairs with position, see `headscore.sieves.excess`; fill `excess` and `sums`."""
    cdef Comparison c
    c.units = len(comparison.unit_role)
    c.pair_offsets = <const int64_t*>_at(comparison.pair_offsets)
    c.member_column = <const int32_t*>_at(comparison.member_column)
    c.member_mean = <const int32_t*>_at(comparison.member_mean)
    c.member_weight = <const double*>_at(comparison.member_weight)
    c.mean_offsets = <const int64_t*>_at(comparison.mean_offsets)
    c.mean_column = <const int32_t*>_at(comparison.mean_column)
    c.mean_share = <const double*>_at(comparison.mean_share)
    c.unit_offsets = <const int64_t*>_at(comparison.unit_offsets)
    c.unit_sequence = <const int32_t*>_at(comparison.unit_sequence)
    c.unit_role = <const int32_t*>_at(comparison.unit_role)
    cdef const float* c_scores = <const float*>_at(scores)
    cdef const uint8_t* c_counted = <const uint8_t*>_at(counted)
    cdef int64_t roles = excess.shape[1], heads = excess.shape[2]
    cdef float* c_excess = <float*>_at(excess)
    cdef int64_t* c_sums = <int64_t*>_at(sums)
    with nogil:
        c_control_position(c, c_scores, c_counted, roles, heads, c_excess, c_sums)
