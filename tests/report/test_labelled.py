"""Which heads have which roles: from reports, scores, files of either, and mappings."""

import numpy as np
import pandas as pd
import pytest

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.options import ValidateOptions
from headscore.report.labelled import labelled_heads

ROLES = ("local", "sink", "nsubj")


@pytest.fixture(scope="module")
def scores():
    """Head 0.1 and 1.0 are local, 1.1 is a sink; none is nsubj."""
    values = np.random.default_rng(0).uniform(0, 1, (30, 3, 2, 2)).astype(np.float32)
    for role, layer, head in ((0, 0, 1), (0, 1, 0), (1, 1, 1)):
        values[:, role, layer, head] += 9
    return hs.HeadScores.from_arrays(values, ROLES)


def heads_of(report, **options):
    labelled = labelled_heads(report, ValidateOptions(**options))
    return {role.name: heads for role, heads in labelled.items()}


EXPECTED = {"local": ((0, 1), (1, 0)), "sink": ((1, 1),)}


def test_all_forms_of_a_report_give_the_same_heads(scores, tmp_path):
    report = hs.test(scores)
    scores.save(tmp_path / "scores.hs")
    report.save(tmp_path / "report.hs")
    for each in (scores, report, tmp_path / "scores.hs", str(tmp_path / "report.hs")):
        assert heads_of(each) == EXPECTED
    labelled = labelled_heads(report, ValidateOptions())
    assert (labelled.label, labelled.signature) == ("label", report.signature)


def test_labels_and_roles_are_those_of_the_options(scores):
    report = hs.test(scores, tau=9.4)
    assert heads_of(hs.test(scores, tau=8), roles="sink") == {"sink": EXPECTED["sink"]}
    assert heads_of(report, label="label_unadjusted") == {
        role: tuple((row.layer, row.head) for row in rows.itertuples())
        for role in ROLES
        if len(rows := report.heads(role, label="label_unadjusted").sort_values(["layer", "head"]))
    }


def test_a_set_leaves_out_roles_that_no_head_has(scores):
    labelled = labelled_heads(hs.test(scores), ValidateOptions(roles="paper"))
    assert [role.name for role in labelled.roles] == ["local"]
    assert labelled.not_tried["nsubj"] == labelled.not_tried["block"] == "no head has it"


def test_a_mapping_names_roles_and_heads():
    own = hs.Role("mine", lambda batch: hs.Labels(*[np.zeros((len(batch), batch.tokens), int)] * 2))
    given = {"sink": [(1, 1), (0, 0), (1, 1)], own: np.array([[2, 3]])}
    assert heads_of(given) == {"sink": ((0, 0), (1, 1)), "mine": ((2, 3),)}
    assert heads_of(given, roles=[own]) == {"mine": ((2, 3),)}
    table = pd.DataFrame({"head": [1, 0], "layer": [0, 1], "mean": [3.0, 2.0]})
    assert heads_of({"local": table}) == {"local": EXPECTED["local"]}
    with pytest.raises(InputError, match=r"'sink' cannot be read: heads must be .* pairs"):
        heads_of({"sink": [(0, 0.5)]})


def test_a_mapping_takes_the_heads_of_a_report(scores):
    report = hs.test(scores)
    assert heads_of({"local": report.heads("local")}) == {"local": EXPECTED["local"]}


def test_a_role_twice_in_a_mapping_is_refused():
    with pytest.raises(UsageError, match="must be different roles, got 'sink' twice"):
        heads_of({"sink": [(0, 0)], "sink ": [(1, 1)]})
    with pytest.raises(
        InputError, match=r"heads of role 'sink' cannot be read: .* got the columns a"
    ):
        heads_of({"sink": pd.DataFrame({"a": [0]})})


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"roles": "nsubj"}, "roles must be those that some head has, got 'nsubj'"),
        ({"roles": "obj"}, "roles must be those of the report, got 'obj'"),
        ({"roles": "locl"}, "near to locl: local"),
    ],
)
def test_roles_that_the_report_does_not_have_are_refused(scores, options, part):
    with pytest.raises(UsageError) as caught:
        heads_of(hs.test(scores), **options)
    assert part in str(caught.value)


def test_a_role_of_ones_own_is_given_again(scores):
    own = hs.Role(
        "mine#1", lambda batch: hs.Labels(*[np.zeros((len(batch), batch.tokens), int)] * 2)
    )
    report = hs.test(hs.HeadScores.from_arrays(scores.values, ["local", "mine#1", "nsubj"]))
    assert heads_of(report, roles=[own]) == {"mine#1": EXPECTED["sink"]}
    with pytest.raises(UsageError, match="roles must hold the Role of 'mine#1'"):
        heads_of(report)


def test_a_report_without_labels_or_of_another_kind_is_refused(scores):
    with pytest.raises(InputError, match="must hold a head with a role, got none"):
        heads_of(hs.test(scores, tau=100))
    with pytest.raises(InputError, match="report must be a Report, HeadScores"):
        heads_of(42)
