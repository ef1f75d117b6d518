"""Comparisons without pairs: outcomes, names, lengths, looks, files, page and terminal."""

import html
import inspect
import json
import logging
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.position import compared
from pandas.testing import assert_frame_equal

import headscore as hs
from headscore import files
from headscore.errors import InputError, UsageError
from headscore.report import change_counts, change_position, change_sentences
from headscore.report.html import comparison_page
from headscore.report.terminal.comparison import render_comparison
from headscore.report.terminal.style import Style
from headscore.statistics.looks import FACT

ROLES = ("nsubj", "obj")
NAMES = ("statements", "questions")
# (role, layer, head): the attained shares of both conditions; 0.05 of all other cells
SHARES = {(0, 0, 1): (0.05, 0.4), (0, 1, 2): (0.4, 0.05), (1, 0, 0): (0.4, 0.5)}


def corpus(seed=0, n=160, longer=1.0):
    """Two conditions of one corpus, every fourth sentence the second; 40 documents."""
    rng = np.random.default_rng(seed)
    second = np.arange(n) % 4 == 0
    lengths = (rng.integers(10, 30, n) * np.where(second, longer, 1)).astype(int)
    share = np.full((n, 2, 2, 3), 0.05)
    for cell, values in SHARES.items():
        share[(slice(None), *cell)] = np.where(second, values[1], values[0])
    share = rng.beta(30 * share, 30 * (1 - share))
    attainable = np.repeat(lengths[:, None], 2, axis=1).astype(float)
    scores = hs.HeadScores.from_arrays(
        1 + share * (attainable[:, :, None, None] - 1),
        ROLES,
        documents=[f"d{k // 4}" for k in range(n)],
        attainable=attainable,
        lengths=lengths,
    )
    facts = {**scores.facts, "model": "base", "corpus": "abc"}
    return replace(scores, facts=facts), second


def sides(**how):
    scores, second = corpus(**how)
    return scores.select(where=~second), scores.select(where=second)


def read(path):
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def found():
    return hs.compare(*sides(), paired=False, names=NAMES)


def test_roles_are_gained_and_lost(found):
    for outcome, cell in (("gained", (0, 1)), ("lost", (1, 2))):
        rows = found.heads(outcome)
        assert rows[["role", "layer", "head"]].to_numpy().tolist() == [["nsubj", *cell]]
    gained = found.heads("gained").iloc[0]
    assert gained["mean_before"] == pytest.approx(0.05, abs=0.02)
    assert gained["mean_after"] == pytest.approx(0.4, abs=0.03)
    assert gained["ci_low"] < 0.35 < gained["ci_high"]
    assert (gained["n_before"], gained["n_after"], gained["n_clusters"]) == (120, 40, 40)
    assert found.heads("kept")[["role", "layer", "head"]].to_numpy().tolist() == [["obj", 0, 0]]
    assert found.layers().loc[0, ("nsubj", "change")] == 1


def test_what_was_compared_is_in_the_facts(found):
    assert not found.paired
    assert (found.names, found.titles, found.scale) == (NAMES, NAMES, "attained")
    wanted = {"paired_by": "nothing", "unit": "40 documents", "criterion": "attained"}
    assert wanted.items() <= found.facts.items()
    assert found.counts == {
        "sequences": 160,
        "sequences_before": 120,
        "sequences_after": 40,
        "shared_units": 40,
        "checkpoints_before": 1,
        "checkpoints_after": 1,
    }
    text = found.summary()
    assert "sequences: 120 (statements) and 40 (questions)" in text
    assert "not paired: the difference of what is attained over 40 documents, 40 of them" in text
    assert "heads with a role, statements and questions: nsubj 1 and 1" in text


def test_raw_means_are_compared_where_they_are_asked_for():
    found = hs.compare(*sides(), paired=False, criterion="mean")
    assert (found.scale, found.names, found.titles) == ("mean", ("before", "after"), ("base",) * 2)
    each = [hs.test(side).table["mean"] for side in sides()]
    np.testing.assert_allclose(found.table["change"], each[1] - each[0], 1e-9)
    assert "the difference of mean scores" in found.summary()


@pytest.mark.parametrize(
    ("how", "longer", "sentence"),
    [
        ({}, 1.0, None),
        ({}, 2.0, "before and .* after: attained allows for what is attainable"),
        ({"criterion": "mean"}, 2.0, "raw scores grow with length: compare by criterion attained"),
    ],
)
def test_other_lengths_are_warned_of(how, longer, sentence, caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        found = hs.compare(*sides(longer=longer), paired=False, **how)
    if sentence is None:
        assert not caplog.records
        assert "tokens on average" not in found.summary()
    else:
        with pytest.raises(AssertionError, match=sentence):
            raise AssertionError(caplog.text)
        assert caplog.records[0].getMessage() in found.summary()


def placed(odds, n=40):
    """Scores of one head in a role of word pairs, of so many times the odds of position."""
    values = 5 + np.random.default_rng(0).normal(0, 0.2, (n, 2, 1, 1))
    documents = [f"d{k}" for k in range(n)]
    odds = np.array([odds, np.nan])[:, None, None]
    return compared(
        values, ["nsubj", "local"], odds, documents=documents, attainable=np.full((n, 2), 20.0)
    )


def test_word_pairs_at_other_positions_are_warned_of(caplog, tmp_path):
    # Of 30 keys a head gives a sixth to the pairs, with 2 or 4 times the odds of position.
    share = [1 / 6 / (5 / 6) / odds for odds in (2, 4)]
    share = [f"{100 * odds / (1 + odds):.2g} %" for odds in share]
    warning = (
        f"position alone gives nsubj {share[0]} of attention in statements and {share[1]} in "
        "questions (mean of all heads, at the distances of a role's word pairs where the parse "
        "has no arc), so a difference of attention may be due to where the words stand, not to "
        "their relation"
    )
    with caplog.at_level(logging.WARNING, "headscore"):
        found = hs.compare(placed(2), placed(4), paired=False, names=NAMES)
    assert [record.getMessage() for record in caplog.records] == [warning]
    assert warning in found.summary().splitlines()
    found.to_html(tmp_path / "found.html")
    assert f"{html.escape(warning)}." in read(tmp_path / "found.html").replace("&#39;", "&#x27;")


@pytest.mark.parametrize(
    ("fact", "shares"),
    [
        ("obj 0.0031 and 1e-05", "obj 0.31 % of attention before and 0.001 % after"),
        (
            "nsubj 0.034 and 0.043; label:pos=a; b 0.5 and 1",
            "nsubj 3.4 % of attention before and 4.3 % after, label:pos=a; b 50 % and 100 %",
        ),
    ],
)
def test_shares_of_position_are_in_percent(fact, shares):
    sentence = change_position.sentence({"position": fact}, of_pairs=True)
    assert sentence.startswith(f"position alone gives {shares} (mean of all heads")


def test_word_pairs_at_like_positions_are_not_warned_of(caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        found = hs.compare(placed(2), placed(2.3), paired=False)
    assert not caplog.records
    assert "position" not in found.facts
    assert change_sentences.cautions(found) == []
    paired = hs.compare(placed(2), placed(4))
    assert change_sentences.cautions(paired) == []


def test_the_position_of_selected_word_pairs_is_not_known():
    scores = placed(2)
    first = np.arange(40) < 20
    found = hs.compare(scores.select(where=first), scores.select(where=~first), paired=False)
    assert change_sentences.cautions(found) == [
        "whether word pairs stand at other distances on each side is not known of selected "
        "sequences: score each side on its own"
    ]
    assert change_sentences.cautions(hs.compare(*sides(), paired=False)) == []


def test_lengths_may_be_unknown(caplog):
    before, after = (replace(side, lengths=None) for side in sides(longer=2.0))
    assert "before tokens" not in hs.compare(before, after, paired=False).facts
    assert not caplog.records


def test_a_comparison_is_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "found.hs")
    loaded = hs.load(tmp_path / "found.hs")
    assert_frame_equal(loaded.table, found.table)
    assert (loaded.signature, loaded.counts) == (found.signature, found.counts)
    assert loaded.summary() == found.summary()


def test_the_table_is_written_as_csv(found, tmp_path):
    found.to_csv(tmp_path / "found.csv")
    table = pd.read_csv(tmp_path / "found.csv", keep_default_na=False, na_values=[""])
    assert list(table) == list(found.table)
    np.testing.assert_allclose(table["change"], found.table["change"])
    assert table["n_after"].tolist() == [40] * len(table)
    formula = replace(found, table=found.table.assign(status="=1+1"))
    formula.to_csv(tmp_path / "formula.csv")
    assert "'=1+1" in (tmp_path / "formula.csv").read_text(encoding="utf-8")


def test_page_and_terminal_have_the_names_and_the_scale(found, tmp_path):
    found.to_html(tmp_path / "found.html")
    page = (tmp_path / "found.html").read_text(encoding="utf-8")
    assert "statements → questions" in page
    assert "attained questions" in page
    assert "the difference of what is attained is significant" in page
    assert "paired change" not in page
    assert "the larger the attained effect above that of uniform attention" in page
    style = Style(width=100, unicode=False, color=False)
    text = render_comparison(found, style, saved=None)
    assert text.startswith("statements -> questions")
    row = next(line for line in text.splitlines() if "nsubj  0.1" in line)
    assert "+0.3" in row
    assert len(row.split()[2].partition(".")[2]) == 3


def test_no_side_of_two_samples_is_called_before_or_after(found, tmp_path):
    found.to_html(tmp_path / "found.html")
    page = re.sub(
        "<(script|style).*?</(script|style)>", "", read(tmp_path / "found.html"), flags=re.S
    )
    page, _, run = re.sub("<[^>]*>", "", page).rpartition("What was run")
    assert "Where the roles of attention heads differ between two samples of texts" in page
    assert "blue where the attained effect is larger in questions" in page
    assert "only in statements" in page
    assert "These" not in page
    assert not re.search(r"\b(before|after|gained|lost|change|rose|fell)\b", page)
    assert "gained (only in questions): 1 (nsubj 0.1)" in run
    text = render_comparison(found, Style(width=100), saved=None)
    assert "▲ Has the role only in questions: 1 head" in text
    tables = text.partition("Heads per layer")[2].partition("Run\n")[0]
    assert not re.search(r"\b(before|after|gained|lost|change)\b", tables)


def test_the_answer_names_the_side_that_has_a_role(found):
    answer = change_sentences.answer(found)
    best, kept = found.cell("nsubj", 0, 1), found.cell("obj", 0, 0)
    assert answer == (
        "0.1 has nsubj in questions and lacks it in statements. 1.2 has nsubj in statements and "
        "lacks it in questions. The largest difference of these, among 6 heads: 0.1 in nsubj, "
        f"{best['mean_before']:.3g} "
        f"of what is attainable in statements, {best['mean_after']:.3g} in questions (adjusted p "
        f"{best['pvalue_adj']:.3g}). Another cell differs significantly without a difference of "
        f"the label: 0.0 in obj, {kept['mean_before']:.3g} of what is attainable in statements, "
        f"{kept['mean_after']:.3g} in questions (adjusted p {kept['pvalue_adj']:.3g})."
    )
    assert found.summary().splitlines()[1] == answer
    assert "1 only in questions and 1 only in statements. Largest difference: " in (
        change_sentences.of_role(found, "nsubj")
    )
    same = hs.compare(*[sides()[0]] * 2, paired=False, names=NAMES)
    assert change_sentences.answer(same) == (
        "None of 6 heads is shown to have a role in statements and lack it in questions, or the "
        "reverse."
    )


def with_outcomes(found, outcomes):
    return replace(found, table=found.table.assign(outcome=outcomes))


def test_six_heads_are_named_and_seven_are_counted(found):
    six = with_outcomes(found, ["lost"] * 4 + ["kept"] * 2 + ["lost"] * 2 + ["kept"] * 4)
    shown = change_sentences.answer(six).partition(" The largest")[0]
    assert " have nsubj in statements and lack it in questions; " in shown
    assert shown.endswith(" have obj in statements and lack it in questions.")
    named = re.findall(r"\d\.\d", shown)
    assert sorted(named) == ["0.0", "0.0", "0.1", "0.1", "0.2", "1.0"]
    seven = with_outcomes(found, ["lost"] * 5 + ["kept"] + ["lost"] * 2 + ["kept"] * 4)
    assert change_sentences.answer(seven).startswith(
        "Heads that have a role in statements and lack it in questions: nsubj 5; obj 2. The "
    )


def test_the_answer_ends_with_what_is_open(found):
    outcomes = ["gained", "appeared", "vanished", "vanished", "unclear", "unclear"] + ["kept"] * 6
    answer = change_sentences.answer(with_outcomes(found, outcomes))
    shown, _, still_open = answer.partition(" Open: ")
    assert shown == "0.0 has nsubj in questions and lacks it in statements."
    assert re.match(
        r"0\.1 has nsubj in questions, undecided in statements\. "
        r"(0\.2 and 1\.0|1\.0 and 0\.2) have nsubj in statements, undecided in questions\. "
        r"The role is shown on one side only, the difference is not: nsubj "
        r"(1\.1, 1\.2|1\.2, 1\.1)\. ",
        still_open,
    )


def test_significant_rows_have_any_outcome_and_the_largest_is_first(found):
    rows = found.significant()
    assert {*zip(rows["layer"][:2], rows["head"][:2], strict=True)} == {(0, 1), (1, 2)}
    assert (rows["pvalue_adj"] <= 0.05).all()
    assert len(rows) == (found.table["pvalue_adj"] <= 0.05).sum() == 3
    assert (rows["change"].abs().diff().dropna() <= 0).all()
    assert rows["outcome"].tolist()[2] == "kept"


def test_the_summary_names_six_significant_differences_whatever_the_outcome(found):
    pvalues = [0.01, np.nan, 0.051, 0.05, *[0.02] * 5, 1, 1, 1]
    differences = [0.1, 9, 9, -0.9, 0.2, 0.3, 0.4, 0.5, -0.6, 9, 9, 9]
    table = found.table.assign(pvalue_adj=pvalues, change=differences, outcome="absent")
    assert (
        "significant differences: 7 of 11 cells, 4 of heads that have the role on a side; the "
        "largest, with adjusted p: nsubj 1.0 -0.9 (0.05), obj 0.2 -0.6 (0.02), obj 0.1 +0.5 "
        "(0.02), obj 0.0 +0.4 (0.02), nsubj 1.2 +0.3 (0.02), nsubj 1.1 +0.2 (0.02)"
    ) in replace(
        found,
        table=table.assign(
            label_before=[*[True] * 4, *[False] * 3, True, True] + [False] * 3, label_after=False
        ),
    ).summary().splitlines()
    none = replace(found, table=found.table.assign(pvalue_adj=1.0))
    assert len(none.significant()) == 0
    assert (
        "significant differences: 0 of 12 cells, 0 of heads that have the role on a side"
    ) in none.summary().splitlines()


def counted_sides():
    """Two sides of which every second and every third sequence takes part in obj."""
    before, after = sides()
    for side, step in ((before, 2), (after, 3)):
        first = np.arange(len(side)) % step == 0
        side.values[first, 1] = side.attainable[first, 1] = np.nan
    return before, after


def test_what_takes_part_in_each_role_is_counted_on_each_side(tmp_path):
    before, after = counted_sides()
    found = hs.compare(before, after, paired=False, names=NAMES)
    wanted = {}
    for r, role in enumerate(ROLES):
        wanted[role] = []
        for side in (before, after):
            there = ~np.isnan(side.values[:, r, 0, 0])
            wanted[role] += [there.sum(), len(set(np.array(side.documents)[there]))]
    assert change_counts.taking_part(found) == wanted
    a, b, c, d = wanted["obj"]
    assert (
        "sequences (documents) that take part, statements and questions: nsubj 120 (40) and 40 "
        f"(40), obj {a} ({b}) and {c} ({d})"
    ) in found.summary().splitlines()
    found.to_html(tmp_path / "found.html")
    labels = read(tmp_path / "found.html").partition('<section id="labels"')[2]
    cells = re.findall(r"<t[hd]\b[^>]*>(.*?)</t[hd]>", labels.partition("</table>")[0])
    assert cells[:7] == [
        "role",
        "sequences in statements",
        "documents in statements",
        "sequences in questions",
        "documents in questions",
        "heads in statements",
        "heads in questions",
    ]
    row = cells.index("obj")
    assert cells[row + 1 : row + 5] == [str(n) for n in wanted["obj"]]


def test_sequences_alone_are_counted_without_documents_or_where_a_file_lacks_them():
    before, after = counted_sides()
    alone = hs.compare(before, after, paired=False, clusters=None)
    assert change_counts.titles(alone) == ["sequences before", "sequences after"]
    assert change_counts.line(alone) == (
        "sequences that take part, before and after: nsubj 120 and 40, obj 60 and 26"
    )
    found = hs.compare(before, after, paired=False)
    lacking = {
        f"n_clusters_{side}": pd.array([pd.NA] * 12, "Int64") for side in ("before", "after")
    }
    assert change_counts.line(replace(found, table=found.table.assign(**lacking))) == (
        change_counts.line(alone)
    )
    given = hs.compare(before, after, paired=False, clusters=np.arange(160) // 8)
    assert change_counts.titles(given)[1] == "clusters before"


def test_a_file_may_lack_the_units_of_each_side(found, tmp_path):
    found.save(tmp_path / "found.hs")
    stored = files.read(tmp_path / "found.hs", hs.Comparison.layouts())
    kept = {name: each for name, each in stored.arrays.items() if "n_clusters_" not in name}
    files.write(tmp_path / "found.hs", replace(stored, arrays=kept))
    loaded = hs.load(tmp_path / "found.hs")
    assert loaded.table["n_clusters_after"].isna().all()
    assert "sequences that take part, statements and questions: nsubj 120 and 40" in (
        loaded.summary()
    )


def test_names_of_sides_are_escaped_on_the_page(tmp_path):
    found = hs.compare(*sides(), paired=False, names=("<b>a", "<b>c"))
    found.to_html(tmp_path / "found.html")
    page = read(tmp_path / "found.html")
    assert "<b>" not in re.sub("<script.*?</script>", "", page, flags=re.S)
    assert "sequences in &lt;b&gt;a" in page


def test_names_with_separators_are_escaped_once_on_the_page(tmp_path):
    found = hs.compare(*sides(), paired=False, names=("a|b", "c"))
    found.to_html(tmp_path / "found.html")
    for text in (read(tmp_path / "found.html"), found._repr_html_()):
        assert r"a\u{7c}b" in text
        assert "u{5c}" not in text


def test_sides_that_are_paired_are_counted_once():
    before, _ = counted_sides()
    found = hs.compare(before, before)
    assert change_counts.titles(found) == ["sequences", "documents"]
    assert change_counts.line(found) == (
        "sequences (documents) that take part: nsubj 120 (40), obj 60 (40)"
    )
    for side in ("before", "after"):
        assert found.table[f"n_clusters_{side}"].tolist() == found.table["n_clusters"].tolist()


def test_intervals_are_said_not_to_be_adjusted(found, tmp_path):
    sentence = (
        "95 % confidence interval of questions - statements in one cell, not adjusted for the "
        "number of cells"
    )
    found.to_html(tmp_path / "found.html")
    assert f"<em>from</em>, <em>to</em>: {sentence}." in read(tmp_path / "found.html")
    lines = render_comparison(found, Style(width=200), saved=None).splitlines()
    assert f"interval: {sentence}" in lines
    strict = hs.compare(*sides(), paired=False, alpha=0.001)
    assert change_sentences.intervals(strict).startswith("99.9 % confidence interval of after - ")


def test_help_describes_every_column(found):
    text = inspect.getdoc(hs.Comparison)
    described = set(re.findall(r"``(\w+)``", text))
    for name in set(found.table) - {"layer", "head", "role"}:
        assert {name, name.removesuffix("_before").removesuffix("_after")} & described, name
    assert "not** adjusted for the number of cells" in text
    assert "`ChangeTable`" not in text


def test_inference_is_for_texts_like_both_and_for_the_models_compared(found):
    of_texts = (
        "Inference is over 40 documents: it holds for texts like those in statements and in "
        "questions, and for this checkpoint alone. A head has a role here above 0.2 of what is "
        "attainable, in a report above a mean score."
    )
    assert change_sentences.inference(found) == of_texts
    before, after = sides()
    other = replace(after, facts={**after.facts, "model": "tuned"})
    assert change_sentences.inference(hs.compare(before, other, paired=False)) == (
        "Inference is over 40 documents: it holds for texts like those before and after, and for "
        "these checkpoints, not over training runs. A head has a role here above 0.2 of what is "
        "attainable, in a report above a mean score."
    )
    unknown = [
        replace(side, facts={**side.facts, "model": model, "weights": "unknown"})
        for side, model in ((before, "base"), (after, "tuned"))
    ]
    assert "these checkpoints" in change_sentences.inference(hs.compare(*unknown, paired=False))
    paired = hs.compare(before, replace(before, facts={**before.facts, "model": "tuned"}))
    assert change_sentences.inference(paired) == (
        "Inference is over 40 documents, for these checkpoints, not over training runs."
    )


def test_two_corpora_have_their_names(caplog):
    before, after = (
        replace(side, facts={**side.facts, "corpus_name": name})
        for side, name in zip(sides(longer=2.0), ("news.conllu", "talk.conllu"), strict=True)
    )
    with caplog.at_level(logging.WARNING, "headscore"):
        found = hs.compare(before, after, paired=False)
    assert found.names == found.titles == ("news.conllu", "talk.conllu")
    assert "tokens on average in news.conllu and" in caplog.text
    assert hs.compare(before, after, paired=False, names=NAMES).names == NAMES
    named = hs.compare(before, after, paired=False, names=("2020/en/news", "2021/en/news"))
    assert named.titles == ("2020/en/news", "2021/en/news")
    assert render_comparison(named, Style(), saved=None).startswith("2020/en/news -> 2021/en/news")
    assert "<h1>2020/en/news → 2021/en/news</h1>" in comparison_page(named)
    of_one = replace(after, facts={**after.facts, "corpus_name": "news.conllu"})
    assert hs.compare(before, of_one, paired=False).names == ("before", "after")


def test_significant_rows_come_first_on_the_page(found, tmp_path):
    outcomes = ["kept", "absent", "unclear", "absent", "gained", "kept"] * 2
    pvalues = [1, 0.01, 0.3, 0.02, 0.001, np.nan] * 2
    table = found.table.assign(outcome=outcomes, pvalue_adj=pvalues, change=range(12))
    replace(found, table=table).to_html(tmp_path / "found.html")
    data = json.loads(re.search('id="data">(.*?)</script>', read(tmp_path / "found.html"))[1])
    assert data["order"] == [10, 4, 9, 7, 3, 1, 8, 2, 11, 6, 5, 0]


def test_looks_of_two_runs_are_multiplied():
    before, after = sides()
    stopped = [
        replace(each, facts={**each.facts, FACT: looks})
        for each, looks in ((before, "3"), (after, "3"))
    ]
    of_one_run = hs.compare(*stopped, paired=False)
    assert of_one_run.facts[FACT] == "3"
    other = replace(stopped[1], facts={**stopped[1].facts, "corpus": "def"})
    of_two = hs.compare(stopped[0], other, paired=False)
    assert of_two.facts[FACT] == "9"
    plain = hs.compare(before, after, paired=False, alpha=0.05 / 9)
    for name in ("ci_low", "ci_high"):
        np.testing.assert_allclose(of_two.table[name], plain.table[name])
    np.testing.assert_allclose(
        of_two.table["pvalue_adj"], np.minimum(1, 9 * plain.table["pvalue_adj"])
    )


def test_paired_sides_may_have_names_too():
    before, _ = sides()
    found = hs.compare(before, before, names=["base", "tuned"])
    assert (found.names, found.paired, found.scale) == (("base", "tuned"), True, "mean")
    assert "heads with a role, base and tuned" in found.summary()
    assert (found.table["n_before"] == found.table["n"]).all()


def test_paired_sides_by_attained_have_a_threshold():
    before, _ = sides()
    found = hs.compare(before, before, criterion="attained")
    assert (found.facts["tau"], found.scale) == ("0.2", "mean")


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"names": "ab"}, "names must be two different texts, got 'ab'"),
        ({"names": ["a", "a"]}, "names must be two different texts"),
        ({"names": ["a", ""]}, "names must be two different texts"),
        ({"criterion": "median"}, "criterion must be None, mean or attained"),
        ({"paired": None}, "paired must be True or False"),
        ({"adjust": "maxt"}, "where paired is False, got 'maxt'"),
    ],
)
def test_wrong_options_raise(how, sentence):
    with pytest.raises(UsageError, match=sentence):
        hs.compare(*sides(), **{"paired": False, **how})


def test_both_sides_need_the_same_cells():
    before, after = sides()
    with pytest.raises(InputError, match="same roles, got 'obj' only in before"):
        hs.compare(before, after.select(roles="nsubj"), paired=False)
    with pytest.raises(UsageError, match="after must be HeadScores"):
        hs.compare(before, "after.hs", paired=False)


@pytest.mark.parametrize(
    ("fact", "text", "sentence"),
    [
        ("position", "nothing", "the fact position must be shares of attention, got 'nothing'"),
        ("position", "nsubj 1-1 and 2", "the fact position must be shares of attention"),
        ("before tokens", "many", "the fact before tokens must be a number of tokens, got 'many'"),
    ],
)
def test_facts_that_sentences_cannot_read_are_refused_when_loaded(
    found, tmp_path, fact, text, sentence
):
    replace(found, facts={**found.facts, fact: text}).save(tmp_path / "c.hs")
    with pytest.raises(InputError, match=sentence):
        hs.load(tmp_path / "c.hs")
