"""Compiled models: passes whose hooks must run are computed by the model itself."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch


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
