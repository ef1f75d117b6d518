"""The arguments of a model's forward: what a call gives, and what the model takes."""

from __future__ import annotations

import inspect
from typing import Any


def arguments_of(module: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call of a model by name; the user may pass them by position."""
    given = inspect.signature(module.forward).bind_partial(*args, **kwargs).arguments
    given |= given.pop("kwargs", {})  # a forward with **kwargs nests the rest
    return given


def forward_options(model: Any, **options: Any) -> dict[str, Any]:
    """Return those of some keyword arguments that the model's forward takes."""
    parameters = inspect.signature(model.forward).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return options
    return {name: value for name, value in options.items() if name in parameters}
