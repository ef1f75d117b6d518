"""Facts: the entries of a signature, of tests and of several scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headscore.options import AdjustOptions
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion


def facts_of_test(
    criterion: Criterion, roles: Sequence[str], clusters: Clusters, options: AdjustOptions
) -> dict[str, str]:
    """Return the facts of a test of mean scores."""
    return {
        "criterion": "mean" if criterion.fraction is None else "attained",
        "tau": criterion.spelled(roles),
        "clusters": clusters.name,
        "unit": clusters.unit,
        "alpha": f"{options.alpha:.12g}",
        "adjust": options.adjust,
        "ddof": str(options.ddof),
    }


def joined(sides: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Join facts: one entry where all sides agree, else one for each, with its name in front."""
    facts = {}
    for key in dict.fromkeys(key for values in sides.values() for key in values):
        found = {values.get(key) for values in sides.values()}
        for side, values in sides.items():
            if key in values:
                facts[key if len(found) == 1 else f"{side} {key}"] = values[key]
    return facts
