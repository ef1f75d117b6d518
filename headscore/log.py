"""The logger of the package; every message is one sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("headscore")


@contextmanager
def without_warnings() -> Iterator[None]:
    """Log errors only, within the context."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
