"""States of an excess over a margin."""

from dataclasses import fields

import numpy as np

from headscore.options import AdjustOptions
from headscore.statistics.above_margin import margin_states
from headscore.statistics.t_test import TTest

ABOVE = np.nextafter(0.05, 1)


def made(above, below):
    shape = np.shape(above)
    rest = {each.name: np.zeros(shape) for each in fields(TTest)}
    return TTest(**{**rest, "pvalue_above": np.array(above), "pvalue_below": np.array(below)})


def states(above, below, pvalue, needed=True, of_pairs=True):
    shape = np.shape(above)
    return margin_states(
        made(above, below),
        of_pairs=np.broadcast_to(of_pairs, shape),
        pvalue=np.array(pvalue),
        needed=np.broadcast_to(needed, shape),
        options=AdjustOptions(adjust="none"),
    ).tolist()


def test_p_values_of_exactly_alpha_are_significant():
    below = [0.9] * 4
    found = states([0.05, ABOVE, 0.01, 0.01], below, [0.01, 0.01, 0.05, ABOVE])
    assert found == ["has", "undecided", "has", "undecided"]


def test_an_excess_without_what_it_needs_is_undecided():
    assert states([0.01], [0.9], [0.01], needed=False) == ["undecided"]


def test_cells_too_few_pairs_of_which_are_compared_are_undecided():
    nan = np.nan
    assert states([nan, nan], [nan, nan], [0.01, nan]) == ["undecided", ""]
    assert states([nan], [nan], [0.01], of_pairs=False) == [""]
