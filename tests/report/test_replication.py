"""Replication: studies that are read and checked, queries, sentences, files, pages, terminal."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.browser import opened
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore.report.replication import Replication
from headscore.report.replication_sentences import answer, guarantee, of_role, summary
from headscore.report.terminal.replication import render_replication
from headscore.report.terminal.style import Style

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m</style>{{ 7*7 }}"
ROLES = ("local", "nsubj")
OLD = Path(__file__).parents[1] / "data" / "report-v1.hs"


def scores_of(seed=0, *, shift=0.0, roles=ROLES, n=60, layers=2, heads=3, documents=True, **facts):
    """Scores in which head 0.0 always has both roles, and head 0.1 where it is shifted."""
    rng = np.random.default_rng(seed)
    values = rng.normal(1.5, 0.4, (n, len(roles), layers, heads))
    values[:, :, 0, 0] += 5
    values[:, :, 0, 1] += shift
    found = hs.HeadScores.from_arrays(
        np.maximum(values, 0),
        roles,
        attainable=np.full((n, len(roles)), 20.0),
        documents=[f"{'ab'[k % 2]}-{k // 4}" for k in range(n)] if documents else None,
        lengths=rng.integers(5, 40, n),
    )
    return replace(found, facts={**found.facts, **facts})


@pytest.fixture(scope="module")
def studies():
    return {"one": scores_of(0), "two": scores_of(1), "three": scores_of(2, shift=5)}


@pytest.fixture(scope="module")
def found(studies):
    return hs.replicate(studies)


def test_heads_are_found_in_the_studies_that_have_them(found):
    table = found.table.set_index(["role", "layer", "head"])
    for role in ROLES:
        always, once, never = (
            table.loc[role, layer, head] for layer, head in ((0, 0), (0, 1), (1, 2))
        )
        assert (always["verdict"], always["replicated"], always["absent"]) == ("has", 3, 0)
        assert (once["verdict"], once["replicated"], once["absent"]) == ("has_not", 1, 2)
        assert (never["verdict"], never["replicated"], never["absent"]) == ("has_not", 0, 3)
        assert 3 < always["bound"] < always["mean_low"] < always["mean_high"] < 8
    assert found.names == ("one", "two", "three")
    assert found.studies["labels"].tolist() == [2, 2, 4]
    assert found.studies["sequences"].tolist() == [60, 60, 60]
    assert found.counts == {"studies": 3, "sequences": 180}
    facts = {"studies": "3", "at_least": "3", "by": "none", "label": "label", "tau": "3"}
    assert facts.items() <= found.facts.items()


def test_queries(found):
    assert found.counted().to_dict("index") == {role: {1: 2, 2: 1, 3: 1} for role in ROLES}
    assert found.heads("nsubj")[["layer", "head"]].to_numpy().tolist() == [[0, 0]]
    assert found.heads("nsubj", at_least=1)["head"].tolist() == [0, 1]
    assert found.differing()[["layer", "head"]].to_numpy().tolist() == [[0, 1], [0, 1]]
    each = found.per_study()
    assert list(each) == ["study", "role", "layer", "head", "mean", "verdict"]
    head = each[(each["role"] == "local") & (each["layer"] == 0) & (each["head"] == 1)]
    assert head["verdict"].tolist() == ["has_not", "has_not", "has"]
    np.testing.assert_allclose(head["mean"], [1.5, 1.5, 6.5], atol=0.3)
    with pytest.raises(hs.UsageError, match="role must be one of the replication, got 'nsub'"):
        found.heads("nsub")
    with pytest.raises(hs.UsageError, match=r"at_least must lie in 1\.\.3, got 4"):
        found.heads("local", at_least=4)


def test_scores_reports_and_files_of_either_give_the_same(found, studies, tmp_path):
    reports = {name: hs.test(scores) for name, scores in studies.items()}
    for name in studies:
        studies[name].save(tmp_path / f"s-{name}.hs")
        reports[name].save(tmp_path / f"r-{name}.hs")
    mixed = [tmp_path / "s-one.hs", str(tmp_path / "r-two.hs"), reports["three"]]
    for other in (reports, dict(zip(studies, mixed, strict=True))):
        assert_frame_equal(hs.replicate(other).table, found.table)
    files = [tmp_path / f"s-{name}.hs" for name in studies]
    assert hs.replicate(files).names == ("s-one", "s-two", "s-three")


def test_studies_of_a_list_are_named_by_model_or_number():
    models = [scores_of(k, model=f"hub/{name}") for k, name in enumerate("xy")]
    assert hs.replicate(models).names == ("x", "y")
    assert hs.replicate([scores_of(0, model="hub/x"), scores_of(1, model="hub/x")]).names == (
        "1",
        "2",
    )


def test_one_corpus_by_genre_length_and_labels():
    scores = scores_of(3, shift=5)
    parts = hs.replicate(scores, by="genre")
    assert parts.names == ("a", "b")
    # The documents of the whole corpus are the units, also of a part with fewer than ten.
    assert parts.studies["unit"].tolist() == ["15 documents", "15 documents"]
    assert parts.facts["by"] == "genre"
    for n, name in enumerate("ab"):
        rows = np.array([document[0] == name for document in scores.documents])
        alone = hs.test(
            hs.HeadScores.from_arrays(
                scores.values[rows],
                scores.roles,
                attainable=scores.attainable[rows],
                documents=np.array(scores.documents)[rows].tolist(),
            )
        )
        own = parts.per_study().iloc[n * 12 : (n + 1) * 12].reset_index(drop=True)
        assert own["verdict"].tolist() == alone.table["verdict"].tolist()
        np.testing.assert_array_equal(own["mean"], alone.table["mean"])
    assert hs.replicate([scores], by="length").names == ("short", "middle", "long")
    given = hs.replicate(scores, by=[None, *"xy" * 29, "x"])
    assert given.names == ("x", "y")
    assert given.facts["by"] == "given"
    assert given.studies["sequences"].tolist() == [30, 29]


def test_a_part_of_few_documents_is_not_tested_as_sequences():
    scores = scores_of(0, n=80)
    small = [f"{'a' if k < 12 else 'b'}-{k // 4}" for k in range(80)]
    found = hs.replicate(replace(scores, documents=tuple(small)), by="genre")
    assert found.studies["unit"].tolist() == ["3 documents", "17 documents"]
    assert (found.table["status"] == "few_studies").all()
    assert (found.table["studies"] == 1).all()
    assert found.table["pvalue"].isna().all()


@pytest.mark.parametrize(
    ("others", "sentence"),
    [
        ({"roles": ("local", "obj")}, "same roles, got 'nsubj' in 'one' and none in 'two'"),
        ({"roles": ("nsubj", "local")}, "same order of roles, got local, nsubj in 'one'"),
        ({"heads": 4}, "same layers and heads, got 2 x 3 in 'one' and 2 x 4 in 'two'"),
    ],
)
def test_studies_of_other_cells_raise(others, sentence):
    with pytest.raises(hs.InputError, match=re.escape(sentence)):
        hs.replicate({"one": scores_of(0), "two": scores_of(1, **others)})


def test_studies_with_other_heads_in_a_layer_raise():
    fewer = scores_of(1)
    values = fewer.values.copy()
    values[:, :, 1, 2] = np.nan
    fewer = replace(fewer, values=values, heads=np.array([3, 2]))
    with pytest.raises(hs.InputError, match=r"same heads in each layer, got \[3, 3\] in '1'"):
        hs.replicate([scores_of(0), fewer])


def test_reports_that_were_tested_otherwise_raise(studies):
    one, two = studies["one"], studies["two"]
    for option, value, text in (("tau", 2.0, "3 in '1' and 2"), ("alpha", 0.01, "0.05 in '1' and")):
        with pytest.raises(hs.InputError, match=f"same {option}, got {text}"):
            hs.replicate([hs.test(one), hs.test(two, **{option: value})])
    reports = [hs.test(one), hs.test(two)]
    for option in (
        {"tau": 2.0},
        {"tau": {"*": 3, "local": 2}},
        {"alpha": 0.01},
        {"clusters": None},
    ):
        with pytest.raises(
            hs.UsageError, match=f"{next(iter(option))} must be that of the reports"
        ):
            hs.replicate(reports, **option)
    by_role = {"*": 3, "local": 2}
    same = hs.replicate([hs.test(each, tau=by_role) for each in (one, two)], tau=by_role)
    assert same.facts["tau"] == "local=2,nsubj=3"


@pytest.mark.parametrize(
    ("studies", "options", "sentence"),
    [
        ([], {}, "studies must be at least 2, got 0"),
        ([scores_of(0)], {}, "studies must be at least 2, got 1"),
        (scores_of(0), {}, "studies must be at least 2, got 1"),
        (7, {}, "studies must be a list or a mapping of scores or reports, got int"),
        ([scores_of(0), 7], {}, "studies must be HeadScores, reports or files of either, got int"),
        ({"a": scores_of(0), 3: scores_of(1)}, {}, "names of studies must be texts"),
        ([scores_of(0), scores_of(1)], {"at_least": 3}, "at_least must lie in 1..2, the number"),
        (
            [scores_of(0), scores_of(1)],
            {"at_least": 0},
            "at_least must be an integer of at least 1",
        ),
        (
            [scores_of(0), scores_of(1)],
            {"adjust": "maxt"},
            "adjust must be one of holm, bh, by, none",
        ),
        (
            [scores_of(0), scores_of(1)],
            {"by": "genre"},
            "by must come with the scores of one corpus",
        ),
        (scores_of(0), {"by": "topic"}, 'by must be None, "genre", "length" or a label'),
        (hs.test(scores_of(0)), {"by": "genre"}, "by must come with scores, got a report"),
        (scores_of(0), {"by": ["a"] * 60}, "into at least 2 parts, got 1"),
        ([scores_of(0), scores_of(1)], {"label": "robust"}, "label must be one of label, beyond"),
    ],
)
def test_invalid_use_raises_a_sentence(studies, options, sentence):
    with pytest.raises((hs.UsageError, hs.InputError), match=re.escape(sentence)):
        hs.replicate(studies, **options)


def test_a_file_of_another_kind_raises(found, tmp_path):
    found.save(tmp_path / "r.hs")
    with pytest.raises(hs.InputError, match="must hold headscores or report, got 'replication'"):
        hs.replicate([tmp_path / "r.hs", tmp_path / "r.hs"])


def test_a_report_of_an_older_version_shows_no_absence(caplog):
    found = hs.replicate({"a": OLD, "b": OLD})
    assert "a: the report has no p-values of the other direction" in caplog.text
    assert (found.table["absent"] == 0).all()
    assert set(found.table["verdict"]) <= {"has", "undecided", ""}
    assert (found.table["verdict"] == "has").sum() == 6


def test_a_saved_replication_comes_back(found, tmp_path):
    found.save(tmp_path / "found.hs")
    for again in (hs.load(tmp_path / "found.hs"), Replication.load(tmp_path / "found.hs")):
        assert isinstance(again, Replication)
        assert_frame_equal(again.table, found.table)
        assert_frame_equal(again.studies, found.studies)
        assert_frame_equal(again.per_study(), found.per_study())
        assert again.signature == found.signature
        assert summary(again) == summary(found)
    with pytest.raises(hs.InputError, match=r"means and codes must be \(study, cell\)"):
        replace(found, means=found.means[:2])
    with pytest.raises(hs.InputError, match=r"codes must lie in 0\.\.3, got 9"):
        replace(found, codes=np.full_like(found.codes, 9))


def test_the_table_as_csv(found, tmp_path):
    found.to_csv(tmp_path / "found.csv")
    again = pd.read_csv(tmp_path / "found.csv")
    assert again["replicated"].tolist() == found.table["replicated"].tolist()


def test_sentences_say_what_is_shown_and_never_that_nothing_is_there(found):
    assert answer(found) == (
        "Of 12 pairs of a head and a role, 2 are shown to hold in all 3 studies, 10 are shown to "
        "hold in fewer or none, none is undecided."
    )
    assert of_role(found, "local") == (
        "1 of 6 heads in all 3 studies, 5 in fewer, 0 undecided; in at least 1, 2 and 3: 2, 1 and 1"
    )
    text = summary(found)
    assert "one: 60 sequences, 30 documents, 2 labels" in text
    assert "2 heads are shown to have a role in one study and not to have it in another." in text
    assert guarantee(found).startswith("With probability 0.95 no head has a role in fewer studies")
    assert repr(found).startswith("Replication(12 cells, headscore:")


@pytest.mark.parametrize(
    ("adjust", "start"),
    [("bh", "Benjamini-Hochberg-adjusted"), ("by", "Benjamini-Yek"), ("none", "Not adjusted")],
)
def test_the_guarantee_is_that_of_the_adjustment(studies, adjust, start):
    assert guarantee(hs.replicate(studies, adjust=adjust)).startswith(start)


def test_without_a_test_nothing_is_said():
    values = np.ones((4, 1, 1, 2))
    few = [hs.HeadScores.from_arrays(values, ["local"]) for _ in range(2)]
    found = hs.replicate(few)
    assert answer(found) == "No head could be tested in any role."
    assert of_role(found, "local") == "not tested (insufficient_n)"
    assert "not tested: 2 of 2 cells (insufficient_n 2)" in summary(found)


@pytest.mark.parametrize("n_studies", [3, 9])
def test_the_terminal_shows_all_within_its_width(n_studies):
    long = "a very long name of a study that says a lot"
    studies = {f"{k} {long}": scores_of(k, shift=5 * (k % 2), n=40) for k in range(n_studies)}
    found = hs.replicate(studies, at_least=2, clusters=None)
    for width in (50, 60, 75, 80):
        text = render_replication(found, Style(width=width), saved="x.hs")
        lines = [line for line in text.splitlines() if not line.startswith("signature")]
        assert max(map(len, lines)) <= width
    row = next(line.split() for line in lines[8 + n_studies :] if line.startswith("  nsubj"))
    assert row[1] == "2"
    assert "saved: x.hs" in lines
    assert "Depends on the study" in text


@pytest.fixture(scope="module")
def pages(found, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    found.to_html(folder / "found.html")
    evil = {EVIL: scores_of(0, roles=(EVIL, "b"), model=EVIL), "b": scores_of(1, roles=(EVIL, "b"))}
    hs.replicate(evil).to_html(folder / "evil.html")
    return folder


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (390, False)])
def test_a_page_opens_without_errors_and_is_accessible(browser, pages, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, pages / "found.html", width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("#maps svg[role=img]").count() == 2
        assert page.locator("#studies tbody tr").count() == 3
        violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []


def test_the_table_of_a_page_is_filtered_by_its_verdict(browser, pages):
    with opened(browser, pages / "found.html") as page:
        page.check("#filter-label")
        assert page.inner_text("#filter-count") == "2 of 12 cells"
        first = page.inner_text("#all tbody tr:first-child")
        last = page.inner_text("#all tbody tr:last-child")
        assert first.split("\t")[:5] == ["nsubj", "0", "0", "has", "3"]
        assert last.split("\t")[:5] == ["local", "0", "0", "has", "3"]
        assert "one, two, three" in last


def test_names_are_shown_as_they_are(browser, pages):
    with opened(browser, pages / "evil.html") as page:
        assert page.complaints == []
        assert page.evaluate("window.evil") is None
        assert page.inner_text("h3").startswith("<script>window.evil=1</script>")


def test_a_notebook_shows_the_answer_escaped():
    found = hs.replicate([scores_of(k, roles=(EVIL, "b")) for k in range(2)])
    assert "<script" not in found._repr_html_()
    assert "&lt;script&gt;" in found._repr_html_()
