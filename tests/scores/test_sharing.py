"""Values sent between processes: equal and writable, with their arrays in shared memory."""

import pickle

import numpy as np
import pytest
from helpers import tiny

from headscore.encoding.encode import encode_part
from headscore.processes import pool_of
from headscore.scores.sharing import receive, send


def value():
    rng = np.random.default_rng(0)
    return {
        "large": rng.normal(size=(300, 70)),
        "odd": np.arange(7, dtype=np.uint8),
        "empty": np.zeros((0, 3), np.int32),
        "text": "a",
        "no array": [1, (2.0, None)],
    }


def same(one, other):
    assert one.keys() == other.keys()
    for name, each in one.items():
        assert type(each) is type(other[name])
        np.testing.assert_equal(each, other[name])


@pytest.mark.parametrize("content", [value(), {}, {"text": "only"}])
def test_a_value_comes_back(content):
    same(receive(send(content)), content)


@pytest.mark.usefixtures("forked_workers")
def test_arrays_come_from_another_process_and_can_be_written_to():
    with pool_of(1, int, doing="sends") as pool:
        found = receive(pool.submit(send, value()).result())
    same(found, value())
    found["large"][0, 0] = 1.0
    assert found["large"][0, 0] == 1.0


def test_the_pipe_gets_little_of_an_encoded_corpus():
    encoded = encode_part(tiny.sequences(200), tiny.tokenizer(), max_length=100)
    sent = send(encoded)
    assert len(sent.header) < len(pickle.dumps(encoded)) / 5
    np.testing.assert_array_equal(receive(sent).input_ids, encoded.input_ids)
