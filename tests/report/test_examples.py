"""Examples of a head in a role: scores of word pairs, and the HTML page with their arcs."""

import json

import numpy as np
import pytest
from helpers.browser import opened
from helpers.commands import CONLLU, refused, run_here

import headscore as hs
from headscore.report.example_set import Attended, Example, Pair, instead, percent, words
from headscore.report.html.strip import WIDTH, runs_rightwards, strip


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
        hs.Sequence.from_words(
            *(text.split(), heads, relations.split()),
            id=f"s{number}",
            labels={"upos": ["A" if n % 3 else "B" for n in range(len(heads))]},
        )
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


def attention_of(minilm, tokens, layer, head):
    """The attention of a head over some tokens, float64 (query, key), by transformers."""
    import torch

    ids = torch.tensor([minilm.tokenizer.convert_tokens_to_ids(list(tokens))])
    network = minilm.network
    before = network.config._attn_implementation
    network.set_attn_implementation("eager")
    with torch.inference_mode():
        attention = network(ids, output_attentions=True).attentions[layer][0, head]
    network.set_attn_implementation(before)
    return attention.double().numpy()


@pytest.mark.model
def test_a_word_pair_scores_attention_times_the_number_of_tokens(minilm, found):
    for each in found.highest:
        attention = attention_of(minilm, each.tokens, 1, 8)
        for pair in each.pairs:
            share = attention[np.ix_(pair.rows, pair.keys)].mean()
            assert pair.score == pytest.approx(share * len(each.tokens), rel=1e-4)


@pytest.mark.model
@pytest.mark.parametrize("role", ["nsubj", "local", "label:upos", "delimiter", "same_word"])
def test_the_keys_attended_to_are_those_of_the_attention(minilm, minilm_path, role):
    found = hs.examples(minilm_path, sentences(), layer=1, head=8, role=role, count=1)
    for each in (*found.highest, *found.lowest):
        attention = attention_of(minilm, each.tokens, 1, 8)
        assert np.mean([pair.score for pair in each.pairs]) == pytest.approx(each.score, rel=1e-4)
        for pair in each.shown:
            row = attention[list(pair.rows)].mean(axis=0)
            assert [at for at, _ in pair.attended[:1]] == [row.argmax()]
            assert {at for at, _ in pair.attended} >= {*np.argsort(-row)[:4].tolist()}
            for at, share in pair.attended:
                assert share == pytest.approx(row[at], rel=1e-3, abs=1e-6)
            assert pair.share == pytest.approx(row[list(pair.keys)].sum(), rel=1e-3)
            assert all(at not in pair.keys for at, _ in pair.elsewhere)


@pytest.mark.model
def test_queries_of_a_causal_model_attend_to_earlier_tokens_only():
    from helpers import tiny

    model = tiny.load("gpt2")
    found = hs.examples(
        model.network, tiny.sequences(3), tokenizer=model.tokenizer, layer=0, head=0, role="local"
    )
    for each in found.highest:
        assert sorted(pair.rows for pair in each.pairs) == [(n,) for n in range(len(each.tokens))]
        for pair in each.shown:
            assert all(at <= pair.rows[0] for at, _ in pair.attended)
            assert sum(share for _, share in pair.attended) <= 1 + 1e-5
        first = next((pair for pair in each.shown if pair.rows == (0,)), None)
        assert first is None or first.attended == ((0, 1.0),)


def pair_of(rows, keys, shares):
    """A pair with the shares of some keys, strongest first."""
    attended = tuple(Attended(*each) for each in shares)
    return Pair(rows, keys, 3.0, attended, sum(share for at, share in attended if at in keys))


def example_of(tokens, *pairs):
    return Example("s", tuple(tokens), 2.0, pairs)


def test_many_pairs_are_shown_by_the_strongest_and_the_weakest():
    pairs = [Pair((n,), (0,), 9.0 - n) for n in range(9)]
    few, many = example_of("abcdefghi", *pairs[:6]), example_of("abcdefghi", *pairs)
    assert few.shown == tuple(pairs[:6])
    assert many.shown == (*pairs[:3], *pairs[-3:])
    found = hs.Examples("m", "local", 0, 0, 1, 2.0, (many,), ())
    assert "            (the 3 strongest and 3 weakest of 9)" in found.lines()


def test_a_line_tells_where_the_head_looked_instead():
    pair = pair_of((1,), (2,), [(0, 0.7), (2, 0.2), (1, 0.096), (3, 0.004)])
    each = example_of(["[CLS]", "she", "sleeps", "."], pair)
    assert instead(each, pair) == [("[CLS]", "70 %"), ("she", "10 %"), (".", "<1 %")]
    line = hs.Examples("m", "nsubj", 0, 0, 1, 2.0, (each,), ()).lines()[4]
    assert line.endswith("she -> sleeps   most attention elsewhere: [CLS] 70 %, she 10 %, . <1 %")


@pytest.mark.parametrize("n_tokens", [3, 30, 400])
@pytest.mark.parametrize("rightwards", [True, False])
def test_query_and_key_stand_in_a_strip_however_long_the_sentence(n_tokens, rightwards):
    tokens = [f"word{n}" for n in range(n_tokens)]
    last = n_tokens - 1
    pair = pair_of((0,), (last,), [(1, 0.6), (last, 0.3)])
    drawn = strip(tokens, pair, rightwards=rightwards)
    texts = [word["text"] for word in drawn["words"]]
    assert drawn["width"] <= WIDTH
    assert {"word0", "word1", f"word{last}"} <= {*texts}
    assert ("…" in texts) == (n_tokens > 3)
    places = [word["x"] for word in drawn["words"]]
    assert places == sorted(places, reverse=not rightwards)
    assert [arc["own"] for arc in drawn["arcs"]] == [True, False]  # the strongest last
    kinds = {word["text"]: word["kind"] for word in drawn["words"]}
    assert (kinds["word0"], kinds[f"word{last}"], kinds["word1"]) == ("looks", "own", "")


def test_a_long_word_is_shortened_and_query_and_key_are_always_there():
    pair = pair_of((0,), (2,), [(2, 1.0)])
    drawn = strip(["a" * 300, "b", "c" * 300], pair)
    assert [word["text"] for word in drawn["words"]] == ["a" * 12 + "…", "b", "c" * 12 + "…"]
    assert drawn["width"] <= WIDTH


def test_the_direction_of_a_text_is_that_of_most_letters():
    assert runs_rightwards(["[CLS]", "Dogs", "bark", "[SEP]"])
    assert not runs_rightwards(["[CLS]", "نام", "[SEP]"])
    assert not runs_rightwards(["<s>", "שלום", "ab", "</s>"])
    assert runs_rightwards(["1", "."])


def test_words_of_a_text_from_right_to_left_stand_so(browser, tmp_path):
    tokens = ["[CLS]", "قرأت", "البنت", "الكتاب", ".", "[SEP]"]
    pair = pair_of((2,), (1,), [(1, 0.6), (0, 0.3)])
    found = hs.Examples("m", "nsubj", 0, 0, 1, 2.5, (example_of(tokens, pair),), ())
    found.to_html(tmp_path / "e.html")
    with opened(browser, tmp_path / "e.html", width=390) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator(".tokens").get_attribute("dir") == "rtl"
        places = page.locator("svg .word").evaluate_all(
            "all => all.map((each) => [each.textContent, each.getBoundingClientRect().x])"
        )
        assert [text for text, _ in sorted(places, key=lambda each: -each[1])] == tokens
        tag = page.locator("svg .tag").first
        assert tag.evaluate("each => getComputedStyle(each).direction") == "ltr"


@pytest.mark.model
@pytest.mark.parametrize(("width", "dark"), [(1200, True), (360, False)])
def test_the_page_shows_every_word_pair_and_is_accessible(browser, found, tmp_path, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    found.to_html(tmp_path / "e.html")
    with opened(browser, tmp_path / "e.html", width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        n_pairs = sum(len(each.pairs) for each in (*found.highest, *found.lowest))
        assert page.locator("figure").count() == n_pairs
        best = found.highest[0]
        who, whom = words(best, best.pairs[0]).split(" -> ")
        caption = page.locator("figcaption").first.inner_text()
        share = percent(best.pairs[0].share).replace(" ", "\N{NO-BREAK SPACE}")
        assert f" {who} → {whom}, {share} of its attention; " in caption
        violations = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in violations] == []


def test_the_page_escapes_tokens(browser, tmp_path):
    evil = "<script>window.evil=1</script>\u202e\x1b"
    example = Example(evil, (evil, "日本語"), 2.5, (pair_of((0,), (1,), [(1, 1.0)]),))
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
        (("--role", "local,sink"), 2, "role must be a single one, got 'local,sink'"),
        (("--role", "iobj"), 3, "iobj"),
    ):
        refused(run_here(*options, *change), code, part)
