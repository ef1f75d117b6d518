"""Reading with options as keywords, as tests write them."""

from headscore.declarations import declared
from headscore.options import ReadOptions


def read_arguments(*, counts=None, log=None, **options):
    """The arguments of a reader behind its path: options, counts and log."""
    assert set(options) <= {each.name for each, _ in declared(ReadOptions)}
    return ReadOptions(**options), counts, log
