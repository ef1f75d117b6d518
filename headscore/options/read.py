"""Options of reading and parsing a corpus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headscore.declarations import Options, option, or_none
from headscore.options.checks import are_names


def _are_columns(value: object) -> bool:
    return are_names(value) and len(value) in (1, 2)


@dataclass(frozen=True, kw_only=True)
class ReadOptions(Options):
    """How a corpus is read."""

    pairs: str | None = option(
        None,
        "join neighbouring sentences of a document to text pairs",
        allowed=(None, "consecutive"),
        rule="be None or 'consecutive'",
        unset="no pairs are made",
    )
    columns: tuple[str, ...] | None = option(
        None,
        "names of the one or two columns that hold the texts of a table or a data set",
        rule="be a tuple of one or two column names",
        accepts=or_none(_are_columns),
        unset="those of the GLUE tasks",
    )
    skip_invalid: bool = option(
        False, "skip and count entries that break a rule of their format, instead of raising"
    )
    labels: tuple[str, ...] = option(
        (),
        "labels of words to read besides upos and entity; of CoNLL-U: xpos, lemma, deprel, feats, "
        "a feature such as case, a key of MISC; of spaCy: tag, lemma, a feature; * for all; those "
        "that roles and control name are read anyway",
        rule="be a list of names, none of them empty",
        accepts=are_names,
    )
    limit: int | None = option(
        None, "read the first sequences of the corpus only, so many", least=1, unset="all are read"
    )
    sample: int | None = option(
        None,
        "draw so many sequences at random, and read them in the order of the corpus, which is read "
        "twice; a smaller sample is part of a larger one",
        least=1,
        unset="all are read",
    )
    seed: int = option(0, "seed of the sample", least=0)

    def subset_facts(self) -> dict[str, str]:
        """Return the entries of a signature for a part of the corpus; none for all of it."""
        sample = {} if self.sample is None else {"sample": f"{self.sample}, seed {self.seed}"}
        return {**({} if self.limit is None else {"limit": str(self.limit)}), **sample}


@dataclass(frozen=True, kw_only=True)
class ParseOptions(Options):
    """How texts that come without a parse are parsed."""

    parser: Any = option(
        None,
        "spaCy pipeline, loaded or by name or path, for texts without a parse",
        unset="nothing is parsed",
    )
    parse_processes: int = option(
        0,
        "processes that parse beside the model; 0: parse in this one",
        least=0,
    )
    cache: Any = option(
        "auto",
        "parse cache of pipelines given by name or path: a folder or a ``.hsp`` file; auto: "
        "HEADSCORE_CACHE or ~/.cache/headscore; None: no cache",
    )


@dataclass(frozen=True, kw_only=True)
class CorpusOptions(ReadOptions, ParseOptions):
    """How a corpus is read and parsed."""
