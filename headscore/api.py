"""Analyze and score: what needs a model."""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable, Iterable, Mapping
from functools import partial
from typing import Any

from headscore.parsing.source import Source
from headscore.report.report import Report
from headscore.report.testing import check_test, test
from headscore.roles import specs as sieves
from headscore.roles.specs import Role
from headscore.scores import parts as gathering
from headscore.scores.head_scores import HeadScores
from headscore.scores.provenance import Result
from headscore.scores.stream import CHUNK, Collect, Options, over_corpus, prepare
from headscore.stages import Stages
from headscore.statistics.online import Tallying


def analyze(
    model: Any,
    corpus: str | os.PathLike[str] | Iterable[Any],
    *,
    roles: str | Iterable[str | Role] = "paper",
    tau: float | Mapping[str, float] = 3.0,
    alpha: float = 0.05,
    adjust: str = "holm",
    ddof: int = 1,
    clusters: str | Iterable[Hashable] | None = None,
    criterion: str = "mean",
    tokenizer: Any = None,
    parser: Any = None,
    parse_processes: int = 0,
    cache: str | os.PathLike[str] | None = "auto",
    pairs: str | None = None,
    columns: tuple[str, ...] | None = None,
    skip_invalid: bool = False,
    max_length: int | None = None,
    too_long: str = "truncate",
    batch_tokens: int | None = None,
    device: str = "auto",
    dtype: str | None = None,
    backend: str = "auto",
    on_nonfinite: str = "error",
    position: bool = True,
    chunk: int = CHUNK,
    keep_scores: str = "auto",
    progress: bool | None = None,
    seed: int = 0,
    stages: Stages | None = None,
    weights: str = "attention",
    special: str = "keep",
) -> Report:
    """Tell which attention heads of a model have which roles: `score`, then `test`.

    Parameters
    ----------
    model, corpus, roles, tokenizer, parser, parse_processes, cache, pairs, columns, skip_invalid
        As in `score`.
    max_length, too_long, batch_tokens, device, dtype, backend, on_nonfinite, position, chunk
        As in `score`.
    keep_scores
        As in `score`; or "none": the scores of each sequence are added up as they come, and not
        kept. The report is the same to the bit, but clusters must be None and criterion "mean".
    progress, seed, stages, weights, special
        As in `score`.
    tau, alpha, adjust, ddof, clusters, criterion
        As in `test`.

    Returns
    -------
    Report

    Examples
    --------
    >>> import headscore as hs
    >>> report = hs.analyze("google-bert/bert-base-uncased", "corpus.conllu")
    >>> report.heads("nsubj")
    """
    del seed  # part of the interface; nothing here is random
    parsed = sieves.parse_roles(roles)
    testing: dict[str, Any] = {
        "tau": tau,
        "alpha": alpha,
        "adjust": adjust,
        "ddof": ddof,
        "clusters": clusters,
        "criterion": criterion,
    }
    check_analysis(parsed, keep_scores=keep_scores, **testing)
    source = Source(corpus, pairs, columns, skip_invalid, parse_processes, cache)
    options = Options(
        chunk, too_long, batch_tokens, backend, on_nonfinite, position, weights, special
    )
    how: dict[str, Any] = {
        "roles": parsed,
        "tokenizer": tokenizer,
        "parser": parser,
        "max_length": max_length,
        "device": device,
        "dtype": dtype,
        "progress": progress,
        "stages": stages,
    }
    if keep_scores == "none":
        tallying = Tallying.of([role.name for role in parsed], **testing)
        return tallying.report(_collect(tallying.collect, model, source, options, **how))
    gathering.check_options(keep=keep_scores)
    kept = partial(gathering.gather, keep=keep_scores)
    return test(_collect(kept, model, source, options, **how), **testing)


def score(
    model: Any,
    corpus: str | os.PathLike[str] | Iterable[Any],
    *,
    roles: str | Iterable[str | Role] = "paper",
    tokenizer: Any = None,
    parser: Any = None,
    parse_processes: int = 0,
    cache: str | os.PathLike[str] | None = "auto",
    pairs: str | None = None,
    columns: tuple[str, ...] | None = None,
    skip_invalid: bool = False,
    max_length: int | None = None,
    too_long: str = "truncate",
    batch_tokens: int | None = None,
    device: str = "auto",
    dtype: str | None = None,
    backend: str = "auto",
    on_nonfinite: str = "error",
    position: bool = True,
    chunk: int = CHUNK,
    keep_scores: str = "auto",
    progress: bool | None = None,
    seed: int = 0,
    stages: Stages | None = None,
    weights: str = "attention",
    special: str = "keep",
) -> HeadScores:
    """Compute the sieve bias scores of every head on every sequence: the expensive half.

    Parameters
    ----------
    model
        Hub id, local folder, or a loaded transformers model.
    corpus
        Path (.conllu, .tsv, .jsonl, .txt, .spacy), a `DataSet`, or an iterable of texts, (text,
        text) tuples, lists of words, mappings or `Sequence`.
    roles
        Role specs or `Role` objects.
    tokenizer
        Hub id, folder or tokenizer; None: the model's own.
    parser
        spaCy pipeline by name or path, or loaded, for texts that come without a parse; None: the
        corpus is parsed, or no syntactic role is asked for.
    parse_processes
        Processes of their own that parse while the model runs; 0: parse in this one. A script that
        asks for some needs ``if __name__ == "__main__"`` around what it does.
    cache
        Where parses by a pipeline given by name or path are kept and looked up: a folder or a
        ``.hsp`` file; "auto": HEADSCORE_CACHE, or the user's folder of caches; None: nowhere.
    pairs
        "consecutive" makes pairs of neighbouring sentences of a document.
    columns
        Names of the one or two columns that hold the texts of a table or a data set.
    skip_invalid
        Skip and count what breaks a rule of its format, instead of stopping there.
    max_length, too_long
        Limit in tokens (None: the model's), and what longer sequences get: "truncate", "skip" or
        "error".
    batch_tokens
        Most tokens of a batch, padding included.
    device, dtype
        Where and in which precision a model loaded by name runs; "auto" takes a GPU if there is
        one.
    backend
        "auto", or one of `headscore.backends.available()`.
    on_nonfinite
        What sequences get whose attention holds NaN or Inf: "error" or "skip".
    position
        Compare the pairs of syntactic roles with what is at their offsets elsewhere in the
        sequence, see `HeadScores.beyond`.
    chunk
        Sequences that are read, parsed, encoded and scored at a time, in batches of similar length.
    keep_scores
        "auto": scores beyond 1 GiB go to a file in the folder for temporary files, and are mapped
        into memory from there; "disk": all do; "memory": none.
    progress
        Show a progress bar on stderr; None: only on a terminal.
    seed
        Seed of whatever is drawn at random; scoring itself draws nothing.
    stages
        Collects the seconds of each stage.
    weights
        "attention"; or "norm": attention times the norm of what each key adds to the head's output
        (Kobayashi et al. 2020, arXiv 2004.10102), for models whose output projections are found.
    special
        "keep"; or "drop": special tokens are neither queries nor keys, and attention is what it is
        among the others.

    Returns
    -------
    HeadScores

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The model or the corpus cannot be used as it is.
    IncompleteError
        Not every sequence could be scored.
    """
    del seed  # part of the interface; nothing here is random
    gathering.check_options(keep=keep_scores)
    return _collect(
        partial(gathering.gather, keep=keep_scores),
        model,
        Source(corpus, pairs, columns, skip_invalid, parse_processes, cache),
        Options(chunk, too_long, batch_tokens, backend, on_nonfinite, position, weights, special),
        roles=roles,
        tokenizer=tokenizer,
        parser=parser,
        max_length=max_length,
        device=device,
        dtype=dtype,
        progress=progress,
        stages=stages,
    )


def _collect(
    collect: Collect[Result],
    model: Any,
    source: Source,
    options: Options,
    *,
    roles: str | Iterable[str | Role],
    tokenizer: Any,
    parser: Any,
    max_length: int | None,
    device: str,
    dtype: str | None,
    progress: bool | None,
    stages: Stages | None,
) -> Result:
    """Score a corpus and collect what it brings out; arguments as in `score`."""
    parsed_roles = sieves.parse_roles(roles)
    options.check()
    work = prepare(
        model,
        tokenizer,
        parsed_roles,
        parser,
        options,
        max_length=max_length,
        device=device,
        dtype=dtype,
        stages=stages,
    )
    shown = sys.stderr.isatty() if progress is None else progress
    return over_corpus(work, source, collect, shown)


def check_analysis(
    roles: str | Iterable[str | Role], *, keep_scores: str = "auto", **testing: Any
) -> None:
    """Check how scores are tested and kept before they are there; raises UsageError."""
    check_test(roles, **testing)
    if keep_scores == "none":
        Tallying.of([role.name for role in sieves.parse_roles(roles)], **testing)
