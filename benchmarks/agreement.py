"""Agreement: the largest differences of headscore's statistics to those of others."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

import headscore as hs
from headscore.statistics.adjust import adjust
from headscore.statistics.colocation import colocation
from headscore.statistics.moments import moments

PUBLISHED = Path(__file__).resolve().parents[1] / "tests" / "helpers" / "published.json"
ROLES = ("local", "block", "amod")
TAU = 3.0


@dataclass(frozen=True)
class Row:
    """Some numbers, and the same from elsewhere."""

    what: str
    other: str
    got: np.ndarray
    want: np.ndarray

    def __str__(self) -> str:
        got, want = np.ravel(self.got), np.ravel(self.want)
        size = np.where(want == 0, 1, np.abs(want))
        return (
            f"| {self.what} | {self.other} | {len(got)} | {np.max(np.abs(got - want) / size):.1g} |"
        )


def made(n: int, seed: int) -> hs.HeadScores:
    """Draw skewed scores of sequences in documents of 1 to 14, which have something in common."""
    rng = np.random.default_rng(seed)
    document = np.sort(rng.integers(0, n // 7, n))
    effect = rng.normal(0, 0.3, n)[document][:, None, None, None]
    values = rng.gamma(5, 0.65, (n, len(ROLES), 2, 4)) + effect
    names = [f"d{number}" for number in document]
    return hs.HeadScores.from_arrays(values, ROLES, documents=names)


def columns(scores: hs.HeadScores) -> np.ndarray:
    """Return float64 (sequence, cell), cells in the order of a report."""
    return scores.values.reshape(len(scores.values), -1).astype(np.float64)


def t_tests(scores: hs.HeadScores) -> Iterator[Row]:
    table = hs.test(scores, tau=TAU, clusters=None).table
    want = stats.ttest_1samp(columns(scores), TAU, alternative="greater")
    other = "scipy `ttest_1samp`"
    yield Row("t", other, table["statistic"], want.statistic)
    yield Row("p", other, table["pvalue"], want.pvalue)
    yield Row("lower bound", other, table["ci_low"], want.confidence_interval(0.95).low)


def skewness(scores: hs.HeadScores) -> Iterator[Row]:
    table = hs.test(scores, tau=TAU, clusters=None).table
    yield Row("skewness", "scipy `skew`", table["skew"], stats.skew(columns(scores)))


def clusters(scores: hs.HeadScores) -> Iterator[Row]:
    """CR2 with Satterthwaite's degrees of freedom, by R's clubSandwich."""
    table = hs.test(scores, tau=TAU, clusters="document").table
    groups = np.unique(scores.documents, return_inverse=True)[1]
    script = """
        library(clubSandwich)
        d <- read.csv(file("stdin"))
        for (k in 2:ncol(d)) {
            fit <- lm(d[[k]] ~ 1)
            test <- coef_test(fit, vcovCR(fit, cluster = d$g, type = "CR2"), test = "Satterthwaite")
            cat(sprintf("%.17g %.17g\\n", test$SE, test$df_Satt))
        }
    """
    lines = [",".join(["g", *(f"x{k}" for k in range(columns(scores).shape[1]))])]
    for group, row in zip(groups, columns(scores), strict=True):
        lines.append(",".join([str(group), *map(repr, row.tolist())]))
    found = r(script, "\n".join(lines))
    if found is None:
        return
    se, df = found.reshape(-1, 2).T
    t = (columns(scores).mean(axis=0) - TAU) / se
    low = columns(scores).mean(axis=0) - stats.t.isf(0.05, df) * se
    other = "R clubSandwich, CR2"
    yield Row("t of documents", other, table["statistic"], t)
    yield Row("degrees of freedom of documents", other, table["df"], df)
    yield Row("p of documents", other, table["pvalue"], stats.t.sf(t, df))
    yield Row("lower bound of documents", other, table["ci_low"], low)


def shared_heads() -> Iterator[Row]:
    """Exact p-values of co-location: R's exact conditional test is of the same null."""
    rng = np.random.default_rng(0)
    cases = [rng.random((2, 1, 6, 12)) < rng.uniform(0.1, 0.6) for _ in range(20)]
    got = []
    tables = []
    for a, b in (case[:, 0] for case in cases):
        got.append(colocation(np.stack([a, b]), ("a", "b"))["pvalue"].iloc[0])
        counts = [(a & b), (a & ~b), (~a & b), (~a & ~b)]
        tables.append(np.stack([each.sum(axis=1) for each in counts], axis=1).ravel())
    script = """
        d <- as.matrix(read.csv(file("stdin"), header = FALSE))
        for (k in 1:nrow(d)) {
            x <- array(d[k, ], dim = c(2, 2, ncol(d) / 4))
            p <- mantelhaen.test(x, exact = TRUE, alternative = "greater")$p.value
            cat(sprintf("%.17g\\n", p))
        }
    """
    found = r(script, "\n".join(",".join(map(str, each)) for each in tables))
    if found is not None:
        yield Row("p of co-location", "R `mantelhaen.test`, exact", np.array(got), found)


def r(script: str, given: str) -> np.ndarray | None:
    """Return the numbers that an R script prints; None where R or its package is not installed."""
    if shutil.which("Rscript") is None:
        print("R is not installed: not compared with it", file=sys.stderr)
        return None
    command = ["Rscript", "--vanilla", "-e", script]
    done = subprocess.run(command, input=given, text=True, capture_output=True, check=False)
    if done.returncode:
        print(f"R fails: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return np.array(done.stdout.split(), float)


def adjustments(scores: hs.HeadScores) -> Iterator[Row]:
    for method, name in (("holm", "holm"), ("bh", "fdr_bh"), ("by", "fdr_by")):
        table = hs.test(scores, tau=TAU, adjust=method, clusters=None).table
        want = multipletests(table["pvalue"], method=name)[1]
        yield Row(f"adjusted p, {method}", "statsmodels `multipletests`", table["pvalue_adj"], want)


def paired(before: hs.HeadScores, after: hs.HeadScores) -> Iterator[Row]:
    table = hs.compare(before, after, clusters=None).table
    want = stats.ttest_rel(columns(after), columns(before))
    yield Row("t of a change", "scipy `ttest_rel`", table["statistic"], want.statistic)
    yield Row("p of a change", "scipy `ttest_rel`", table["pvalue"], want.pvalue)


def bootstrap(scores: hs.HeadScores) -> Iterator[Row]:
    table = hs.intervals(scores, resamples=999, seed=0, clusters=None)
    want = [
        stats.bootstrap(
            (x,), np.mean, n_resamples=999, method="BCa", rng=np.random.default_rng(0)
        ).confidence_interval
        for x in columns(scores).T
    ]
    yield Row(
        "BCa interval", "scipy `bootstrap`", table[["low", "high"]].to_numpy(), np.array(want)
    )


def power() -> Iterator[Row]:
    cases = [(n, d, tests) for n in (5, 30, 400) for d in (0.1, 0.2, 0.5) for tests in (1, 1440)]
    got = [hs.power.power(n, effect=effect, heads=tests) for n, effect, tests in cases]
    want = [
        TTestPower().power(effect, n, 0.05 / tests, alternative="larger")
        for n, effect, tests in cases
    ]
    yield Row("power", "statsmodels `TTestPower`", np.array(got), np.array(want))


def published() -> Iterator[Row]:
    numbers = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    for table, other in zip(
        numbers["adjustments"], ("published, 7 digits", "R multtest, as printed"), strict=True
    ):
        for method in sorted(table.keys() & {"holm", "bh", "by"}):
            got = adjust(np.array(table["pvalues"]), method)
            yield Row(f"adjusted p, {method}", other, got, np.array(table[method]))
    yield from _sleep(numbers["sleep"])
    yield from _nist(numbers["moments"])


def _sleep(sleep: dict) -> Iterator[Row]:
    """Scores must be positive: a shift by 10 changes neither t nor p."""
    scores = hs.HeadScores.from_arrays(
        np.array(sleep["group_1"])[:, None, None, None] + 10, ["local"]
    )
    row = hs.test(scores, tau=10).table.iloc[0]
    for name, digits in (("statistic", 5), ("pvalue", 4)):
        want = np.array([sleep["one_sided"][name]])
        yield Row(
            f"{name} of Student's sleep data", f"R `t.test`, {digits} digits", row[name], want
        )


def _nist(certified: dict) -> Iterator[Row]:
    names = ("NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4")
    cells = [_moments(**certified[name]) for name in names]
    for number, what in enumerate(("mean", "sd")):
        want = np.array([certified[name][what] for name in names])
        got = np.array([cell[number] for cell in cells])
        yield Row(f"{what} of NumAcc1 to 4", "NIST, certified", got, want)


def _moments(numbers: list[float], turns: int, **_: float) -> tuple[float, float]:
    first, *pair = numbers
    values = np.array([first, *pair * turns])[:, None, None, None]
    cell = moments(values, tau=np.array([TAU]))
    return cell.mean.item(), cell.sd.item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    n = 60 if parser.parse_args().tiny else 500
    scores, after = made(n, 0), made(n, 1)
    print("| what | against | numbers | largest relative difference |")
    print("|---|---|---|---|")
    for rows in (
        t_tests(scores),
        skewness(scores),
        clusters(scores),
        shared_heads(),
        adjustments(scores),
        paired(scores, after),
        bootstrap(scores),
        power(),
        published(),
    ):
        print("\n".join(map(str, rows)), flush=True)


if __name__ == "__main__":
    main()
