"""Power from a pilot: the whole test on corpora that are drawn from its units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats, Ints
from headscore.options import PowerOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.adjust import adjust, robust
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.redrawn import Redrawn, redraw
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.unit_sums import unit_sums
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED, verdicts
