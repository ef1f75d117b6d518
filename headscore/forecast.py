"""Forecast of a run: time, memory and disk, estimated from a sample of the corpus."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from headscore import runs
from headscore.corpus import read
from headscore.corpus.sequence import Sequence
from headscore.log import log
from headscore.options import AnalyzeOptions
from headscore.scores.parts import kept_bytes
from headscore.stopwatch import Stopwatch, duration

_SAMPLE = 48  # sequences at least, evenly spaced over the corpus
# Stages whose time does not depend on the number of sequences.
_ONCE = ("load model", "load parser")


@dataclass(frozen=True)
class Forecast:
    """Estimated time, memory and disk of a run.

    Attributes
    ----------
    sequences, skipped
        Of the corpus, as they were read.
    sampled
        Sequences that were scored.
    counts
        Counts of the sample, such as truncated sequences.
    roles, layers, heads
        Of the scores.
    score_bytes, disk_bytes
        Size of the scores of all sequences, in memory and in the folder for temporary files.
    seconds
        Time of the whole run without loading the model.
    peak_bytes
        Peak memory of this process for the sample; `score_bytes` are added to it.
    """

    sequences: int
    skipped: int
    sampled: int
    counts: dict[str, int]
    roles: int
    layers: int
    heads: int
    score_bytes: int
    disk_bytes: int
    seconds: float
    peak_bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the parts by name."""
        return asdict(self)

    def lines(self) -> list[str]:
        """Return lines of text."""
        cells = f"{self.roles} roles x {self.layers} layers x {self.heads} heads"
        lines = [
            f"{self.sequences} sequences; {cells}",
            f"time: about {duration(self.seconds)} on this machine, and the model to load "
            f"(from {self.sampled} sequences, evenly spaced)",
            f"memory: about {_size(self.peak_bytes + self.score_bytes)}, of which the scores "
            f"{_size(self.score_bytes)}",
        ]
        if self.disk_bytes:
            lines.append(f"folder for temporary files: {_size(self.disk_bytes)} of scores")
        if self.skipped:
            lines.append(f"invalid and skipped: {self.skipped}")
        if self.counts:
            counted = ", ".join(f"{name} {n}" for name, n in self.counts.items())
            lines.append(f"counted in the sample: {counted}")
        return [*lines, "nothing was saved: this was a dry run"]


def forecast(model: Any, corpus: Any, options: AnalyzeOptions) -> Forecast:
    """Read the whole corpus as a stream and score a sample of it.

    Parameters
    ----------
    model, corpus, options
        As in `headscore.analyze`.

    Raises
    ------
    HeadscoreError
        As `headscore.analyze` does.
    """
    counts: Counter[str] = Counter()
    stopwatch = Stopwatch()
    with stopwatch.stage("read"):
        n_sequences, sample = _spaced(read(corpus, options, counts, log.warning))
    reading = stopwatch.seconds.pop("read")
    scores = runs.score_with(model, sample, _of_sample(options), stopwatch)
    per_sequence = sum(stopwatch.seconds[name] for name in stopwatch.seconds if name not in _ONCE)
    in_memory, on_disk = kept_bytes(scores, n_sequences, keep=options.keep_scores)
    _, n_roles, n_layers, n_heads = scores.values.shape
    return Forecast(
        sequences=n_sequences,
        skipped=counts["invalid_skipped"],
        sampled=len(sample),
        counts={name: n for name, n in scores.counts.items() if n},
        roles=n_roles,
        layers=n_layers,
        heads=n_heads,
        score_bytes=in_memory,
        disk_bytes=on_disk,
        # Reading was measured on the whole corpus; all other stages grow with the number of
        # sequences.
        seconds=reading + per_sequence * n_sequences / len(sample),
        # Linux gives ru_maxrss in KiB.
        peak_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    )


def _of_sample(options: AnalyzeOptions) -> AnalyzeOptions:
    """Return the options for scoring a sample, a list of sequences, in memory."""
    return replace(
        options,
        pairs=None,
        columns=None,
        skip_invalid=False,
        limit=None,
        sample=None,
        seed=0,
        keep_scores="auto",
        progress=False,
        until=None,
    )


def _spaced(sequences: Iterable[Sequence]) -> tuple[int, list[Sequence]]:
    """Count a stream and return an even sample: all of at most 96 sequences, else 49 to 96."""
    sample: list[Sequence] = []
    distance, count = 1, 0
    for sequence in sequences:
        if count % distance == 0:
            sample.append(sequence)
        # Thin out evenly: at 97 sequences in the sample every second one is dropped, 49 are left,
        # and from then on every second one of the corpus is taken; again at twice that, and so on.
        if len(sample) > 2 * _SAMPLE:
            sample = sample[::2]
            distance *= 2
        count += 1
    return count, sample


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
