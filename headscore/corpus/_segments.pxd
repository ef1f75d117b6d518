from cpython.ref cimport Py_INCREF
from cpython.tuple cimport PyTuple_SET_ITEM


cdef object new_segment(
    str text, object words, object spans, object heads, object relations, object labels
)
cdef object new_sequence(str id, tuple segments, object document)
cdef object span(long start, long end)
cdef tuple untracked(tuple atoms)


# Fills a place of a new tuple; unlike an assignment, which Cython refuses.
cdef inline void put(tuple column, Py_ssize_t n, object value):
    Py_INCREF(value)
    PyTuple_SET_ITEM(column, n, value)
