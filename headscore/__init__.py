"""headscore: which attention head of a transformer does what, with statistics.

The public names, loaded when first used, so that the command line starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headscore import backends, plots, power, roles
    from headscore.api import analyze, score
    from headscore.attentions import score_attentions
    from headscore.backends import sieve_scores, sieve_scores_qk
    from headscore.bootstrap import intervals
    from headscore.capturing import capture
    from headscore.comparison import Comparison
    from headscore.corpus.hub import DataSet
    from headscore.corpus.sequence import Segment, Sequence
    from headscore.curves import tau_curve
    from headscore.encoded import Encoded
    from headscore.errors import (
        BackendError,
        HeadscoreError,
        IncompleteError,
        InputError,
        UsageError,
    )
    from headscore.example import Examples, examples
    from headscore.plan import SievePlan
    from headscore.report import Report
    from headscore.saved import load
    from headscore.scores import HeadScores
    from headscore.sieves import Labels, Pairs, Role
    from headscore.testing import compare, test

_HOMES = {
    "backends": "headscore.backends",
    "plots": "headscore.plots",
    "power": "headscore.power",
    "roles": "headscore.roles",
    "analyze": "headscore.api",
    "compare": "headscore.testing",
    "score": "headscore.api",
    "test": "headscore.testing",
    "sieve_scores": "headscore.backends",
    "sieve_scores_qk": "headscore.backends",
    "capture": "headscore.capturing",
    "Comparison": "headscore.comparison",
    "Segment": "headscore.corpus.sequence",
    "DataSet": "headscore.corpus.hub",
    "Sequence": "headscore.corpus.sequence",
    "Encoded": "headscore.encoded",
    "BackendError": "headscore.errors",
    "HeadscoreError": "headscore.errors",
    "IncompleteError": "headscore.errors",
    "InputError": "headscore.errors",
    "UsageError": "headscore.errors",
    "Examples": "headscore.example",
    "examples": "headscore.example",
    "intervals": "headscore.bootstrap",
    "SievePlan": "headscore.plan",
    "Report": "headscore.report",
    "load": "headscore.saved",
    "HeadScores": "headscore.scores",
    "score_attentions": "headscore.attentions",
    "Labels": "headscore.sieves",
    "Pairs": "headscore.sieves",
    "Role": "headscore.sieves",
    "tau_curve": "headscore.curves",
}

__all__ = [
    "BackendError",
    "Comparison",
    "DataSet",
    "Encoded",
    "Examples",
    "HeadScores",
    "HeadscoreError",
    "IncompleteError",
    "InputError",
    "Labels",
    "Pairs",
    "Report",
    "Role",
    "Segment",
    "Sequence",
    "SievePlan",
    "UsageError",
    "__version__",
    "analyze",
    "backends",
    "capture",
    "compare",
    "examples",
    "intervals",
    "load",
    "plots",
    "power",
    "roles",
    "score",
    "score_attentions",
    "sieve_scores",
    "sieve_scores_qk",
    "tau_curve",
    "test",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("headscore")
    if name not in _HOMES:
        raise AttributeError(f"module 'headscore' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if home.__name__ == f"headscore.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
