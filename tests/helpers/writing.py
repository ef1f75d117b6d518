"""Write files of each kind below a folder; a program, for tests that stop it or let it fail."""

import sys
from pathlib import Path

import numpy as np

from headscore import files
from headscore.corpus.sequence import Segment
from headscore.parsing.store import ParseStore, key_of

LAYOUTS = {("thing", files.FORMAT_VERSION): {"values": files.Field("float32", "s")}}
TEXTS = ("older", "newer")
VALUES = np.arange(3000, dtype=np.float32)
PARSED = {
    key_of(Segment(text), "x"): Segment(text, (text,), ((0, 1),), (-1,), (f"r{text}",))
    for text in "abc"
}
BARE = {key: Segment(each.text) for key, each in PARSED.items()}
# What `read_all` finds, in the order in which it is written; all of it; and the names of the files.
STAGES = ((None, *TEXTS), (False, True), tuple(range(len(PARSED) + 1)))
WRITTEN = tuple(stages[-1] for stages in STAGES)
FILES = {"a.json", "b.hs", "c.hsp"}


def write_all(root):
    """Write and write again: a new folder, a text, a table of numbers, parses."""
    files.make_folder(root / "run" / "parts")
    for text in TEXTS:
        files.write_text(root / "run" / "a.json", text)
    stored = files.Stored(kind="thing", roles=(), facts={}, counts={}, arrays={"values": VALUES})
    files.write(root / "run" / "parts" / "b.hs", stored)
    with ParseStore(root / "c.hsp", "x") as store:
        for key, parsed in PARSED.items():
            store.add({key: parsed})


def read_all(root):
    """Return the text (None: no file), whether the numbers are there, and the number of parses."""
    text, numbers = root / "run" / "a.json", root / "run" / "parts" / "b.hs"
    if numbers.exists():
        np.testing.assert_array_equal(files.read(numbers, LAYOUTS).arrays["values"], VALUES)
    parses = {}
    if (root / "c.hsp").exists():
        with ParseStore(root / "c.hsp", "x") as store:
            parses = store.find(BARE)
    # In order: a later parse without an earlier one would be half a history.
    assert parses == dict(list(PARSED.items())[: len(parses)])
    return text.read_text() if text.exists() else None, numbers.exists(), len(parses)


if __name__ == "__main__":
    write_all(Path(sys.argv[1]))
