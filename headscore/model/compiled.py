"""Compiled models: passes whose hooks must run are computed by the model itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


def uncompiled(model: Any) -> Any:
    """Return the model that `torch.compile` has wrapped, and any other as it is."""
    return getattr(model, "_orig_mod", model)


@contextmanager
def running_uncompiled() -> Iterator[None]:
    """Run compiled models without their graphs inside the block.

    A graph that was compiled before hooks were registered runs without them, and no error is
    raised: what they change would stay as it is.
    """
    # Where nothing is compiled, torch's compiler is not loaded, which takes a second.
    if "torch._dynamo" not in sys.modules:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
