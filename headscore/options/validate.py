"""Options of `validate`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import Any

from headscore.declarations import option, or_none, probability
from headscore.options.labels import LabelOptions
from headscore.options.run import EncodeOptions, LoadOptions, ProgressOptions
from headscore.options.test import EffectOptions

METRICS = ("auto", "nll", "kl", "masked_nll", "cosine")


def _is_metric(value: object) -> bool:
    return callable(value) or (isinstance(value, str) and value in METRICS)


def _is_path(value: object) -> bool:
    return isinstance(value, str | PathLike) and bool(str(value))


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
    masked: float = probability(
        0.15, "share of the tokens that are masked for a masked language model"
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
