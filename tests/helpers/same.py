"""Equality of encoded corpora, to the bit."""

from dataclasses import fields

import numpy as np

from headscore.encoding.encoded import Encoded

APART = ("pairs", "columns", "sources")


def assert_same_array(got, want, what):
    assert got.dtype == want.dtype, what
    np.testing.assert_array_equal(got, want, err_msg=what)


def assert_same_encoded(got, want):
    """Every field but the sources is the same, also the order of columns and dtypes."""
    for name in (each.name for each in fields(Encoded) if each.name not in APART):
        one, other = getattr(got, name), getattr(want, name)
        if isinstance(other, np.ndarray):
            assert_same_array(one, other, name)
        else:
            assert one == other, name
    for each in fields(want.pairs):
        assert_same_array(getattr(got.pairs, each.name), getattr(want.pairs, each.name), each.name)
    assert list(got.columns) == list(want.columns)
    for name, column in want.columns.items():
        assert got.columns[name].names == column.names
        assert_same_array(got.columns[name].labels, column.labels, name)
