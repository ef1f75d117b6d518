"""The pages of reports and comparisons, opened in a browser."""

import base64
import hashlib
import html
import itertools
import re
import zlib
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.browser import opened
from helpers.position import compared

import headscore as hs

EVIL = "<script>window.evil=1</script>\"'&\u202egnp\x1b[31m\x00</style>{{ 7*7 }}"
EVIL_SHOWN = "<script>window.evil=1</script>\"'&\\u{202e}gnp\\u{1b}[31m\\u{0}</style>{{ 7*7 }}"
ROLES = ("local", "nsubj", "amod", "delimiter")


def scores_of(roles=ROLES, *, n=60, layers=4, heads=9, seed=5, model="some/model"):
    rng = np.random.default_rng(seed)
    means = rng.gamma(1.5, 1.3, (len(roles), layers, heads))
    means[:, 1, 2] += 6
    values = np.clip(means + rng.normal(0, 0.8, (n, len(roles), layers, heads)), 0, 12)
    scores = hs.HeadScores.from_arrays(
        values.astype(np.float32), roles, attainable=np.full((n, len(roles)), 12.0)
    )
    return hs.HeadScores(**{**vars(scores), "facts": {"model": model, **scores.facts}})


def changed(before, *, lost=(1, 2), gained=(3, 4)):
    """A comparison in which one head of the second role loses it and one gains it."""
    values = before.values.copy()
    values[(slice(None), 1, *lost)] *= 0.2
    values[(slice(None), 1, *gained)] += 6
    return hs.compare(before, hs.HeadScores.from_arrays(values, before.roles))


def pages_of(report, comparison, folder):
    report.to_html(folder / "report.html")
    comparison.to_html(folder / "change.html")
    return {"report": folder / "report.html", "change": folder / "change.html"}


@pytest.fixture(scope="module")
def report():
    return hs.test(scores_of())


@pytest.fixture(scope="module")
def comparison():
    return changed(scores_of())


@pytest.fixture(scope="module")
def pages(report, comparison, tmp_path_factory):
    return pages_of(report, comparison, tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="module")
def small_pages(tmp_path_factory):
    """Pages of eight heads with every verdict: contrast is computed for each element."""
    scores = scores_of(layers=2, heads=4)
    report, comparison = hs.test(scores), changed(scores, gained=(0, 1))
    assert set(report.table["verdict"]) == {"has", "has_not", "undecided"}
    assert {"lost", "gained"} <= set(comparison.table["outcome"])
    return pages_of(report, comparison, tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize("name", ["report", "change"])
@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (360, False)])
def test_a_page_opens_without_errors_and_is_accessible(browser, small_pages, name, width, dark):
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, small_pages[name], width=width, dark=dark) as page:
        assert page.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


@pytest.mark.parametrize("name", ["report", "change"])
def test_a_page_is_complete_without_script(browser, pages, name, report, comparison):
    table = {"report": report, "change": comparison}[name].table
    with opened(browser, pages[name], script=False) as page:
        assert page.complaints == []
        assert page.locator("#all tbody tr").count() == len(table)
        assert page.locator(".js:visible").count() == 0
        assert page.locator("figure svg").count() >= len(ROLES)
        assert re.search(r"(of|among) 36 heads", page.inner_text(".answer"))


@pytest.mark.parametrize("name", ["report", "change"])
def test_the_policy_allows_the_style_and_script_of_the_page_by_their_hashes(pages, name):
    page = pages[name].read_text(encoding="utf-8")
    policy = re.search('http-equiv="Content-Security-Policy" content="(.*?)"', page)[1]
    hashes = {
        kind: base64.b64encode(
            hashlib.sha256(re.search(f"<{kind}>(.*?)</{kind}>", page, re.S)[1].encode()).digest()
        ).decode()
        for kind in ("style", "script")
    }
    assert html.unescape(policy) == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{hashes['style']}'; "
        f"script-src 'sha256-{hashes['script']}'; base-uri 'none'; form-action 'none'"
    )


def test_maps_are_navigated_with_the_keyboard(browser, pages, report):
    with opened(browser, pages["report"]) as page:
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.dataset.role") == "1":
                break
        for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowLeft", "ArrowRight"):
            page.keyboard.press(key)
        cell = report.table.query("role == 'nsubj' and layer == 1 and head == 2").iloc[0]
        text = page.inner_text("#detail")
        assert text.startswith("nsubj: layer 1, head 2 · n 60 · ")
        assert f"mean {cell['mean']:.4g}".rstrip("0") in text
        assert text.endswith(" · verdict has · robust")
        page.keyboard.press("Escape")
        assert not page.locator("#detail").is_visible()


def point(page, role, *, layer, head, heads=9):
    """Move the mouse to a cell."""
    svg = page.locator(f'.map[data-role="{role}"] svg')
    svg.scroll_into_view_if_needed()
    box = svg.bounding_box()
    scale = box["width"] / (heads * 10 + 13)
    page.mouse.move(
        box["x"] + (12 + head * 10 + 5) * scale, box["y"] + (1 + layer * 10 + 5) * scale
    )


def test_pointing_at_a_cell_shows_its_numbers(browser, pages, report):
    with opened(browser, pages["report"]) as page:
        point(page, 3, layer=2, head=8)
        assert page.inner_text("#detail").startswith("delimiter: layer 2, head 8 · ")
        point(page, "", layer=1, head=2)
        roles = ", ".join(report.roles_of(1, 2))
        assert page.inner_text("#detail") == f"layer 1, head 2: {roles}"


def drawn(page, role, name):
    """The cells in which a map has a mark, such as the disc of a label."""
    path = page.locator(f'.map[data-role="{role}"] .{name}').get_attribute("d")
    return {
        (int(float(y)) // 10, int(float(x)) // 10)
        for x, y in re.findall(r"M([\d.]+) ([\d.]+)", path)
    }


DOCUMENTS = [*["long"] * 6, *[f"d{n % 13}" for n in range(54)]]  # of two sizes


@pytest.mark.parametrize(
    ("adjust", "documents"),
    [("holm", None), ("holm", DOCUMENTS), ("bh", DOCUMENTS), ("by", None), ("none", DOCUMENTS)],
)
def test_the_tau_slider_shows_the_labels_of_the_library(browser, tmp_path, adjust, documents):
    n = 12 if documents is None else len(documents)
    scores = replace(scores_of(n=n, seed=9), documents=documents and tuple(documents))
    report = hs.test(scores, adjust=adjust)
    assert report.facts["clusters"] == ("none" if documents is None else "document")
    report.to_html(tmp_path / "r.html")
    with opened(browser, tmp_path / "r.html") as page:
        for tau in (0.5, 1.4, 2.2, 3.0, 4.7, 8.0, 3.0):
            page.locator("#tau-slider").fill(str(tau))
            expected = hs.test(scores, adjust=adjust, tau=tau).array("label")
            for role in range(len(ROLES)):
                labels = {tuple(at) for at in np.argwhere(expected[role])}
                assert drawn(page, role, "mark.sign-has") == labels
                count = page.inner_text(f'[data-count="{role}"]')
                assert count == str(expected[role].sum())
            assert page.locator("#tau-note").is_visible() == (tau != 3.0)
        assert page.complaints == []


@pytest.fixture(scope="module")
def beyond():
    """One layer of six heads: all local; in nsubj beyond, not, undecided, and three verdicts."""
    noise = np.random.default_rng(0).normal(0, 0.3, (40, 2, 1, 6))
    values = noise - noise.mean(axis=0) + 6 + np.arange(6) / 10
    values[:, 1, 0, 3:] += np.array([-3.32, -4, 0])
    odds = np.array([[np.nan] * 6, [4, 1, 1.5, 4, 4, 4]])[:, None]
    return hs.test(compared(values, ["local", "nsubj"], odds))


def test_a_map_marks_labels_undecided_heads_and_those_not_shown_beyond(browser, beyond, tmp_path):
    nsubj = beyond.table.iloc[6:]
    assert nsubj["verdict"].tolist() == ["has", "has", "has", "undecided", "has_not", "has"]
    assert nsubj["beyond_position"].tolist()[:3] == ["has", "has_not", "undecided"]
    beyond.to_html(tmp_path / "r.html")
    with opened(browser, tmp_path / "r.html") as page:
        assert drawn(page, 1, "mark.sign-has") == {(0, 0), (0, 5)}
        assert drawn(page, 1, "mark.sign-position") == {(0, 1), (0, 2)}
        assert drawn(page, 1, "sign-undecided") == {(0, 3)}
        assert drawn(page, 1, "mark.sign-has-not") == {(0, 4)}
        assert drawn(page, 0, "mark.sign-has") == {(0, head) for head in range(6)}
        assert drawn(page, 0, "mark.sign-position") == set()
        keys = page.locator("#maps .keys").first.inner_text()
    assert [line.strip() for line in keys.splitlines()] == [
        "has the role",
        "has the role, position may explain it",
        "undecided",
        "lacks the role",
        "not tested",
    ]


def test_a_cell_shows_what_position_alone_gives(browser, beyond, tmp_path):
    beyond.to_html(tmp_path / "r.html")
    cell = beyond.table.iloc[7]
    mean, position = (f"{cell[name]:.4g}" for name in ("mean", "position_mean"))
    with opened(browser, tmp_path / "r.html") as page:
        point(page, 1, layer=0, head=1, heads=6)
        text = page.inner_text("#detail")
        assert f" · mean {mean} · of which position gives {position} · " in text
        assert " · verdict has · " in text
        assert " · beyond position has not" in text
        titles = page.locator("#all thead th").all_text_contents()
        for row in page.locator("#all tbody tr").all():
            cells = dict(zip(titles, row.locator("td").all_text_contents(), strict=True))
            if (cells["role"], cells["head"]) == ("nsubj", "1"):
                break
        assert cells["head"] == "1"
        assert (cells["mean"], cells["of which position gives"]) == (mean, position)
        point(page, 0, layer=0, head=1, heads=6)
        assert "position" not in page.inner_text("#detail")


def test_the_sensitivity_section_has_the_counts_of_the_report(browser, tmp_path):
    scores = replace(
        scores_of(),
        documents=tuple(DOCUMENTS),
        lengths=np.random.default_rng(0).integers(5, 50, 60),
    )
    report = hs.test(scores)
    report.to_html(tmp_path / "r.html")
    expected = report.sensitivity()
    with opened(browser, tmp_path / "r.html") as page:
        rows = page.locator("#sensitivity tbody tr").all()
        shown = [row.locator("th, td").all_inner_texts() for row in rows]
        text = page.inner_text("#sensitivity .reading")
    assert [tuple(row[:2]) for row in shown] == expected.index.tolist()
    counts = [[int(n) for n in row[2:]] for row in shown]
    assert counts == [[*row, sum(row)] for row in expected.to_numpy().tolist()]
    alone = expected.loc[("unit", "sequences, documents ignored")].sum()
    assert f" {alone} with other units (sequences, documents ignored)." in text
    assert text.endswith("chosen after looking at such counts are exploratory.")


def test_the_table_sorts_and_filters(browser, pages, report):
    with opened(browser, pages["report"]) as page:
        page.select_option("#filter-role", label="amod")
        assert page.inner_text("#filter-count") == "36 of 144 cells"
        page.locator("#all thead button", has_text="mean").click()
        means = [
            float(text) for text in page.locator("#all tbody td:nth-child(5)").all_inner_texts()
        ]
        rows = report.table[report.table["role"] == "amod"]["mean"].sort_values(ascending=False)
        assert means == pytest.approx(rows.tolist(), rel=1e-3)
        page.check("#filter-label")
        labelled = int(report.labels()["amod"].sum())
        assert page.inner_text("#filter-count") == f"{labelled} of 144 cells"
        page.fill("#filter-head", "1.2")
        assert page.locator("#all tbody tr").count() == 1
        assert page.locator("#all th[aria-sort=descending]").count() == 1
        assert page.complaints == []


def shown_cells(page):
    """(role, layer, head) of each row of the table of all cells."""
    read = "rows => rows.map((row) => [...row.cells].slice(0, 3).map((cell) => cell.textContent))"
    return [tuple(map(str.strip, row)) for row in page.locator("#all tbody tr").evaluate_all(read)]


def test_a_filter_keeps_the_order_of_the_page(browser, pages, report):
    table = report.table.sort_values(["label", "ci_low"], ascending=False, kind="stable")
    expected = [
        (row.role, str(row.layer), str(row.head))
        for role in report.roles
        for row in table[table["role"] == role].itertuples()
    ]
    with opened(browser, pages["report"]) as page:
        assert page.inner_text("#filter-count") == "144 of 144 cells"
        assert shown_cells(page) == expected
        page.fill("#filter-head", "1.2")
        assert shown_cells(page) == [each for each in expected if each[1:] == ("1", "2")]
        page.fill("#filter-head", "")
        assert shown_cells(page) == expected
        header = page.locator('#all th[data-column="mean"]')
        for order in ("descending", "ascending", None):
            header.locator("button").click()
            assert header.get_attribute("aria-sort") == order
        assert shown_cells(page) == expected


def test_the_script_writes_cells_as_the_page_does(browser, pages):
    read = "rows => rows.map((row) => [...row.cells].map((cell) => cell.textContent.trim()))"
    with opened(browser, pages["report"]) as page:
        rows = page.locator("#all tbody tr")
        before = rows.evaluate_all(read)
        page.fill("#filter-head", "1")
        page.fill("#filter-head", "")
        assert rows.evaluate_all(read) == before


def test_the_filtered_cells_are_downloaded_as_csv(browser, pages, report):
    with opened(browser, pages["report"]) as page:
        page.select_option("#filter-role", label="nsubj")
        page.locator('#all th[data-column="head"] button').click()
        with page.expect_download() as download:
            page.click("#download")
        assert page.complaints == []
        found = pd.read_csv(download.value.path())
        names = page.locator("#all th").evaluate_all(
            "all => all.map((each) => each.dataset.column)"
        )
    assert found.columns.tolist() == names
    expected = report.table[report.table["role"] == "nsubj"].sort_values("head", kind="stable")
    assert found["head"].tolist() == expected["head"].tolist()
    key = ["layer", "head"]
    found, expected = (each.sort_values(key).reset_index(drop=True) for each in (found, expected))
    np.testing.assert_allclose(found["mean"], expected["mean"], rtol=1e-6)
    assert found["verdict"].tolist() == expected["verdict"].tolist()


def test_the_slider_greys_what_does_not_follow_it(browser, pages, report):
    with opened(browser, pages["report"]) as page:
        grey = page.locator("#layers")
        assert grey.evaluate("each => getComputedStyle(each).filter") == "none"
        squares = page.locator('[data-combined="1"]')
        before = squares.get_attribute("d")
        page.locator("#tau-slider").fill("1.5")
        assert grey.evaluate("each => getComputedStyle(each).filter") == "grayscale(1)"
        title = grey.evaluate("each => getComputedStyle(each, '::before').content")
        assert "does not follow the slider" in title
        found = int(report.table["role"].eq("nsubj").sum())
        assert before.count("M") < squares.get_attribute("d").count("M") <= found
        assert page.locator('.map[data-role="1"] .mark.sign-has-not').is_hidden()
        page.click("#tau-reset")
        assert grey.evaluate("each => getComputedStyle(each).filter") == "none"
        assert squares.get_attribute("d") == before


@pytest.mark.parametrize("dark", [False, True])
def test_a_page_with_a_moved_slider_is_accessible(browser, small_pages, dark):
    from axe_playwright_python.sync_playwright import Axe

    with opened(browser, small_pages["report"], dark=dark) as page:
        page.locator("#tau-slider").fill("2")
        found = Axe().run(page).response["violations"]
    assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []


def test_maps_of_a_comparison_have_a_scale_and_the_states_of_both_sides(browser, pages, comparison):
    table = comparison.table[comparison.table["role"] == "nsubj"]
    most = table[["mean_before", "mean_after"]].max(axis=None)
    with opened(browser, pages["change"]) as page:
        names = page.locator(".scale svg").evaluate_all("all => all.map((each) => each.ariaLabel)")
        assert names[2] == f"mean score, 1 to {most:.2g}"
        largest = f"{table['change'].abs().max():.2g}"
        assert names[3] == f"change of the mean score, −{largest} to 0 to {largest}"
        before = page.locator('.map[data-name="nsubj, before"] .mark.sign-has')
        assert before.get_attribute("d").count("M") == (table["verdict_before"] == "has").sum()


def test_no_heading_is_printed_apart_from_its_maps(browser, pages):
    avoided = """all => all.map((each) => {
      const block = each.closest(".together");
      return [getComputedStyle(block).breakInside, block.querySelectorAll(".map").length];
    })"""
    with opened(browser, pages["change"]) as page:
        page.emulate_media(media="print")
        assert page.locator("#maps h3").evaluate_all(avoided) == [["avoid", 3]] * len(ROLES)
        after = "all => all.map((each) => getComputedStyle(each).breakAfter)"
        assert {*page.locator("h2, h3, .keys").evaluate_all(after)} == {"avoid"}
        assert page.locator("#filters, nav, #more").evaluate_all(
            "all => all.every((each) => getComputedStyle(each).display === 'none')"
        )


def test_nothing_is_wider_than_the_paper(browser, pages):
    right = "all => all.map((each) => each.getBoundingClientRect().right)"
    # A4 without its margins, in CSS pixels: 182 mm, or 269 mm across.
    for name, (width, block) in itertools.product(
        pages, [(687, "section:not(#cells)"), (1016, "#cells")]
    ):
        with opened(browser, pages[name], width=width) as page:
            page.emulate_media(media="print")
            ends = page.locator(f"{block} :is(table, p, svg)").evaluate_all(right)
            assert max(ends) <= width
            cells = "getComputedStyle(document.getElementById('cells')).page"
            assert page.evaluate(cells) == "across"


def print_scales(page, path):
    """How many units of a PDF (1/300 inch) each of its pages has for a CSS pixel (1/96 inch)."""
    page.pdf(path=path, format="A4", prefer_css_page_size=True)
    streams = re.findall(rb"stream\r?\n(.*?)endstream", path.read_bytes(), re.DOTALL)
    scales = []
    for stream in streams:
        try:
            drawn = zlib.decompress(stream)
        except zlib.error:  # not compressed
            continue
        if found := re.match(rb"\S+ 0 0 \S+ 0 \S+ cm\nq\n(\S+) 0 0 ", drawn):
            scales.append(float(found[1]))
    return scales


def test_a_browser_does_not_shrink_what_it_prints(browser, tmp_path):
    """It shrinks all pages by up to a third where one table is wider than the paper."""
    roles = "local syntactic nsubj obj amod advmod block delimiter delimiter_cls delimiter_sep"
    scores = scores_of(roles.split(), layers=2, heads=12)
    pages = pages_of(hs.test(scores), changed(scores, gained=(0, 4)), tmp_path)
    for path in pages.values():
        with opened(browser, path) as page:
            scales = print_scales(page, path.with_suffix(".pdf"))
            assert len(scales) > 3
            assert {*scales} == {300 / 96}


def test_the_header_of_the_table_is_repeated_on_paper(browser, pages):
    """No browser repeats a header that has a box in it, such as a button."""
    boxes = "all => all.map((each) => getComputedStyle(each).display)"
    with opened(browser, pages["report"]) as page:
        page.emulate_media(media="print")
        assert page.locator("#all thead").evaluate_all(boxes) == ["table-header-group"]
        assert {*page.locator("#all thead button").evaluate_all(boxes)} == {"contents"}
        assert {*page.locator("details").evaluate_all(boxes)} == {"none"}
        avoided = "all => all.map((each) => getComputedStyle(each).breakInside)"
        assert {*page.locator("tr, figure, p").evaluate_all(avoided)} == {"avoid"}


def test_what_is_printed_has_the_colours_of_paper(browser, pages):
    names = ["--paper", "--ink", "--accent", "--fell", "--c0", "--c9", "color-scheme"]
    colours = "names => names.map((n) => getComputedStyle(document.body).getPropertyValue(n))"
    found = []
    for dark in (False, True):
        with opened(browser, pages["report"], dark=dark) as page:
            page.emulate_media(media="print", color_scheme="dark" if dark else "light")
            found.append(page.evaluate(colours, names))
    assert found[0] == found[1]
    assert found[1][0] == "#fff"


def test_rows_keep_their_head_where_a_narrow_screen_is_scrolled(browser, pages):
    left = "all => all.slice(0, 5).map((each) => each.getBoundingClientRect().left)"
    for name in pages:
        with opened(browser, pages[name], width=390) as page:
            cells = page.locator("#all tbody tr:first-child td")
            page.locator("#all tbody tr:first-child").scroll_into_view_if_needed()
            before = cells.evaluate_all(left)
            page.locator("#cells .scroll").evaluate("each => each.scrollBy(300, 0)")
            after = cells.evaluate_all(left)
            assert after[:3] == before[:3]
            assert after[3] < before[3]
            assert before[:4] == sorted(before[:4])


def test_pages_escape_names(browser, tmp_path):
    scores = scores_of((EVIL, "b"), layers=2, heads=3, model=EVIL)
    hs.test(scores).to_html(tmp_path / "r.html")
    hs.compare(scores, scores).to_html(tmp_path / "c.html")
    for name in ("r.html", "c.html"):
        with opened(browser, tmp_path / name) as page:
            assert page.complaints == []
            assert page.evaluate("window.evil") is None
            assert page.locator("script").count() == 2
            assert EVIL_SHOWN in page.inner_text("body")
            assert "\u202e" not in page.content()
            page.locator("#all thead button").first.click()
            assert page.locator("#all tbody td").first.inner_text() in (EVIL_SHOWN, "b")


def test_pages_of_other_criteria_have_no_tau_slider(browser, tmp_path):
    scores = scores_of()
    values = scores.values.copy()
    values[:, 3] = np.nan
    attainable = scores.attainable.copy()
    attainable[:, 3] = np.nan
    scores = hs.HeadScores.from_arrays(values, ROLES, attainable=attainable)
    for number, options in enumerate(
        (
            {"criterion": "attained", "tau": 0.3},
            {"tau": {"local": 2, "nsubj": 3, "amod": 3, "delimiter": 1}},
        )
    ):
        path = tmp_path / f"{number}.html"
        hs.test(scores, **options).to_html(path)
        with opened(browser, path) as page:
            assert page.complaints == []
            assert page.locator("#tau-slider").count() == 0
            assert "Not tested: no_sieve." in page.inner_text("#maps")


def cells_of_shared_heads(report, path):
    """The texts of the table of shared heads, by role of the row, and the readings above it."""
    report.to_html(path)
    section = re.search(r'<section id="shared".*?</section>', path.read_text("utf-8"), re.S)[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section, re.S)
    cells = {
        role: [re.sub("<.*?>", " ", cell).split() for cell in re.findall("<td.*?</td>", row)]
        for role, row in rows
    }
    return cells, re.findall('<p class="reading">(.*?)</p>', section, re.S)


def test_shared_heads_have_a_second_test_of_labels_beyond_position(tmp_path):
    values = np.random.default_rng(0).normal(1.5, 0.4, (40, 4, 4, 6))
    values[:, :, :, :2] += 4
    values[:, 3, :, 2] += 4
    without, pairs = [np.nan] * 6, [4, 1, 4, 4, 4, 4]
    roles = ("local", "syntactic", "nsubj", "sink")
    odds = np.array([without, pairs, pairs, without])[:, None]
    scores = compared(values, roles, odds)
    report = hs.test(scores)
    cells, readings = cells_of_shared_heads(report, tmp_path / "r.html")
    first, second = (
        report.colocation(label=label).set_index(["a", "b"])["pvalue"]
        for label in ("label", "beyond_position")
    )
    at = ("local", "nsubj")
    assert first[at] < 1e-3 < second[at]
    assert cells["local"][2] == ["8", "p", f"{first[at]:.3g}", "+", "4,", "p", f"{second[at]:.3g}"]
    assert cells["syntactic"][2] == ["8", "+", "4"]  # nested: no test
    assert cells["sink"][0] == ["8", "p", f"{first[('sink', 'local')]:.3g}"]  # no word pairs
    assert readings[1].startswith("Labels beyond position only: ")
    assert len(readings) == 2
    plain = hs.test(hs.HeadScores.from_arrays(values, roles))
    cells, readings = cells_of_shared_heads(plain, tmp_path / "p.html")
    assert cells["local"][2] == ["8", "p", f"{first[at]:.3g}"]
    assert len(readings) == 1


def test_a_page_without_labels_or_attainable_opens(browser, tmp_path):
    values = np.random.default_rng(0).uniform(0.5, 1.2, (20, 2, 2, 3)).astype(np.float32)
    hs.test(hs.HeadScores.from_arrays(values, ["a", "b"])).to_html(tmp_path / "r.html")
    with opened(browser, tmp_path / "r.html") as page:
        assert page.complaints == []
        assert page.inner_text(".answer").startswith("0 of 6 heads have a role")
        assert "mean above 1, of the largest" in page.inner_text("#maps")


def test_a_page_of_1440_cells_is_small(tmp_path):
    roles = [f"role{number}" for number in range(10)]
    hs.test(scores_of(roles, n=20, layers=12, heads=12)).to_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 1.5e6


@pytest.mark.slow
def test_a_page_of_80_layers_of_64_heads_opens_and_filters(browser, tmp_path):
    roles = [f"role{number}" for number in range(10)]
    report = hs.test(scores_of(roles, n=10, layers=80, heads=64))
    report.to_html(tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 8e6
    with opened(browser, tmp_path / "r.html") as page:
        assert page.complaints == []
        page.fill("#filter-head", "79.63")
        assert page.inner_text("#filter-count") == "10 of 51200 cells"


def test_a_page_that_cannot_be_written_raises(report, comparison, tmp_path):
    for result in (report, comparison):
        with pytest.raises(hs.InputError, match=r"x\.html: cannot be written"):
            result.to_html(tmp_path / "no" / "x.html")


def test_the_notebook_repr_shows_the_counts_and_escapes_names(report):
    snippet = report._repr_html_()
    assert len(snippet) < 3000
    assert "17 of 36 heads have a role (4 only roles of special tokens)" in snippet
    evil = hs.test(scores_of((EVIL, "b"), layers=2, heads=3, model=EVIL))._repr_html_()
    assert "<script" not in evil
    assert "\u202e" not in evil
