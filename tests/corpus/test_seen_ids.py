"""Ids are looked up exactly, in memory and on disk."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from headscore.corpus import seen_ids
from headscore.corpus.items import read_items
from headscore.corpus.readers import read
from headscore.corpus.seen_ids import SeenIds
from headscore.errors import InputError
from headscore.options import ReadOptions


def odd_id(number):
    return f"{number * 2654435761 % 2**32}\ud800é\0"


@pytest.mark.parametrize("most", [1, 3, 100, 2**13])
def test_ids_have_the_place_where_they_were_added(monkeypatch, most):
    monkeypatch.setattr(seen_ids, "_MOST", most)
    seen, known = SeenIds(), {}
    for number in range(500):
        assert seen.get(odd_id(number)) is None
        seen.add(odd_id(number), number)
        known[odd_id(number)] = number
        earlier = odd_id(number * 7919 % (number + 1))
        assert seen.get(earlier) == known[earlier]
    assert {id: seen.get(id) for id in known} == known
    assert seen.get("") is None


def test_a_filter_that_is_full_only_costs_time(monkeypatch):
    monkeypatch.setattr(seen_ids, "_MOST", 10)
    monkeypatch.setattr(seen_ids, "_BITS", 8)
    seen = SeenIds()
    for number in range(1000):
        assert seen.get(str(number)) is None
        seen.add(str(number), number)
    assert [seen.get(str(number)) for number in range(1000)] == list(range(1000))


@pytest.fixture
def few_in_memory(monkeypatch):
    monkeypatch.setattr(seen_ids, "_MOST", 4)


def test_readers_find_an_id_that_lies_on_disk(few_in_memory, tmp_path):
    path = tmp_path / "in.conllu"
    ids = [*range(20), 3, 20]
    row = "1\tbal\t_\t_\t_\t_\t0\troot\t_\t_\n"
    path.write_text("".join(f"# sent_id = s{number}\n{row}\n" for number in ids))
    with pytest.raises(
        InputError, match=r"in.conllu:61: sent_id must be new, got 's3' as on line 10$"
    ):
        list(read(path))
    counts = Counter()
    skipping = ReadOptions(skip_invalid=True)
    assert [each.id for each in read(path, skipping, counts)] == [f"s{n}" for n in range(21)]
    assert counts == {"invalid_skipped": 1}
    items = [each.renamed(f"i{n}") for each, n in zip(read_items(["a"] * 22), ids, strict=True)]
    with pytest.raises(InputError, match="items 3 and 20 must have different ids, got 'i3' twice"):
        list(read_items(items))
    # "a+b" and "c" make the pair "a+b+c", and so do "a" and "b+c".
    odd = [f"{n}" for n in range(20)] + ["a+b", "c", "a", "b+c"]
    texts = [each.renamed(id) for each, id in zip(read_items(["a"] * 24), odd, strict=True)]
    with pytest.raises(InputError, match=r"ids must differ once paired, got 'a\+b\+c' twice"):
        list(read(texts, ReadOptions(pairs="consecutive")))


def n_open():
    """Number of open files."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_of_ids_ends_with_its_reader():
    before = n_open()
    item = next(read_items(["a"]))
    reading = read_items(item.renamed(f"{n:0100}") for n in range(100_000))
    for _ in range(50_000):
        next(reading)
    assert n_open() == before + 1
    reading.close()
    assert n_open() == before


def test_a_full_disk_raises(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    code = (
        "from headscore.corpus.items import read_items\n"
        "for each in read_items(['bal'] * 400_000):\n    pass"
    )
    # SQLite looks for the folder when it starts: in a process of its own.
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    assert done.stderr.splitlines()[-1] == (
        "headscore.errors.InputError: the ids of the corpus cannot be kept in the folder for "
        "temporary files: database or disk is full; TMPDIR names another"
    )
