"""Mantel-Haenszel odds ratio of attention in strata, with the influence of each row on its test.

For stratum s let A be the attention on n_a cases (word pairs of a role), C that on n_c controls,
and N = n_a + n_c. Attention stands where a table of counts has the number of events, so that a
fraction of each case is an event and the rest is none::

                 attended    not
    cases           A      n_a - A
    controls        C      n_c - C

    P = sum_s A (n_c - C) / N        Q = sum_s C (n_a - A) / N        ratio = P / Q

Mantel and Haenszel, "Statistical aspects of the analysis of data from retrospective studies of
disease", J. National Cancer Institute 22 (1959). The ratio is consistent also for many strata of
few entries each, where a logarithm of means would not be.

Of the hypothesis that the ratio is at most k, ``U = P - k Q`` has a mean of at most 0. It is a
function of the sums over rows, homogeneous of degree 1: the influence of a row, the derivatives of
U times its own attention and weight, add up to U. Their sums over independent clusters give the
variance of U whatever the dependence within (infinitesimal jackknife). In a stratum of N entries
the mean of both groups is estimated from the same N, so that the squares of the influences are
(N - 1) / N of the variance, and the influences are divided by the root of that: the N - 1 of
Mantel and Haenszel's own test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Floats


@dataclass(frozen=True, eq=False, kw_only=True)
class Strata:
    """Sums of cases and controls; strata without either are left out.

    Attributes
    ----------
    cases, controls
        (stratum, head): A and C.
    n_cases, n_controls
        (stratum, 1): n_a and n_c, above 0.
    """

    cases: Floats
    controls: Floats
    n_cases: Floats
    n_controls: Floats

    @property
    def n(self) -> Floats:
        """N, (stratum, 1)."""
        return self.n_cases + self.n_controls


@dataclass(frozen=True, eq=False, kw_only=True)
class Influence:
    """What each unit of attention and of weight in a stratum adds to U, (stratum, head).

    Attributes
    ----------
    cases, controls
        Of the attention of a row.
    n_cases, n_controls
        Of its weight.
    """

    cases: Floats
    controls: Floats
    n_cases: Floats
    n_controls: Floats


def sides(strata: Strata) -> tuple[Floats, Floats]:
    """Return P and Q, (head,) each."""
    n_a, n_c, n = strata.n_cases, strata.n_controls, strata.n
    above = strata.cases * (n_c - strata.controls) / n
    below = strata.controls * (n_a - strata.cases) / n
    return above.sum(axis=0), below.sum(axis=0)


def influence(strata: Strata, margin: float) -> Influence:
    """Return the derivatives of ``U = P - margin Q``, over the root of ``(N - 1) / N``."""
    a, c, n = strata.cases, strata.controls, strata.n
    n_a, n_c = strata.n_cases, strata.n_controls
    # U is a sum of u / N over the strata; N changes with either weight.
    share = (a * (n_c - c) - margin * c * (n_a - a)) / n**2
    # At most twice the variance, also where cases of which a part is visible weigh less than 1.
    growth = np.sqrt(n / np.maximum(n - 1, n / 2))
    return Influence(
        cases=growth * ((n_c - c) + margin * c) / n,
        controls=-growth * (a + margin * (n_a - a)) / n,
        n_cases=growth * (-margin * c / n - share),
        n_controls=growth * (a / n - share),
    )


def information(strata: Strata) -> tuple[Floats, Floats]:
    """Return the share that a unit of weight of cases and of controls has in U, (stratum, 1) each.

    Where A = p n_a and C = q n_c in every row of a stratum, a case adds ``n_c^2 / N^2`` and a
    control ``n_a^2 / N^2`` times ``p (1 - q) - k q (1 - p)``; all of them ``n_a n_c / N`` times it.
    """
    n = strata.n
    return (strata.n_controls / n) ** 2, (strata.n_cases / n) ** 2
