"""Turn errors at the start of Ray or Dask into one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headscore.errors import IncompleteError


@contextmanager
def starting(engine: str, *kinds: type[Exception]) -> Iterator[None]:
    """Raise IncompleteError where an engine cannot be started; `kinds` are its own errors."""
    of_a_start: tuple[type[Exception], ...] = (RuntimeError, OSError, *kinds)
    try:
        yield
    except of_a_start as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise IncompleteError(
            f"{engine} could not be started or reached ({reason}): the same command goes on from "
            "here"
        ) from error
