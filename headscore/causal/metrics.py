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

from headscore.causal.change import Metric
from headscore.causal.pooled import Pooled
from headscore.causal.token_loss import TokenLoss
from headscore.causal.user_metric import Function, UserMetric
from headscore.errors import InputError
from headscore.model.lm_head import CAUSAL, MASKED, head_of
from headscore.model.load import Model


def needed_head(metric: str | Function) -> str | None:
    """Return the kind of head that a metric needs: `CAUSAL`, `MASKED`, or None: any or none."""
    return {"nll": CAUSAL, "masked_nll": MASKED}.get(metric) if isinstance(metric, str) else None


def metric_of(
    metric: str | Function, model: Model, *, masked: float = 0.15, seed: int = 0
) -> Metric:
    """Make a metric for a model.

    Parameters
    ----------
    metric
        One of `headscore.options.METRICS`, or a function (outputs, inputs) -> (batch,) numbers,
        larger where the model does worse.
    model
        The model.
    masked, seed
        Share of the tokens that are masked for a masked language model, and which.

    Raises
    ------
    InputError
        The model has not the head that the metric needs, or its tokenizer has no mask token.
    """
    if callable(metric):
        return UserMetric(metric)
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
