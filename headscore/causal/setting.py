"""Setting: the model, corpus and roles of an experiment, loaded and checked against each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headscore.arrays import Array
from headscore.causal.ablate import RESAMPLE
from headscore.causal.change import Metric
from headscore.causal.corpus import encoded_for
from headscore.causal.labelled import Labelled
from headscore.causal.metrics import metric_of, needed_head
from headscore.causal.selection import heads_by_layer
from headscore.causal.token_loss import TokenLoss
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.log import log
from headscore.model.load import Model, load_model
from headscore.model.projections import Projection, projections
from headscore.options import ValidateOptions
from headscore.parsing.pipelines import find_parser
from headscore.scores import provenance
from headscore.scores.batches import batches_of

# Logits of a batch: tokens x vocabulary, twice, of the clean pass and an arm: on a CPU 1024 tokens
# and 50 000 words are 400 MB in float32. Attention alone, as in `scores`, needs far less.
_BATCH_TOKENS = {"cpu": 1024}
_BATCH_TOKENS_ELSEWHERE = 8192
# Facts of the report that must be those of the experiment, or should be.
_TOKENIZER, _MODEL = "tokenizer", "model"


@dataclass(frozen=True, eq=False, kw_only=True)
class Setting:
    """What an experiment is made of.

    Attributes
    ----------
    model, encoded, metric, options
        The model, the corpus, the metric and the options.
    labelled
        The roles that occur in the corpus, and their heads.
    projections
        The output projections of the model.
    facts
        The entries of the signature.
    """

    model: Model
    encoded: Encoded
    labelled: Labelled
    metric: Metric
    options: ValidateOptions
    projections: tuple[Projection, ...]
    facts: Mapping[str, str]

    def batches(self) -> list[Array]:
        """Return the rows of the sequences of each batch, the longest sequences first."""
        found = batches_of(self.encoded.lengths, self.batch_tokens)
        return _joined(found) if self.options.how == RESAMPLE else found

    def batch_sizes(self) -> list[int]:
        """Return the tokens of each batch, padding included."""
        lengths = self.encoded.lengths
        return [len(rows) * int(lengths[rows].max()) for rows in self.batches()]

    @property
    def batch_tokens(self) -> int:
        """Most tokens of a batch."""
        return _batch_tokens(self.model, self.options)


def make_setting(model: Any, corpus: Any, labelled: Labelled, options: ValidateOptions) -> Setting:
    """Load and encode what an experiment needs.

    Parameters
    ----------
    model, corpus, options
        As in `headscore.validate`.
    labelled
        The roles and the heads that have them.

    Raises
    ------
    UsageError, InputError
        As `headscore.validate`.
    """
    loaded = load_model(model, options, head=_head(options.metric))
    for heads in labelled.heads:
        heads_by_layer(heads, loaded.route)
    _check_report(labelled, loaded)
    metric = metric_of(options.metric, loaded, masked=options.masked, seed=options.seed)
    found = projections(loaded.network, loaded.route)
    encoded, absent = encoded_for(loaded, corpus, labelled.roles, options)
    if options.how == RESAMPLE and len(encoded) < 2:
        raise InputError("how='resample' needs a corpus of at least 2 sequences, got 1")
    labelled = labelled.without(absent)
    return Setting(
        model=loaded,
        encoded=encoded,
        labelled=labelled,
        metric=metric,
        options=options,
        projections=found,
        facts=_facts(loaded, encoded, labelled, metric, options),
    )


def _batch_tokens(model: Model, options: ValidateOptions) -> int:
    default = _BATCH_TOKENS.get(model.device.type, _BATCH_TOKENS_ELSEWHERE)
    return options.batch_tokens or default


def _joined(batches: list[Array]) -> list[Array]:
    """Join each batch of a single sequence with the next one, the last with the one before."""
    found: list[Array] = []
    for rows in batches:
        if found and (len(found[-1]) == 1 or (rows is batches[-1] and len(rows) == 1)):
            found[-1] = np.concatenate([found[-1], rows])
        else:
            found.append(rows)
    return found


def _head(metric: Any) -> str | None:
    """Return the head that a model by name is loaded with: also a function may read its outputs."""
    return None if metric == "cosine" else needed_head(metric) or "auto"


def _check_report(labelled: Labelled, model: Model) -> None:
    """Check that the labels are of this model; raises InputError for another tokenizer."""
    own = {_TOKENIZER: provenance.tokenizer_hash(model.tokenizer), _MODEL: model.name}
    known = {name: labelled.facts.get(name, text) for name, text in own.items()}
    if known[_TOKENIZER] != own[_TOKENIZER]:
        raise InputError(
            f"the report must be of the tokenizer of the model, {own[_TOKENIZER]}, "
            f"got one of {known[_TOKENIZER]}"
        )
    if known[_MODEL] != own[_MODEL]:
        log.warning(
            "the report is of %s, the experiment runs on %s: its heads may do something else",
            known[_MODEL],
            own[_MODEL],
        )


def _facts(
    model: Model, encoded: Encoded, labelled: Labelled, metric: Metric, options: ValidateOptions
) -> dict[str, str]:
    """Return the facts that the signature lists, in its order."""
    parser = None if options.parser is None else find_parser(options.parser)
    corpus = provenance.corpus_hash(encoded)
    facts = provenance.facts_of(model, corpus, labelled.roles, parser, "auto")
    del facts["backend"]
    facts |= {name: encoded.facts[name] for name in ("parser", "max_length")}
    chosen = {}  # options that only some experiments depend on
    if isinstance(metric, TokenLoss) and metric.mask is not None:
        chosen["masked"] = f"{options.masked:.12g}"
    if options.how == RESAMPLE:
        chosen["batch_tokens"] = str(_batch_tokens(model, options))
    return facts | {
        "metric": metric.name,
        "how": options.how,
        "sets": str(options.sets),
        "seed": str(options.seed),
        **chosen,
        "label": labelled.label,
        "heads": labelled.digest(),
        "report": labelled.report(),
    }
