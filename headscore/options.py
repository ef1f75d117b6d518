"""Options: name, type, default, allowed values, units and help of each, declared once.

A group of options is a frozen dataclass that checks its values when it is made; whoever needs some
options takes the group, whole. Public functions have the options of a group as flat, keyword-only
arguments (`headscore.signatures`), the command line has them as ``--option``, and the page of
options in the documentation is a table of them.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence, Sized
from dataclasses import dataclass
from numbers import Integral, Real
from os import PathLike
from typing import Any, TypeAlias, TypeGuard

from headscore.declarations import (
    Options,
    is_bool,
    is_probability,
    option,
    or_none,
    required,
)
from headscore.errors import UsageError

# One threshold for all roles, or role name -> threshold.
Thresholds: TypeAlias = float | Mapping[str, float]
# Values of `clusters`: the documents of the corpus; these where they are known; none.
DOCUMENT, AUTO, NONE = "document", "auto", "none"
MAXT = "maxt"  # value of `adjust`
ATTAINED = "attained"  # value of `criterion`
TAU_ATTAINED = 0.2  # of what is attainable, where a comparison is by `ATTAINED`
BY_PVALUES = ("holm", "bh", "by", "none")  # values of `adjust` that need p-values alone
FLIPS = 10_000  # of the signs of units, for `MAXT`: no p-value is below 1 / FLIPS
LEAST_ALPHA = 10 / FLIPS  # for `MAXT`
TAUS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)  # tried by Pande et al. (2021)
# Fact of a signature -> option of `RunOptions` that it records; absent where that is the default.
FACTS = {
    "weighted_by": "weights",
    "special": "special",
    "special_in_text": "special_in_text",
    "control": "control",
}
OFFSET = "offset"  # the control that every run has, and the first word of any other
LOOKS = "looks"  # fact of scores: the number of looks that were planned, where a run may stop
UNKNOWN = "unknown"  # the fact "weights" where no weight can be read
DECIDED = "decided"  # value of `until`: every test is
_SEED = "seed of the sample, and of the order in which `until` reads documents"
CHUNK = 4096  # sequences, where `chunk` is None
LEAST_SIZE = 8  # units of a corpus: with fewer no head is tested
KINDS = ("repeated", "repeated_text", "indirect_object", "needle", "ordered", "brackets")
PARTS = ("genre", "length")
METRICS = ("auto", "nll", "kl", "masked_nll", "cosine")


def _are_names(value: object) -> TypeGuard[Sequence[str]]:
    return isinstance(value, list | tuple) and all(isinstance(each, str) and each for each in value)


def _are_columns(value: object) -> bool:
    return _are_names(value) and len(value) in (1, 2)


# A generator would be used up by this check.
def _are_sizes(value: object) -> bool:
    if not isinstance(value, Iterable) or not isinstance(value, Sized) or isinstance(value, str):
        return False
    whole = [isinstance(n, Integral) and not isinstance(n, bool) for n in value]
    return bool(whole) and all(whole) and all(n >= LEAST_SIZE for n in value)


# A mapping would be a threshold per role, which a curve over thresholds does not take.
def _are_taus(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)


def _is_control(value: object) -> bool:
    if not isinstance(value, str):
        return False
    first, *columns = value.split(",")
    plain = all(name and not re.search(r"\s", name) for name in columns)
    return first == OFFSET and plain and len(set(columns)) == len(columns)


def _is_path(value: object) -> bool:
    return isinstance(value, str | PathLike) and bool(str(value))


def _is_span(value: object) -> bool:
    whole = isinstance(value, tuple | list) and [type(each) for each in value] == [int, int]
    return whole and 1 <= value[0] <= value[1]  # type: ignore[index]


def _is_until(value: object) -> bool:
    if isinstance(value, Real) and not isinstance(value, bool):
        return 0 < float(value) <= 1
    return value is None or value == DECIDED


def _is_metric(value: object) -> bool:
    return callable(value) or (isinstance(value, str) and value in METRICS)


def _are_two_names(value: object) -> bool:
    return _are_names(value) and len(value) == 2 and value[0] != value[1]


# A text is a name, not a list of the ids of its letters.
def _are_clusters(value: object) -> bool:
    if isinstance(value, str):
        return value in (DOCUMENT, AUTO, NONE)
    return value is None or isinstance(value, Iterable)


# A text is a way to split, or nothing.
def _are_parts(value: object) -> bool:
    if isinstance(value, str):
        return value in PARTS
    return value is None or isinstance(value, Iterable)


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
        rule="be a tuple of names",
        accepts=_are_names,
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
class LoadOptions(Options):
    """How a model is loaded."""

    tokenizer: Any = option(
        None, "hub id or folder of a tokenizer, or a tokenizer", unset="the model's own"
    )
    max_length: int | None = option(
        None,
        "longest sequence in tokens, special tokens included",
        least=1,
        unset="what the model takes",
    )
    part: str = option(
        "auto",
        "part of the model that is scored; auto: the encoder of an encoder-decoder, the text part "
        "of a multimodal model, any other model itself; decoder and cross (cross-attention) read a "
        "corpus of text pairs, (source, target)",
        allowed=("auto", "text", "encoder", "decoder", "cross", "vision", "audio"),
    )
    device: str = option("auto", "torch device of a model loaded by name; auto: a GPU if any")
    dtype: str | None = option(
        None,
        "precision of a model loaded by name",
        allowed=(None, "float32", "bfloat16", "float16"),
        rule="be one of float32, bfloat16, float16",
        unset="the model's own",
    )


@dataclass(frozen=True, kw_only=True)
class BackendOptions(Options):
    """What computes."""

    backend: str = option(
        "auto", "what computes the scores", allowed=("auto", "cuda", "cpu", "reference")
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(BackendOptions):
    """How sequences are encoded and scored."""

    chunk: int | None = option(
        None,
        "sequences that are read, parsed, encoded and scored at a time",
        least=1,
        unset="4096; fewer where a run has more shards than such chunks",
    )
    too_long: str = option(
        "truncate",
        "what happens to sequences longer than max_length",
        allowed=("truncate", "skip", "error"),
    )
    batch_tokens: int | None = option(
        None,
        "most tokens of a batch, padding included",
        least=1,
        unset="2048 on a CPU, 32768 elsewhere",
    )
    on_nonfinite: str = option(
        "error",
        "what happens to sequences whose attention holds NaN or Inf; skip: up to 1 % of them",
        allowed=("error", "skip"),
    )
    position: bool = option(
        True, "compare word pairs with entries at the same offset that hold no arc of the parse"
    )
    control: str = option(
        OFFSET,
        "what entries that word pairs are compared with have in common with them: the offset; or "
        "the offset and the labels of both words in columns of the corpus, as offset,upos",
        rule="be offset, or offset and names of columns, as in 'offset,upos'",
        accepts=_is_control,
    )
    weights: str = option(
        "attention",
        "what is scored; norm: attention times the norm of what each key adds to the head's "
        "output (Kobayashi et al. 2020, arXiv 2004.10102)",
        allowed=("attention", "norm"),
    )
    special: str = option(
        "keep",
        "special tokens; drop: score the attention among the other tokens alone",
        allowed=("keep", "drop"),
    )
    special_in_text: str = option(
        "split",
        "special tokens that a text spells, such as [MASK] or those of chat templates; split: into "
        "pieces like other text; keep: the model reads them as special tokens, to roles they are "
        "text",
        allowed=("split", "keep"),
    )

    @property
    def control_columns(self) -> tuple[str, ...]:
        """Names of the columns whose labels the matched control compares; none without it."""
        return tuple(self.control.split(",")[1:])

    def facts(self) -> dict[str, str]:
        """Return the entries of a signature for options that differ from their defaults."""
        # A class attribute of a dataclass is the default of its field.
        changed = [
            (fact, name)
            for fact, name in FACTS.items()
            if getattr(self, name) != getattr(RunOptions, name)
        ]
        return {fact: getattr(self, name) for fact, name in changed}


@dataclass(frozen=True, kw_only=True)
class CorpusOptions(ReadOptions, ParseOptions):
    """How a corpus is read and parsed."""


@dataclass(frozen=True, kw_only=True)
class HostOptions(Options):
    """Which processes do the work beside the model."""

    host_workers: int | None = option(
        None,
        "processes that encode and plan the next batches while the model runs; 0: none, the model "
        "waits for them",
        least=0,
        unset="by the cores, for a corpus of several chunks",
    )


@dataclass(frozen=True, kw_only=True)
class ProgressOptions(Options):
    """What is shown while something runs."""

    progress: bool | None = option(
        None,
        "show a progress bar on stderr",
        rule="be True, False or None",
        accepts=or_none(is_bool),
        unset="only on a terminal",
    )


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(CorpusOptions):
    """What `headscore.encode` takes."""

    max_length: int | None = option(
        None,
        "longest sequence in tokens, special tokens included; no longer than the models take",
        least=1,
        unset="the limit of the tokenizer",
    )
    too_long: str = option(
        RunOptions.too_long, "as in `score`", allowed=("truncate", "skip", "error")
    )
    special_in_text: str = option(
        RunOptions.special_in_text, "as in `score`", allowed=("split", "keep")
    )
    word_places: bool = option(
        False, "keep which words and letters each token is of: from_word_pairs and from_spans ask"
    )


@dataclass(frozen=True, kw_only=True)
class SyntheticOptions(Options):
    """What `headscore.synthetic` takes."""

    seed: int = option(
        0, "seed of what is drawn; a sequence does not depend on those after it", least=0
    )
    size: tuple[int, int] | None = option(
        None,
        "least and most that a sequence holds, drawn uniformly: tokens (repeated) or words "
        "(repeated_text) of a half, sentences around needles, items of a list, pairs of brackets",
        rule="be a pair of whole numbers, the least at least 1 and at most the other",
        accepts=or_none(_is_span),
        unset="by kind",
    )
    texts: Any = option(
        None,
        "corpus, as in `score`, whose texts are repeated or stand around a needle",
        unset="the sentences of the demo",
    )


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(CorpusOptions, LoadOptions, RunOptions, HostOptions, ProgressOptions):
    """How a corpus is scored."""

    roles: str | Iterable[Any] = option("paper", "role specs, or specs and `Role` objects")
    keep_scores: str = option(
        "auto",
        "where scores are kept; auto: in memory up to 1 GiB, else in a file that is mapped into "
        "memory, in the folder for temporary files",
        allowed=("auto", "memory", "disk"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # The group is frozen, so the labels that roles and control name are set past its guard.
        asked = (*self.labels, *_labels_of(self.roles), *self.control_columns)
        object.__setattr__(self, "labels", tuple(dict.fromkeys(asked)))


def _labels_of(roles: object) -> list[str]:
    """Return the columns of the roles ``label:COLUMN`` among specs and `Role` objects."""
    items = roles.split(",") if isinstance(roles, str) else roles
    if not isinstance(items, list | tuple):  # one role, or what is refused later
        items = (items,)
    names = [str(getattr(item, "name", item)).strip() for item in items]
    columns = [name.removeprefix("label:") for name in names if name.startswith("label:")]
    return [column for each in columns if (column := each.partition("=")[0])]


@dataclass(frozen=True, kw_only=True)
class AdjustOptions(Options):
    """How p-values become labels."""

    alpha: float = option(
        0.05,
        "significance level of the tests",
        rule="lie between 0 and 1",
        accepts=is_probability,
    )
    adjust: str = option(
        "holm",
        "correction for the number of tests; maxt: by flipping the signs of whole units, which "
        "counts cells that depend on each other as fewer",
        allowed=("holm", "bh", "by", MAXT, "none"),
    )
    ddof: int = option(
        1,
        "1: the unbiased variance; 0: divide by n, for comparison with the authors' notebooks",
        allowed=(0, 1),
        rule="be 0 or 1",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adjust == MAXT and self.alpha < LEAST_ALPHA:
            raise UsageError(
                f"alpha must be at least {LEAST_ALPHA:g} where adjust is {MAXT}, got {self.alpha!r}"
            )


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(Options):
    """What is independent of each other."""

    clusters: str | Iterable[Hashable] | None = option(
        AUTO,
        "unit of independence; document: sequences of one document may depend on each other; "
        "auto: documents if every sequence has one and there are at least 10; or a cluster id for "
        "each sequence; None or none: all sequences are independent",
        rule='be "auto", "document", "none", None or an id for each sequence',
        accepts=_are_clusters,
    )


@dataclass(frozen=True, kw_only=True)
class EffectOptions(AdjustOptions, ClusterOptions):
    """How the effects of an experiment are tested."""


@dataclass(frozen=True, kw_only=True)
class TestOptions(AdjustOptions, ClusterOptions):
    """How means are tested."""

    __test__ = False  # keeps pytest from collecting the class by its name

    tau: Thresholds = option(
        3.0,
        "threshold on the mean score: one number, or one for each role, where ``*`` stands for "
        'the others: ``{"*": 3, "local": 2}``',
    )
    criterion: str = option(
        "mean",
        "what must exceed tau; attained: ``(mean - 1) / (attainable - 1)``, then tau lies "
        "between 0 and 1",
        allowed=("mean", "attained"),
    )


@dataclass(frozen=True, kw_only=True)
class CompareOptions(AdjustOptions, ClusterOptions):
    """What `headscore.compare` takes."""

    paired: bool = option(
        True,
        "both sides are of the same sequences; False: of two corpora, or two conditions of one, "
        "whose means are compared by Welch's test over documents",
    )
    names: Any = option(
        None,
        "names of the two sides, for texts and pages",
        rule="be two different texts",
        accepts=or_none(_are_two_names),
        unset="before and after",
    )
    criterion: str | None = option(
        None,
        "what must exceed tau on each side, and what is compared where sides are not paired: mean "
        "scores grow with the length of sequences, attained allows for that",
        allowed=(None, "mean", ATTAINED),
        rule="be None, mean or attained",
        unset="mean; attained where paired is False",
    )
    tau: Thresholds | None = option(
        None,
        "threshold on the mean score or the attained share, as in `test`",
        unset="3; 0.2 where criterion is attained",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.paired and self.adjust == MAXT:
            raise UsageError(
                f"adjust must be one of {', '.join(BY_PVALUES)} where paired is False, got {MAXT!r}"
            )

    @property
    def of_sides(self) -> TestOptions:
        """The options of the tests of each side, with their defaults filled in."""
        criterion = self.criterion or ("mean" if self.paired else ATTAINED)
        usual = TAU_ATTAINED if criterion == ATTAINED else TestOptions.tau
        return TestOptions(
            alpha=self.alpha,
            adjust=self.adjust,
            ddof=self.ddof,
            clusters=self.clusters,
            criterion=criterion,
            tau=usual if self.tau is None else self.tau,
        )


@dataclass(frozen=True, kw_only=True)
class SelectOptions(Options):
    """Which part of the scores is tested; adjustment is over this part alone."""

    roles: Any = option(
        None,
        "role specs, or a list of them, of those in the scores",
        unset="all roles of the scores",
    )
    where: Any = option(
        None,
        "True or False for each sequence, or a function that returns it for the id of one",
        unset="all sequences",
    )


@dataclass(frozen=True, kw_only=True)
class TestSomeOptions(SelectOptions, TestOptions):
    """What `headscore.test` takes."""

    __test__ = False


@dataclass(frozen=True, kw_only=True)
class StopOptions(Options):
    """When a run stops before the end of its corpus."""

    until: str | float | None = option(
        None,
        "read documents in random order, until every test is decided or, for a number of at most "
        "1, this share of them; the tests are those of `test` at alpha over the number of looks",
        rule=f"be None, '{DECIDED}' or a number above 0 and at most 1",
        accepts=_is_until,
        unset="the whole corpus is read, in its order",
    )
    seed: int = option(0, _SEED, least=0)

    @property
    def share(self) -> float:
        """The share of the tests that must be decided."""
        return float(self.until) if isinstance(self.until, Real) else 1.0


@dataclass(frozen=True, kw_only=True)
class UntilOptions(ScoreOptions, StopOptions, TestOptions):
    """What `headscore.score` takes; options of the test only with until."""

    seed: int = option(0, _SEED, least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.until is None and self.sample is None and self.seed != StopOptions.seed:
            raise UsageError(f"seed must be left out without until or sample, got {self.seed!r}")


@dataclass(frozen=True, kw_only=True)
class AnalyzeOptions(UntilOptions):
    """What `headscore.analyze` takes."""

    keep_scores: str = option(
        "auto",
        "as in `score`; none: scores are added up as they come and not kept. The table is "
        "that of clusters None, to the bit; clusters must be auto or None, and criterion mean",
        allowed=("auto", "memory", "disk", "none"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_scores == "none" and self.control_columns:
            raise UsageError(f"keep_scores 'none' needs control 'offset', got {self.control!r}")


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Options):
    """Which labels are read."""

    label: str = option(
        "label",
        "the labels; label_unadjusted: without adjustment; beyond_position: in roles of word pairs "
        "only the labels that go beyond position, in other roles all; matched: likewise those that "
        "go beyond a control of labels",
        allowed=("label", "label_unadjusted", "beyond_position", "matched"),
    )

    def __post_init__(self) -> None:
        # An older name of the same labels; the group is frozen, so it is set past its guard.
        if isinstance(self.label, str) and self.label == "label_paper":
            object.__setattr__(self, "label", "label_unadjusted")
        super().__post_init__()


@dataclass(frozen=True, kw_only=True)
class ReplicateOptions(TestOptions):
    """What `headscore.replicate` takes."""

    at_least: int | None = option(
        None,
        "studies in which a head must have the role",
        least=1,
        unset="all studies",
    )
    by: Any = option(
        None,
        "make the studies of one corpus; genre: what stands before the first hyphen of the names "
        "of its documents; length: thirds by tokens; or a label for each sequence, None to leave "
        "it out",
        rule='be None, "genre", "length" or a label for each sequence',
        accepts=_are_parts,
        unset="each study is a corpus or a model of its own",
    )
    aligned: bool = option(True, "head h of one study is head h of every other")
    label: str = option(
        "label",
        "what is replicated; beyond_position: in roles of word pairs only what goes beyond "
        "position",
        allowed=("label", "beyond_position"),
    )
    adjust: str = option(
        AdjustOptions.adjust,
        "correction for the number of cells; of these only holm covers all numbers of studies "
        "at once",
        allowed=BY_PVALUES,
    )


@dataclass(frozen=True, kw_only=True)
class TrajectoryOptions(TestOptions, LabelOptions):
    """What `headscore.trajectory` takes."""

    label: str = option(
        "label",
        "what a head has; label: a mean score above tau; beyond_position: in roles of word pairs "
        "also more attention than position explains",
        allowed=("label", "beyond_position"),
    )
    adjust: str = option(
        AdjustOptions.adjust,
        "correction for the number of cells; of these only holm covers all steps at once",
        allowed=BY_PVALUES,
    )


@dataclass(frozen=True, kw_only=True)
class PermutationOptions(LabelOptions):
    """How the layers of labels are compared with those of shuffled labels."""

    permutations: int = option(10_000, "shuffles", least=1)
    seed: int = option(
        0,
        "seed of the shuffles",
        least=0,
    )


@dataclass(frozen=True, kw_only=True)
class CurveOptions(AdjustOptions, ClusterOptions, LabelOptions):
    """What `headscore.tau_curve` takes."""

    label: str = option(
        "label",
        "the labels; label_unadjusted: without adjustment",
        allowed=("label", "label_unadjusted"),
    )
    taus: Iterable[float] = option(
        TAUS, "thresholds on the mean score", rule="be a list of thresholds", accepts=_are_taus
    )


@dataclass(frozen=True, kw_only=True)
class ExampleOptions(CorpusOptions, LoadOptions, BackendOptions):
    """What `headscore.examples` takes."""

    layer: int = required("layer of the head, from 0", least=0)
    head: int = required(
        "number of the head in its layer, from 0",
        least=0,
    )
    role: Any = required("a single role: its spec, such as nsubj or local, or a `Role`")
    count: int = option(5, "sequences on each side", least=1, rule="be 1 or more")


@dataclass(frozen=True, kw_only=True)
class IntervalOptions(ClusterOptions):
    """What `headscore.intervals` takes."""

    level: float = option(
        0.95,
        "coverage of the two-sided intervals",
        rule="lie between 0 and 1",
        accepts=is_probability,
    )
    resamples: int = option(
        2000,
        "bootstrap draws; memory: 8 bytes a draw and cell",
        least=100,
    )
    seed: int = option(0, "seed of the draws", least=0)


@dataclass(frozen=True, kw_only=True)
class PowerOptions(TestOptions):
    """What `headscore.power_curve` takes."""

    documents: Iterable[int] | None = option(
        None,
        "sizes of the corpora: numbers of documents, or of sequences where no documents are known",
        rule=f"be a list of whole numbers of at least {LEAST_SIZE}",
        accepts=or_none(_are_sizes),
        unset="a quarter, half, once, twice and four times those of the pilot",
    )
    resamples: int = option(
        200,
        "corpora that are drawn of each size; memory: 240 bytes a size, draw and cell",
        least=20,
    )
    seed: int = option(0, "seed of the draws", least=0)
    power: float = option(
        0.8,
        "probability to label a head at the size that it needs",
        rule="lie between 0 and 1",
        accepts=is_probability,
    )
    adjust: str = option(
        AdjustOptions.adjust,
        "correction for the number of tests",
        allowed=BY_PVALUES,
    )


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(LoadOptions, EncodeOptions, EffectOptions, LabelOptions, ProgressOptions):
    """What `headscore.validate` takes."""

    roles: str | Iterable[Any] | None = option(
        None,
        "role specs, or specs and `Role` objects, of those in the report",
        unset="all roles that some head has",
    )
    metric: Any = option(
        "auto",
        "what is measured; nll: loss of the next token; kl: divergence of its distribution; "
        "masked_nll: loss of masked tokens; cosine: distance of the pooled output; auto: the loss "
        "where the model has a language-model head, else cosine; or a function of outputs and "
        "inputs that returns a number for each sequence",
        rule=f"be one of {', '.join(METRICS)}, or a function",
        accepts=_is_metric,
    )
    sets: int = option(
        19, "random sets of heads that the heads of a role are compared with", least=1
    )
    how: str = option(
        "mean",
        "what replaces the output of heads that are removed: zeros, the mean over the corpus, or "
        "the output at the same position of the next sequence",
        allowed=("mean", "zero", "resample"),
    )
    masked: float = option(
        0.15,
        "share of the tokens that are masked for a masked language model",
        rule="lie between 0 and 1",
        accepts=is_probability,
    )
    seed: int = option(0, "seed of placebo entries, random heads and masked tokens", least=0)
    batch_tokens: int | None = option(
        None,
        "most tokens of a batch, padding included",
        least=1,
        unset="1024 on a CPU, 8192 elsewhere",
    )
    folder: str | PathLike[str] | None = option(
        None,
        "folder for the results of finished arms, from which a stopped run resumes",
        rule="be the path of a folder",
        accepts=or_none(_is_path),
        unset="nothing is kept",
    )
