"""Texts packed into an array of bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscore import files
from headscore.errors import InputError


@pytest.mark.parametrize("content", [b"{", b"3", b"\xff", b"", b"[" * 100_000])
def test_invalid_packed_texts_raise(content):
    with pytest.raises(InputError, match="texts must be a list in JSON"):
        files.unpack(np.frombuffer(content, np.uint8))


@given(st.lists(st.none() | st.text(st.characters(exclude_categories=()))))
def test_packed_texts_are_read_back(texts):
    assert files.unpack(files.pack(texts)) == tuple(texts)
