# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# distutils: language = c++
"""The CPU kernel: calls csrc/cpu with addresses, strides and sizes. Nothing is checked here.

An address of 0 stands for an output that is not wanted.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uintptr_t
from libcpp cimport bool as cbool


cdef extern from "cpu/sieve_scores.h" namespace "headscore" nogil:
    cdef enum class Dtype(int32_t):
        pass

    cdef struct SievePlan:
        int64_t batch
        int64_t roles
        int64_t tokens
        int64_t key_tokens
        const int32_t* lengths
        const int32_t* key_lengths
        const uint8_t* times_entropy
        int64_t label_roles
        const int32_t* label_role
        const int32_t* query_label
        const int32_t* key_label
        const int32_t* band
        const float* row_weight
        const int64_t* pair_offsets
        const int32_t* pair_role
        const int32_t* pair_key
        const float* pair_weight

    cdef struct Visibility:
        cbool causal
        int64_t window

    cdef struct Tensor4:
        const void* data
        Dtype dtype
        int64_t batch_stride
        int64_t head_stride
        int64_t row_stride

    cdef struct Output:
        float* scores
        float* token_values
        uint8_t* faults
        float* attended

    cdef struct QkProblem:
        SievePlan plan
        Visibility visibility
        Tensor4 query
        Tensor4 key
        Tensor4 bias
        Tensor4 value
        int64_t heads
        int64_t kv_heads
        int64_t head_size
        int64_t value_size
        float scale
        float softcap

    cdef struct AttentionProblem:
        SievePlan plan
        Visibility visibility
        Tensor4 attention
        int64_t heads
        float tolerance

    int c_sieve_scores_qk "headscore::sieve_scores_qk"(
        const QkProblem& problem, const Output& output, int threads)
    int c_sieve_scores_attention "headscore::sieve_scores_attention"(
        const AttentionProblem& problem, const Output& output, int threads)
    const char* c_instruction_set "headscore::instruction_set"()
    const char* c_instruction_sets "headscore::instruction_sets"()


def instruction_set():
    """Return the name of the instruction set in use, or None where the forced one cannot run."""
    cdef const char* name = c_instruction_set()
    return None if name == NULL else name.decode()


def instruction_sets():
    """Return the names of those that this processor has, slowest first, as one text."""
    return c_instruction_sets().decode()


cdef class Plan:
    """The addresses of a PlanArrays, read once for all layers; its user keeps the arrays alive."""
    cdef SievePlan c

    def __cinit__(self, plan):
        self.c.batch, self.c.roles = plan.takes_part.shape
        self.c.tokens = plan.tokens
        self.c.key_tokens = plan.key_tokens
        self.c.lengths = <const int32_t*><uintptr_t>plan.lengths.ctypes.data
        self.c.key_lengths = <const int32_t*><uintptr_t>plan.key_lengths.ctypes.data
        self.c.times_entropy = <const uint8_t*><uintptr_t>plan.times_entropy.ctypes.data
        self.c.label_roles = len(plan.label_role)
        self.c.label_role = <const int32_t*><uintptr_t>plan.label_role.ctypes.data
        self.c.query_label = <const int32_t*><uintptr_t>plan.query_label.ctypes.data
        self.c.key_label = <const int32_t*><uintptr_t>plan.key_label.ctypes.data
        self.c.band = <const int32_t*><uintptr_t>plan.band.ctypes.data
        self.c.row_weight = <const float*><uintptr_t>plan.row_weight.ctypes.data
        self.c.pair_offsets = <const int64_t*><uintptr_t>plan.pair_offsets.ctypes.data
        self.c.pair_role = <const int32_t*><uintptr_t>plan.pair_role.ctypes.data
        self.c.pair_key = <const int32_t*><uintptr_t>plan.pair_key.ctypes.data
        self.c.pair_weight = <const float*><uintptr_t>plan.pair_weight.ctypes.data


cdef Visibility _visibility(object visibility):
    cdef Visibility c
    causal, window = visibility
    c.causal = causal
    c.window = -1 if window is None else window
    return c


cdef Tensor4 _tensor(tuple tensor):
    """Point at a tensor, given by its `Address`; None: nowhere."""
    cdef Tensor4 c
    c.data = NULL
    if tensor is None:
        return c
    address, dtype, batch_stride, head_stride, row_stride = tensor
    c.data = <const void*><uintptr_t>address
    c.dtype = <Dtype><int32_t>dtype
    c.batch_stride = batch_stride
    c.head_stride = head_stride
    c.row_stride = row_stride
    return c


cdef Output _output(uintptr_t scores, uintptr_t token_values, uintptr_t faults):
    cdef Output c
    c.scores = <float*>scores
    c.token_values = <float*>token_values
    c.faults = <uint8_t*>faults
    c.attended = NULL
    return c


def sieve_scores_qk(
    tuple query, tuple key, tuple bias, tuple value, Plan plan, visibility, float scale,
    float softcap, uintptr_t scores, uintptr_t token_values, uintptr_t faults, uintptr_t attended,
    int64_t heads, int64_t kv_heads, int64_t head_size, int64_t value_size, int threads,
):
    """Fill `scores` (batch, role, head) from queries and keys, `attended` from values too."""
    cdef QkProblem problem
    cdef Output output = _output(scores, token_values, faults)
    cdef int status
    problem.plan = plan.c
    problem.visibility = _visibility(visibility)
    problem.query = _tensor(query)
    problem.key = _tensor(key)
    problem.bias = _tensor(bias)
    problem.value = _tensor(value)
    output.attended = <float*>attended
    problem.value_size = value_size
    problem.heads = heads
    problem.kv_heads = kv_heads
    problem.head_size = head_size
    problem.scale = scale
    problem.softcap = softcap
    with nogil:
        status = c_sieve_scores_qk(problem, output, threads)
    if status:
        raise MemoryError


def sieve_scores_attention(
    tuple attention, Plan plan, visibility, float tolerance, uintptr_t scores,
    uintptr_t token_values, uintptr_t faults, int64_t heads, int threads,
):
    """Fill `scores` (batch, role, head) from given attention."""
    cdef AttentionProblem problem
    cdef Output output = _output(scores, token_values, faults)
    cdef int status
    problem.plan = plan.c
    problem.visibility = _visibility(visibility)
    problem.attention = _tensor(attention)
    problem.heads = heads
    problem.tolerance = tolerance
    with nogil:
        status = c_sieve_scores_attention(problem, output, threads)
    if status:
        raise MemoryError
