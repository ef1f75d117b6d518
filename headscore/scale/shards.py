"""Start a run over a corpus in shards, and compute them, by any processes in any order."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from headscore import files
from headscore.corpus.naming import name_of, named
from headscore.corpus.sequence import Sequence
from headscore.declarations import declared, narrowed
from headscore.errors import UsageError
from headscore.log import without_warnings
from headscore.options import CHUNK, FACTS, CorpusOptions, RunOptions, ScoreOptions
from headscore.parsing.cache import open_cache
from headscore.parsing.source import Source, parsed
from headscore.roles.presence import Presence
from headscore.scale import engines
from headscore.scale.rounds import ShardPlan, plan_shards
from headscore.scale.run_folder import (
    Run,
    find_run,
    read_run,
    read_shard,
    start_run,
    write_shard,
)
from headscore.scores import provenance
from headscore.scores.parts import Part, gather
from headscore.scores.stream import Scorer, make_scorer

_SIGNED = ("backend", *FACTS.values())  # options that the facts have already


@dataclass(frozen=True)
class Job:
    """The definition of a run in shards: plain values that can be sent to any process.

    Attributes
    ----------
    folder
        Folder of its files.
    model
        Hub id or folder.
    corpus
        As in `headscore.score`; it is read once for each shard.
    shards
        Number of shards; each has whole chunks.
    options
        How the corpus is scored, by names. Where ``chunk`` is None the run folder has it, once the
        run was started.
    rule
        When the run stops, as `headscore.scale.rounds.rule_of` writes it; None: at its end.
    """

    folder: str
    model: str
    corpus: Any
    shards: int
    options: ScoreOptions = ScoreOptions()
    rule: str | None = None

    @property
    def source(self) -> Source:
        """The corpus and how it is read."""
        return Source(self.corpus, narrowed(CorpusOptions, self.options))

    @property
    def plan(self) -> ShardPlan | None:
        """The shards of a run that may stop; None for one that does not."""
        return None if self.rule is None else plan_shards(self.source, self.shards, self.rule)


def start(job: Job) -> Run:
    """Start or resume a run: survey the corpus and write run.json.

    A ``chunk`` that is not named is that of the folder, or else 4096, or smaller where each shard
    would not get one. The merged scores equal those of `headscore.score` with this ``chunk`` to the
    bit.

    Raises
    ------
    UsageError
        An option has a value that is not allowed; or the corpus has fewer sequences than shards, or
        fewer chunks of the size that was named.
    InputError
        The folder holds another run; the model or the corpus cannot be used.
    """
    if job.shards < 1:
        raise UsageError(f"shards must be at least 1, got {job.shards}")
    scorer = open_scorer(job)
    _check_cache(job, scorer)
    # One pass over the corpus before any work: shards need its length, the fingerprint its hash.
    n_sequences, corpus = _survey(job.source)
    folder = Path(job.folder)
    known, plan = find_run(folder), job.plan
    chunk = job.options.chunk or (_chunk_of(job, n_sequences) if known is None else known.chunk)
    fingerprint = _fingerprint(_with_chunk(job, chunk), scorer, n_sequences, corpus)
    if known is not None:
        files.check_same(known.manifest, known.fingerprint, fingerprint)
    bounds = _bounds(n_sequences, job.shards, chunk) if plan is None else plan.bounds()
    run = known or Run(folder, fingerprint, bounds)
    start_run(run)
    return run


def _check_cache(job: Job, scorer: Scorer) -> None:
    """Open the parse cache once, so that its errors are raised before the work."""
    with open_cache(job.options.cache, None if scorer.parser is None else scorer.parser.identity):
        pass


def compute(
    job: Job, shards: list[int], *, engine: str = "local", workers: int = 1, gpus: int = 0
) -> None:
    """Compute shards of a run that was started; finished shards are not recomputed.

    Parameters
    ----------
    job
        The run.
    shards
        Their numbers.
    engine
        One of `headscore.scale.engines.NAMES`.
    workers
        Processes at a time.
    gpus
        GPUs of this machine, shared by the workers; for other engines, whether a task needs one;
        0: none.

    Raises
    ------
    HeadscoreError
        Of the first shard that fails.
    """
    engines.compute_shards(engine, partial(score_shard, job), shards, workers=workers, gpus=gpus)
    files.sweep(Path(job.folder))


@without_warnings()
def score_shard(job: Job, shard: int) -> int:
    """Compute one shard, write its file and return its number.

    Nothing but errors is logged: `start` logs the warnings about model and corpus, `merge_shards`
    those about the scores.
    """
    run = read_run(Path(job.folder))
    if run.path(shard).exists():
        read_shard(run, shard)
        return shard
    scorer = open_scorer(job)
    job = _with_chunk(job, job.options.chunk or run.chunk)
    scorer = replace(scorer, options=job.options)
    # A worker hashes a file again, to notice that it was changed; an iterable would have to be read
    # as a whole for that, so its hash is taken from the run.
    corpus = _file_hash(job.source) or run.fingerprint["corpus"]
    files.check_same(run.folder, run.fingerprint, _fingerprint(job, scorer, run.bounds[-1], corpus))
    # No part of the fingerprint: a file that was moved is the same corpus.
    scorer = replace(scorer, facts=named(scorer.facts, name_of(job.corpus)))
    counts: Counter[str] = Counter()
    presence = Presence()
    with _opened(job, run, shard, scorer, counts, presence) as sequences:
        scores = gather(scorer.parts(sequences), counts, presence, more=True)
    write_shard(run, shard, Part(scores, dict(counts), presence))
    return shard


def _opened(
    job: Job, run: Run, shard: int, scorer: Scorer, counts: Counter[str], presence: Presence
) -> AbstractContextManager[Iterator[Sequence]]:
    """Open the sequences of a shard."""
    waiting, stopwatch = presence.note_unparsed, scorer.stopwatch
    if (plan := job.plan) is not None:
        if shard == 0:  # is in every run: it has the counts of reading
            counts.update(plan.counts)
        taken = plan.spool.take(plan.positions[shard])
        return parsed(taken, scorer.parser, job.options, stopwatch, waiting)
    first, stop = run.bounds[shard : shard + 2]
    # The last shard reads to the end of the corpus, so that invalid entries after the last valid
    # sequence are counted as in a run without shards.
    end = None if shard == run.shards[-1] else stop
    return job.source.opened(scorer.parser, counts, stopwatch, first, end, waiting=waiting)


@lru_cache(maxsize=1)
def open_scorer(job: Job) -> Scorer:
    """Return the scorer of a job; cached for the next shard."""
    return make_scorer(job.model, job.options)


def _fingerprint(job: Job, scorer: Scorer, n_sequences: int, corpus: str) -> dict[str, str]:
    """Return every fact and option that the scores depend on; those of the signature first."""
    options = job.options
    # Order matters: `run_folder` takes the fields before "pairs" for the signature.
    run = {each.name: getattr(options, each.name) for each, _ in declared(RunOptions)}
    how = {
        "pairs": options.pairs,
        "columns": options.columns and ",".join(options.columns),
        "skip_invalid": options.skip_invalid,
        "of_sets": ",".join(role.name for role in scorer.roles if role.from_set),
        **{name: each for name, each in run.items() if name not in _SIGNED},
        "device": scorer.model.device.type,
        "sequences": n_sequences,
        "shards": job.shards,
    }
    facts = {**scorer.facts, "corpus": corpus}
    stops = {} if (plan := job.plan) is None else plan.fields(str(job.rule))
    return {**facts, **{name: str(value) for name, value in how.items()}, **stops}


def _survey(source: Source) -> tuple[int, str]:
    """Return the number of sequences of a corpus, and a hash of its file or else of them all."""
    if isinstance(source.corpus, Iterator):
        kind = type(source.corpus).__name__
        raise UsageError(f"a corpus in shards must be one that can be read again, got a {kind}")
    known = _file_hash(source)
    digest = hashlib.sha256()
    n_sequences = 0
    for sequence in source.sequences(Counter()):
        n_sequences += 1
        if known is None:
            # repr shows all fields of the dataclasses; a lone surrogate cannot be encoded and is
            # escaped.
            digest.update(repr(sequence).encode(errors="backslashreplace"))
    return n_sequences, known or digest.hexdigest()[:12]


def _file_hash(source: Source) -> str | None:
    """Return a hash of the file of a corpus; None where the corpus is no file."""
    if not isinstance(source.corpus, str | os.PathLike):
        return None
    return provenance.file_hash(source.corpus)


def _with_chunk(job: Job, chunk: int) -> Job:
    return replace(job, options=replace(job.options, chunk=chunk))


def _chunk_of(job: Job, n_sequences: int) -> int:
    """Return the chunk of a new run that names none."""
    # Chunks of a run that may stop begin anew with each shard.
    return _chunk(n_sequences, job.shards) if job.rule is None else CHUNK


def _chunk(n_sequences: int, n_shards: int) -> int:
    """Return the chunk of a run that names none: 4096, or smaller so that each shard gets one."""
    if n_sequences < n_shards:
        raise UsageError(
            f"shards must be at most the {n_sequences} sequences of the corpus, got {n_shards}"
        )
    # 4096 where it does: then the bits are those of a run without shards. Else n / shards; rounded
    # up where that leaves a chunk for the last shard, and down where it does not.
    #
    #     n      shards   chunk   chunks
    #     600    8        75      8
    #     607    8        76      8, the last of 75
    #     17     8        2       9, the last of 1: rounded up there were 6
    sizes = (CHUNK, -(-n_sequences // n_shards), n_sequences // n_shards)
    return next(size for size in sizes if -(-n_sequences // size) >= n_shards)


def _bounds(n_sequences: int, n_shards: int, chunk: int) -> tuple[int, ...]:
    """Return the bounds of shards, at chunk starts, so that their number changes no score."""
    # Whole chunks, shared out as evenly as possible: shard i begins at chunk i * n_chunks //
    # shards. 5 chunks of 4096 in 2 shards: bounds 0, 8192, 20480 (of at most 20480 sequences).
    n_chunks = -(-n_sequences // chunk)
    if n_chunks < n_shards:
        raise UsageError(
            f"shards must be at most the {n_chunks} chunks of {chunk} sequences of the corpus, got "
            f"{n_shards}: choose fewer, or a smaller chunk, or name none"
        )
    at = [shard * n_chunks // n_shards * chunk for shard in range(n_shards)]
    return (*at, n_sequences)
