cdef object new_segment(
    str text, object words, object spans, object heads, object relations, object labels
)
cdef object new_sequence(str id, tuple segments, object document)
cdef object span(long start, long end)
cdef tuple untracked(tuple atoms)
