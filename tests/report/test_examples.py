"""Examples of a head in a role: scores of word pairs, and the HTML page with their arcs."""

import json

import numpy as np
import pytest
from helpers.browser import opened
from helpers.commands import CONLLU, refused, run_here

import headscore as hs
from headscore.report.example_set import Example, Pair, words


@pytest.fixture(scope="module")
def found(minilm_path):
    return hs.examples(minilm_path, sentences(), layer=1, head=8, role="nsubj", count=2)


def sentences():
    words = [
        (
            "Dogs that we saw yesterday bark .",
            [5, 3, 3, 0, 3, -1, 5],
            "nsubj obj nsubj acl x root p",
        ),
        ("She saw them .", [1, -1, 1, 1], "nsubj root obj punct"),
        ("Unbelievably , walruses sing .", [3, 3, 3, -1, 3], "advmod punct nsubj root punct"),
        ("Rain fell .", [1, -1, 1], "nsubj root punct"),
        ("Run !", [-1, 0], "root punct"),
        ("The old man sleeps .", [2, 2, 3, -1, 3], "det amod nsubj root punct"),
    ]
    return [
        hs.Sequence.from_words(text.split(), heads, relations.split(), id=f"s{number}")
        for number, (text, heads, relations) in enumerate(words)
    ]


@pytest.mark.model
def test_example_scores_equal_those_of_score(found, minilm_path):
    scores = hs.score(minilm_path, sentences(), roles="nsubj")
    values = scores.values[:, 0, 1, 8]
    order = [scores.sequence_ids[n] for n in np.argsort(-values)[: found.n]]
    assert (found.n, found.mean) == (5, pytest.approx(np.nanmean(values)))
    assert [each.id for each in found.highest] == order[:2]
    assert [each.id for each in found.lowest] == order[:2:-1]
    for each in (*found.highest, *found.lowest):
        assert each.score == values[int(each.id[1:])]
        assert np.mean([pair.score for pair in each.pairs]) == pytest.approx(each.score, rel=1e-5)


@pytest.mark.model
def test_examples_hold_the_word_pairs_of_the_parse(minilm_path):
    found = hs.examples(minilm_path, sentences(), layer=0, head=0, role="nsubj@head2dep", count=9)
    assert found.lowest == ()
    pairs = {
        each.id: {
            (" ".join(each.tokens[i] for i in p.rows), " ".join(each.tokens[i] for i in p.keys))
            for p in each.pairs
        }
        for each in found.highest
    }
    assert pairs["s0"] == {("bark", "dogs"), ("saw", "we")}
    assert pairs["s2"] == {("sing", "wal ##rus ##es")}


@pytest.mark.model
def test_a_word_pair_scores_attention_times_the_number_of_tokens(minilm, found):
    import torch

    for each in found.highest:
        ids = torch.tensor([minilm.tokenizer.convert_tokens_to_ids(list(each.tokens))])
        network = minilm.network
        before = network.config._attn_implementation
        network.set_attn_implementation("eager")
        with torch.inference_mode():
            attention = network(ids, output_attentions=True).attentions[1][0, 8].double().numpy()
        network.set_attn_implementation(before)
        for pair in each.pairs:
            share = attention[np.ix_(pair.rows, pair.keys)].mean()
            assert pair.score == pytest.approx(share * len(each.tokens), rel=1e-4)


@pytest.mark.model
@pytest.mark.parametrize(("width", "dark"), [(1200, True), (360, False)])
def test_the_page_shows_every_word_pair_and_is_accessible(browser, found, tmp_path, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    found.to_html(tmp_path / "e.html")
    with opened(browser, tmp_path / "e.html", width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("figure").count() == 4
        n_pairs = sum(len(each.pairs) for each in (*found.highest, *found.lowest))
        assert page.locator(".tag").count() == page.locator(".pairs li").count() == n_pairs
        best = found.highest[0]
        who, whom = words(best, best.pairs[0]).split(" -> ")
        assert page.locator(".pairs li").first.inner_text().endswith(f"{who} → {whom}")
        violations = Axe().run(page).response["violations"]
    assert [each["id"] for each in violations if each["impact"] in ("serious", "critical")] == []


def test_the_page_escapes_tokens(browser, tmp_path):
    evil = "<script>window.evil=1</script>\u202e\x1b"
    example = Example(evil, (evil, "日本語"), 2.5, (Pair((0,), (1,), 2.5),))
    hs.Examples(evil, evil, 0, 0, 1, 2.5, (example,), ()).to_html(tmp_path / "e.html")
    with opened(browser, tmp_path / "e.html") as page:
        assert page.complaints == []
        assert page.evaluate("window.evil") is None
        assert "<script>window.evil=1</script>\\u{202e}\\u{1b}" in page.inner_text("h3")
        assert "\u202e" not in page.content()


@pytest.mark.model
def test_the_command_prints_and_writes_examples(minilm_path, tmp_path):
    path, out = tmp_path / "small.conllu", tmp_path / "e.html"
    path.write_text(CONLLU, encoding="utf-8")
    options = ("examples", minilm_path, path, "--head", "1.8", "--role", "nsubj")
    result = run_here(*options, "-o", out)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("head 1.8 in nsubj: mean ")
    assert "she -> saw" in result.stdout
    assert "Head 1.8: nsubj" in out.read_text(encoding="utf-8")
    answer = json.loads(run_here(*options, "--count", 1, "--json").stdout)
    assert [len(answer[side]) for side in ("highest", "lowest")] == [1, 1]
    for change, code, part in (
        (("--head", "9.0"), 2, "layer must lie in 0..5, got 9"),
        (("--head", "0.12"), 2, "head must lie in 0..11, got 12"),
        (("--head", "one"), 2, "must be LAYER.HEAD, two whole numbers as in 1.8, got 'one'"),
        (("--count", "0"), 2, "count must be 1 or more, got 0"),
        (("--role", "local"), 2, "examples need a role of word pairs, got 'local'"),
        (("--role", "local,sink"), 2, "role must be a single one, got 'local,sink'"),
        (("--role", "iobj"), 3, "iobj"),
    ):
        refused(run_here(*options, *change), code, part)
