"""The logger of the package: warnings a user should see, never more than a sentence."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

log = logging.getLogger("headscore")


@contextmanager
def said_before() -> Iterator[None]:
    """Keep warnings back: what runs here has been looked at, and they were said, elsewhere."""
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)
