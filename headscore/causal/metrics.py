"""Metrics: what a model loses in a changed pass, compared with its clean pass.

A metric is used batch by batch::

    metric = metric_of("auto", model)
    given = metric.inputs(inputs, batch)                      # masks tokens for a masked model
    clean = metric.clean(network(**given, **metric.options), given, batch)
    change = metric.arm(network(**given, **metric.options), clean, rows)

where `rows` marks the tokens in whose row a role has a sieve, and every batch is padded on the
right. The rows of a causal model are those that predict: token i predicts token i + 1.
"""

from __future__ import annotations

from typing import Any

from headscore.causal.change import Metric
from headscore.causal.measured import Measure, Measured
from headscore.causal.pooled import Pooled
from headscore.causal.token_loss import TokenLoss
from headscore.errors import InputError, UsageError, unknown_name
from headscore.model.load import Model
from headscore.options import METRICS

CAUSAL, MASKED = "causal", "masked"  # kinds of language-model head


def needed_head(metric: str | Measure) -> str | None:
    """Return the kind of head that a metric needs: `CAUSAL`, `MASKED`, or None: any or none."""
    return {"nll": CAUSAL, "masked_nll": MASKED}.get(metric) if isinstance(metric, str) else None


def check_metric(metric: object) -> None:
    """Raise UsageError for a metric that does not exist."""
    if not callable(metric) and metric not in METRICS:
        raise UsageError(unknown_name("metric must be a function or known", str(metric), METRICS))


def head_of(network: Any) -> str | None:
    """Return the kind of a model's language-model head: `CAUSAL`, `MASKED` or None."""
    from transformers.models.auto import modeling_auto as auto

    kinds = {
        CAUSAL: auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MASKED: auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    }
    for parent in type(network).__mro__:  # a user's own class inherits its kind
        named = [kind for kind, names in kinds.items() if parent.__name__ in names.values()]
        # In both are models such as XLNet, whose head predicts neither the next token nor masks.
        if named:
            return named[0] if len(named) == 1 else None
    return None


def metric_of(
    metric: str | Measure, model: Model, *, masked: float = 0.15, seed: int = 0
) -> Metric:
    """Make a metric for a model.

    Parameters
    ----------
    metric
        One of `METRICS`, or a function (outputs, inputs) -> (batch,) numbers, larger where the
        model does worse.
    model
        The model.
    masked, seed
        Share of the tokens that are masked for a masked language model, and which.

    Raises
    ------
    UsageError
        An unknown metric.
    InputError
        The model has not the head that the metric needs, or its tokenizer has no mask token.
    """
    check_metric(metric)
    if callable(metric):
        return Measured(metric)
    head = head_of(model.network)
    name = (
        {CAUSAL: "nll", MASKED: "masked_nll", None: "cosine"}[head] if metric == "auto" else metric
    )
    if name == "cosine":
        bare = model.network is getattr(model.network, "base_model", None)
        return Pooled({} if bare else {"output_hidden_states": True})
    if head is None or needed_head(name) not in (None, head):
        kind = {"nll": "causal", "masked_nll": "masked"}.get(name, "causal or masked")
        raise InputError(
            f"metric {name!r} needs a model with a {kind} language-model head, "
            f"got {type(model.network).__name__}"
        )
    mask = _mask_id(model) if head == MASKED else None
    return TokenLoss(name=name, mask=mask, masked=masked, seed=seed)


def _mask_id(model: Model) -> int:
    mask: int | None = model.tokenizer.mask_token_id
    if mask is None:
        raise InputError(
            "metric of a masked language model needs a tokenizer with a mask token, "
            f"got {type(model.tokenizer).__name__} without"
        )
    return mask
