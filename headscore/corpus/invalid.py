"""Raise or skip the invalid entries of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from headscore.errors import InputError

INVALID_SKIPPED = "invalid_skipped"


def refusal(
    skip_invalid: bool, counts: Counter[str] | None, log: Callable[[str], None] | None
) -> Callable[[InputError], None]:
    """Return the function that a reader calls with the error of an invalid entry.

    Parameters
    ----------
    skip_invalid
        False: the function raises the error. True: it counts and logs the error, and returns, so
        that the reader continues with the next entry.
    counts
        Its ``"invalid_skipped"`` grows by one for each skipped entry.
    log
        Called with one sentence for each skipped entry.
    """

    def refuse(error: InputError) -> None:
        if not skip_invalid:
            raise error
        if counts is not None:
            counts[INVALID_SKIPPED] += 1
        if log is not None:
            log(f"skipped {error}")

    return refuse
