"""What `print` and a notebook show of each kind of result."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from helpers.effects import made as made_effect

import headscore as hs
from headscore.options import EffectOptions
from headscore.report import change_sentences
from headscore.report.effect import Effect
from headscore.report.example_set import Example, Pair
from headscore.report.examples import Examples

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m"


def scores(shift=0.0, role="nsubj"):
    rng = np.random.default_rng(0)
    values = rng.normal(2, 0.4, (40, 2, 2, 3))
    values[:, 0, 0, 1] += 3
    values[:, 1, 1, 2] += shift
    values[::4, 1] = np.nan
    return hs.HeadScores.from_arrays(values.astype(np.float32), ["local", role])


def shown_examples():
    pair = Pair(rows=(1,), keys=(2,), score=9.5)
    high = Example(id=EVIL, tokens=("[CLS]", EVIL, "sleeps"), score=8.0, pairs=(pair,))
    low = Example(id="s7", tokens=("[CLS]", "Rain", "fell"), score=0.5, pairs=(pair,))
    return Examples(
        model=EVIL, role=EVIL, layer=1, head=8, n=5, mean=3.0, highest=(high,), lowest=(low,)
    )


def results():
    report = hs.test(scores(role=EVIL))
    return {
        "scores": scores(role=EVIL),
        "report": report,
        "comparison": hs.compare(scores(role=EVIL), scores(3.0, role=EVIL)),
        "effect": Effect.from_values(made_effect({EVIL: {}}), EffectOptions()),
        "examples": shown_examples(),
        "rows": report.heads("local"),
    }


class Tags(HTMLParser):
    """The tags that are open, and all that ever were."""

    def __init__(self):
        super().__init__()
        self.open, self.all = [], set()

    def handle_starttag(self, tag, attributes):
        self.all.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("kind", results())
def test_views_are_whole_html_without_scripts_and_marks_of_the_input(kind):
    view = results()[kind]._repr_html_()
    tags = Tags()
    tags.feed(view)
    assert tags.open == []
    assert tags.all <= {"div", "p", "strong", "small", "table", "thead", "tbody", "tr", "th", "td"}
    assert not re.search("[\u202e\x1b]", view)


def test_scores_show_how_many_sequences_take_part():
    view = scores()._repr_html_()
    assert "<strong>Scores of 40 sequences, 6 heads in 2 layers</strong>" in view
    assert "<th scope='row'>local</th><td>40 sequences take part</td>" in view
    assert "<th scope='row'>nsubj</th><td>30 sequences take part</td>" in view


def test_a_comparison_shows_what_changed_in_each_role():
    change = hs.compare(scores(), scores(3.0))
    assert change_sentences.of_role(change, "local") == (
        "before 1 head, after 1 head; the role is not shown to be gained or lost."
    )
    cell = change.cell("nsubj", 1, 2)
    assert cell["outcome"] == "gained"
    assert change_sentences.of_role(change, "nsubj") == (
        "before no heads, after 1 head; 1 gained. Largest change: 1.2, "
        f"{cell['mean_before']:.3g} to {cell['mean_after']:.3g}."
    )
    assert change_sentences.answer(change) in change._repr_html_()


def test_a_comparison_is_written_as_csv(tmp_path):
    change = hs.compare(scores(role="=evil"), scores(3.0, role="=evil"))
    change.to_csv(tmp_path / "c.csv")
    lines = (tmp_path / "c.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == ",".join(change.table)
    assert len(lines) == 1 + len(change.table)
    assert ",'=evil," in lines[-1]


def test_examples_show_score_and_text():
    view = shown_examples()._repr_html_()
    assert "<th scope='row'>0.50</th><td>s7: [CLS] Rain fell</td>" in view
    assert "mean 3, n 5" in view


def test_printing_a_result_prints_its_summary():
    found = results()
    for kind in ("report", "comparison", "effect"):
        assert str(found[kind]) == found[kind].summary() != repr(found[kind])
    assert str(found["examples"]).splitlines() == found["examples"].lines()
