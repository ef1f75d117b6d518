"""headscore: which attention head of a transformer does what, with statistics.

The public names, loaded when first used, so that the command line starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headscore import backends, plots, roles
    from headscore.api import (
        analyze,
        compare,
        power_curve,
        replicate,
        score,
        test,
        trajectory,
        validate,
    )
    from headscore.backends import sieve_scores, sieve_scores_qk
    from headscore.causal.ablate import ablate
    from headscore.causal.user_knockout import knockout
    from headscore.corpus.hub_dataset import DataSet
    from headscore.corpus.sequence import Segment, Sequence
    from headscore.corpus.user_read import read
    from headscore.encoding.encoded import Encoded
    from headscore.errors import (
        BackendError,
        HeadscoreError,
        IncompleteError,
        InputError,
        UsageError,
    )
    from headscore.report.comparison import Comparison
    from headscore.report.effect import Effect
    from headscore.report.examples import Examples, examples
    from headscore.report.power_curve import PowerCurve
    from headscore.report.replication import Replication
    from headscore.report.report import Report
    from headscore.report.saved import load
    from headscore.report.seeds import Seeds
    from headscore.report.tau_curve import tau_curve
    from headscore.report.trajectory import Trajectory
    from headscore.roles.role import Labels, Pairs, Role
    from headscore.scores.attentions import score_attentions
    from headscore.scores.capture import capture
    from headscore.scores.concat import concat
    from headscore.scores.encoded_corpus import encode
    from headscore.scores.head_scores import HeadScores
    from headscore.sieves.plan import SievePlan
    from headscore.statistics import power
    from headscore.statistics.bootstrap import intervals
    from headscore.tasks.synthetic import synthetic

_HOMES = {
    "backends": "headscore.backends",
    "plots": "headscore.plots",
    "power": "headscore.statistics.power",
    "roles": "headscore.roles",
    "analyze": "headscore.api",
    "compare": "headscore.api",
    "replicate": "headscore.api",
    "power_curve": "headscore.api",
    "score": "headscore.api",
    "test": "headscore.api",
    "trajectory": "headscore.api",
    "validate": "headscore.api",
    "ablate": "headscore.causal.ablate",
    "sieve_scores": "headscore.backends",
    "sieve_scores_qk": "headscore.backends",
    "capture": "headscore.scores.capture",
    "concat": "headscore.scores.concat",
    "encode": "headscore.scores.encoded_corpus",
    "knockout": "headscore.causal.user_knockout",
    "Comparison": "headscore.report.comparison",
    "Effect": "headscore.report.effect",
    "Segment": "headscore.corpus.sequence",
    "DataSet": "headscore.corpus.hub_dataset",
    "read": "headscore.corpus.user_read",
    "Sequence": "headscore.corpus.sequence",
    "Encoded": "headscore.encoding.encoded",
    "BackendError": "headscore.errors",
    "HeadscoreError": "headscore.errors",
    "IncompleteError": "headscore.errors",
    "InputError": "headscore.errors",
    "UsageError": "headscore.errors",
    "Examples": "headscore.report.examples",
    "examples": "headscore.report.examples",
    "intervals": "headscore.statistics.bootstrap",
    "SievePlan": "headscore.sieves.plan",
    "Replication": "headscore.report.replication",
    "PowerCurve": "headscore.report.power_curve",
    "Report": "headscore.report.report",
    "Seeds": "headscore.report.seeds",
    "Trajectory": "headscore.report.trajectory",
    "load": "headscore.report.saved",
    "HeadScores": "headscore.scores.head_scores",
    "score_attentions": "headscore.scores.attentions",
    "Labels": "headscore.roles.role",
    "Pairs": "headscore.roles.role",
    "Role": "headscore.roles.role",
    "tau_curve": "headscore.report.tau_curve",
    "synthetic": "headscore.tasks.synthetic",
}

_MODULES = ("backends", "plots", "power", "roles")  # public names that are modules

__all__ = [
    "BackendError",
    "Comparison",
    "DataSet",
    "Effect",
    "Encoded",
    "Examples",
    "HeadScores",
    "HeadscoreError",
    "IncompleteError",
    "InputError",
    "Labels",
    "Pairs",
    "PowerCurve",
    "Replication",
    "Report",
    "Role",
    "Seeds",
    "Segment",
    "Sequence",
    "SievePlan",
    "Trajectory",
    "UsageError",
    "__version__",
    "ablate",
    "analyze",
    "backends",
    "capture",
    "compare",
    "concat",
    "encode",
    "examples",
    "intervals",
    "knockout",
    "load",
    "plots",
    "power",
    "power_curve",
    "read",
    "replicate",
    "roles",
    "score",
    "score_attentions",
    "sieve_scores",
    "sieve_scores_qk",
    "synthetic",
    "tau_curve",
    "test",
    "trajectory",
    "validate",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("headscore")
    if name not in _HOMES:
        raise AttributeError(f"module 'headscore' has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if name in _MODULES else getattr(home, name)


def __dir__() -> list[str]:
    return __all__
