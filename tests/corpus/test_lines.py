"""Lines are those of the file, also where it is read in many pieces."""

import io
import random

import pytest

from headscore.corpus.lines import read_lines
from headscore.errors import InputError


def lines_of(data):
    """Number and text of each line of valid UTF-8, without the blank ones at the end."""
    lines = [
        (number, line.decode().removesuffix("\n").removesuffix("\r" if line[-1:] == b"\n" else ""))
        for number, line in enumerate(io.BytesIO(data), start=1)
    ]
    while lines and not lines[-1][1].strip():
        lines.pop()
    return lines


@pytest.mark.parametrize("seed", range(4))
def test_files_of_many_pieces_are_read_across_their_borders(tmp_path, seed):
    rng = random.Random(seed)
    parts = ["\n", "\r\n", "\r", "\n\n", "é\n", " \n", "\u2028", "a" * 99 + "\n", "b" * 200_000]
    weights = [9, 9, 3, 3, 9, 3, 3, 4000, 0.5]
    data = "".join(rng.choices(parts, weights, k=4000)).encode()
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    assert list(read_lines(path)) == lines_of(data)
    assert len(data) > 300_000


@pytest.mark.parametrize(("bad", "shown"), [(b"\xff", "byte 0xff"), (b"\0", "a NUL byte")])
def test_lines_before_an_invalid_one_are_read(tmp_path, bad, shown):
    path = tmp_path / "a.txt"
    path.write_bytes(b"".join(b"line %d\n" % n for n in range(1, 20_001)) + b"bad " + bad + b"\nc")
    lines = read_lines(path)
    assert [next(lines) for _ in range(20_000)][-1] == (20_000, "line 20000")
    with pytest.raises(InputError, match=f"a.txt:20001: the text must be UTF-8, got {shown}"):
        next(lines)
