"""The logger of the package: warnings a user should see, never more than a sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("headscore")


@contextmanager
def without_warnings() -> Iterator[None]:
    """Log errors only, where the same warnings were logged before."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
