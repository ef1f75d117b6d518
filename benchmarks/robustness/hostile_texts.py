"""Texts in files that a terminal or a page would obey, or that are endless.

Each public function is a case: it gets an empty folder, see `hostile_files`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from altered_files import FACTS, run_of, scores, sealed

import headscore as hs
from headscore.scale.run_folder import Run, start_run

_EVIL = "\x1b]0;owned\x07\x1b[31m\u202e<script>alert(1)</script>../../etc"


def names_that_a_terminal_obeys(folder: Path) -> Any:
    from broken_files import show

    values = np.random.default_rng(0).gamma(2, 2, (20, 1, 2, 2)).astype(np.float32)
    ids = [f"{_EVIL}{n}" for n in range(20)]
    made = hs.HeadScores.from_arrays(values, [_EVIL], sequence_ids=ids, documents=ids)
    hs.test(made).save(folder / "a.hs")
    outcome = show(folder / "a.hs")
    assert outcome == ("unchanged", ""), outcome
    page = (folder / "a.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    return "shown, escaped"


def fact_that_a_terminal_obeys(folder: Path) -> Any:
    run_of(folder / "a", model=_EVIL)
    start_run(Run(folder / "a", {**FACTS, "model": "mine"}, (0, 4)))


def role_of_20_mb(folder: Path) -> Any:
    return hs.load(sealed(folder / "a.hs", roles=["x" * 20_000_000]))


def texts_of_100_mb(folder: Path) -> Any:
    ids = ["x" * 25_000_000 + str(n) for n in range(4)]
    scores(sequence_ids=ids).save(folder / "a.hs")
    assert hs.load(folder / "a.hs").sequence_ids == tuple(ids)
    return "read, unchanged"
