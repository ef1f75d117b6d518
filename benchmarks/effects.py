"""Effects: how often a model is said to use a role where it loses nothing, or no more than anyhow.

A study has five roles. What a sequence loses in an arm is random; it shares a part of it with the
other arm and with the sequences of its document. In three roles the mean loss is 0, in the others
it is that of the placebo: none of them is used. At level alpha a share alpha of all studies may
have any false finding.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.causal.values import KNOCKOUT, PLACEBO, ArmValues, EffectValues
from headscore.options import EffectOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.arm_rows import BEYOND
from headscore.statistics.clusters import clusters_of
from headscore.statistics.effects import effect_table

ALPHA = 0.05
ROLES = 5  # of a study
SENTENCES = 8  # of a document, on average
AT_A_TIME = 100  # studies
Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(0, 1, n)


def right(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.gamma(1, 1, n) - 1  # skewness 2: a few sequences lose much


def left(rng: np.random.Generator, n: int) -> np.ndarray:
    return 1 - rng.gamma(1, 1, n)


def rare(rng: np.random.Generator, n: int) -> np.ndarray:
    """Nine sequences of ten have no edge and lose nothing."""
    return np.where(rng.random(n) < 0.1, rng.normal(0, math.sqrt(10), n), 0.0)


SHAPES: dict[str, Draw] = {
    "normal": normal,
    "skew +2": right,
    "skew -2": left,
    "0 in 9 of 10": rare,
}


@dataclass(frozen=True)
class Rates:
    """Shares of studies with any false finding, and of bounds that the mean lies outside of."""

    knockout: float
    beyond: float
    used: float
    above_high: float
    below_low: float


def study(draw: Draw, documents: int, icc: float, studies: int, seed: int) -> Rates:
    """Run studies of a kind."""
    rng = np.random.default_rng(seed)
    parts = [_some(rng, draw, documents, icc, size) for size in _sizes(studies)]
    return Rates(*np.concatenate(parts, axis=1).mean(axis=1).tolist())


def _sizes(studies: int) -> Iterator[int]:
    for start in range(0, studies, AT_A_TIME):
        yield min(AT_A_TIME, studies - start)


def _some(
    rng: np.random.Generator, draw: Draw, documents: int, icc: float, studies: int
) -> np.ndarray:
    """Return (rate, study): whether anything false is found, and shares of bounds that miss."""
    # Documents of different sizes: each sentence belongs to any of them, but none is empty.
    n = documents * SENTENCES
    codes = np.sort(
        np.concatenate([np.arange(documents), rng.integers(documents, size=n - documents)])
    )
    names = [f"{at}" for at in range(studies * ROLES)]
    # In the first two roles of a study the placebo costs as much as the knock-out: these are nulls
    # of "beyond placebo" and of "used", and not of "knock-out".
    shift = np.tile([1.0, 1.0, *[0.0] * (ROLES - 2)], studies)
    arms = []
    for name, cost in zip(names, shift, strict=True):
        common = _deltas(rng, draw, codes, icc)
        for arm in (KNOCKOUT, PLACEBO):
            delta = cost + (common + _deltas(rng, draw, codes, icc)) / math.sqrt(2)
            arms.append(_arm(name, arm, delta))
    values = EffectValues(
        arms=tuple(arms),
        roles=tuple(names),
        clean=np.ones(n),
        unit="",
        sequence_ids=tuple(map(str, range(n))),
        documents=tuple(map(str, codes)),
    )
    options = EffectOptions(alpha=ALPHA)
    table = effect_table(values, clusters_of(values, "document"), options)
    table["p"] = table[["pvalue", "pvalue_skew"]].max(axis=1)
    rows = {arm: table[table["arm"] == arm] for arm in (KNOCKOUT, BEYOND)}
    p = {arm: rows[arm]["p"].to_numpy().reshape(studies, ROLES) for arm in rows}
    null = shift.reshape(studies, ROLES) == 0
    found = [
        _any_false(p[KNOCKOUT], null),
        _any_false(p[BEYOND], np.ones_like(null)),
        _any_false(np.maximum(p[KNOCKOUT], p[BEYOND]), np.ones_like(null)),
    ]
    mean = shift.reshape(studies, ROLES)
    low, high = (
        rows[KNOCKOUT][name].to_numpy().reshape(studies, ROLES) for name in ("ci_low", "ci_high")
    )
    return np.array([*found, (high < mean).mean(axis=1), (low > mean).mean(axis=1)], float)


def _deltas(rng: np.random.Generator, draw: Draw, codes: np.ndarray, icc: float) -> np.ndarray:
    of_document = draw(rng, int(codes[-1]) + 1)[codes]
    return math.sqrt(icc) * of_document + math.sqrt(1 - icc) * draw(rng, len(codes))


def _arm(role: str, arm: str, delta: np.ndarray) -> ArmValues:
    unknown = np.full(len(delta), np.nan)
    return ArmValues(
        role=role,
        arm=arm,
        number=0,
        heads=((0, 0),),
        delta=delta,
        at_rows=unknown,
        elsewhere=unknown,
        divergence=unknown,
        edges=np.zeros(len(delta), np.int64),
        same_offset=math.nan,
        norm_ratio=math.nan,
    )


def _any_false(p: np.ndarray, null: np.ndarray) -> list[bool]:
    """Return for each study whether Holm rejects a true null."""
    return [
        bool(((adjust(of_study, "holm") <= ALPHA) & true).any())
        for of_study, true in zip(p, null, strict=True)
    ]


def row(shape: str, documents: int, icc: float, rates: Rates, studies: int) -> str:
    """Write the rates as a row of a table, those above alpha beyond chance in bold."""
    of_studies = [_bold(rate, studies) for rate in (rates.knockout, rates.beyond, rates.used)]
    bounds = [f"{rate:.3f}" for rate in (rates.above_high, rates.below_low)]
    return f"| {shape} | {documents} | {icc:g} | {' | '.join([*of_studies, *bounds])} |"


def _bold(rate: float, studies: int) -> str:
    count = round(rate * studies)
    above = stats.binomtest(count, studies, ALPHA, alternative="greater").pvalue < 0.001
    return f"**{rate:.3f}**" if above else f"{rate:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--documents", type=int, nargs="+", default=[20, 50, 200])
    parser.add_argument("--iccs", type=float, nargs="+", default=[0.0, 0.1])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    studies, documents = arguments.studies, arguments.documents
    if arguments.tiny:
        studies, documents = 40, [20]
    print(f"{studies} studies of {ROLES} roles at alpha {ALPHA}: share with any false finding")
    print("(bold: above alpha beyond chance), and share of bounds that the mean lies outside of.\n")
    print("| deltas | documents | ICC | knock-out | beyond placebo | used | > ci_high | < ci_low |")
    print("|---|---|---|---|---|---|---|---|")
    for shape, draw in SHAPES.items():
        for n in documents:
            for icc in arguments.iccs:
                rates = study(draw, n, icc, studies, arguments.seed)
                print(row(shape, n, icc, rates, studies), flush=True)


if __name__ == "__main__":
    main()
