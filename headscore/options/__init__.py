"""Options: name, type, default, allowed values, units and help of each, declared once.

A group of options is a frozen dataclass that checks its values when it is made; whoever needs some
options takes the group, whole. Public functions have the options of a group as flat, keyword-only
arguments (`headscore.signatures`), the command line has them as ``--option``, and the page of
options in the documentation is a table of them.
"""

from headscore.options.compare import PARTS, CompareOptions, ReplicateOptions, TrajectoryOptions
from headscore.options.examples import ExampleOptions
from headscore.options.labels import TAUS, CurveOptions, LabelOptions, PermutationOptions
from headscore.options.read import CorpusOptions, ParseOptions, ReadOptions
from headscore.options.resample import LEAST_SIZE, IntervalOptions, PowerOptions
from headscore.options.run import (
    CHUNK,
    FACTS,
    OFFSET,
    UNKNOWN,
    BackendOptions,
    EncodeOptions,
    HostOptions,
    LoadOptions,
    ProgressOptions,
    RunOptions,
)
from headscore.options.score import (
    DECIDED,
    LOOKS,
    AnalyzeOptions,
    ScoreOptions,
    StopOptions,
    UntilOptions,
)
from headscore.options.synthetic import KINDS, SyntheticOptions
from headscore.options.test import (
    ATTAINED,
    AUTO,
    DOCUMENT,
    FLIPS,
    LEAST_ALPHA,
    MAXT,
    NONE,
    AdjustOptions,
    ClusterOptions,
    EffectOptions,
    SelectOptions,
    TestOptions,
    TestSomeOptions,
    Thresholds,
)
from headscore.options.validate import METRICS, ValidateOptions

__all__ = [
    "ATTAINED",
    "AUTO",
    "CHUNK",
    "DECIDED",
    "DOCUMENT",
    "FACTS",
    "FLIPS",
    "KINDS",
    "LEAST_ALPHA",
    "LEAST_SIZE",
    "LOOKS",
    "MAXT",
    "METRICS",
    "NONE",
    "OFFSET",
    "PARTS",
    "TAUS",
    "UNKNOWN",
    "AdjustOptions",
    "AnalyzeOptions",
    "BackendOptions",
    "ClusterOptions",
    "CompareOptions",
    "CorpusOptions",
    "CurveOptions",
    "EffectOptions",
    "EncodeOptions",
    "ExampleOptions",
    "HostOptions",
    "IntervalOptions",
    "LabelOptions",
    "LoadOptions",
    "ParseOptions",
    "PermutationOptions",
    "PowerOptions",
    "ProgressOptions",
    "ReadOptions",
    "ReplicateOptions",
    "RunOptions",
    "ScoreOptions",
    "SelectOptions",
    "StopOptions",
    "SyntheticOptions",
    "TestOptions",
    "TestSomeOptions",
    "Thresholds",
    "TrajectoryOptions",
    "UntilOptions",
    "ValidateOptions",
]
