"""Figures of a report, drawn with matplotlib (the extra `report`).

Every function takes a `Report` (`change`: a `Comparison`, `effect`: an `Effect`, `replicated`: a
`Replication`, `trajectory`: a `Trajectory`) and an optional `ax`, and returns the axes it drew on;
`role_maps` makes a figure of several.
Colours grow darker with what they show and marks differ in shape or place, so figures can be read
in grey and by the colour-blind; everything is drawn as vectors.
"""

from headscore.errors import InputError

try:
    import matplotlib as _matplotlib  # noqa: F401
except ImportError as error:
    raise InputError(
        "figures need matplotlib, which is not installed: pip install 'headscore[report]'"
    ) from error

from headscore.plots.charts import pvalues, tau_curve
from headscore.plots.effects import effect
from headscore.plots.grids import change, combined_map, role_map, role_maps
from headscore.plots.power_curve import power_curve
from headscore.plots.replications import replicated
from headscore.plots.tables import colocation, layers
from headscore.plots.trajectories import trajectory

__all__ = [
    "change",
    "colocation",
    "combined_map",
    "effect",
    "layers",
    "power_curve",
    "pvalues",
    "replicated",
    "role_map",
    "role_maps",
    "tau_curve",
    "trajectory",
]
