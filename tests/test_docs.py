"""What the documentation says is complete."""

import re
from pathlib import Path

import pytest
from helpers import public_names
from helpers.code_blocks import FENCED

from headscore.report.change_table import ChangeTable
from headscore.report.role_table import RoleTable

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "benchmarks/robustness/README.md",
    *(ROOT / "docs").rglob("*.md"),
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_figure_is_left_out(page):
    assert not re.findall(r"@[A-Z0-9_]+@", page.read_text(encoding="utf-8"))


def links(text):
    """Return path and anchor of the links of a page that lead to other pages or places of it."""
    return re.findall(r"\]\((?!http)([^)#]*)#?([^)]*)\)", FENCED.sub("", text))


def anchors(text):
    """Return the anchors of the headings of a page, as sites make them."""
    headings = re.findall(r"^#+ (.*)", FENCED.sub("", text), re.M)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def lost_links(page):
    """Return the links of a page to what is not there."""
    text = page.read_text(encoding="utf-8")
    for path, anchor in links(text):
        target = page.parent / path if path else page
        if not target.exists():
            yield path
        elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
            yield f"{path}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(page):
    assert list(lost_links(page)) == []


def test_a_link_to_no_file_or_heading_is_found(tmp_path):
    page = tmp_path / "page.md"
    lost = "[a](page.md#b-c) [a](#b-c) [a](page.md#b) [a](other.md)"
    page.write_text(f"# B `c`?\n\n```text\n# B\n```\n\n{lost}\n", encoding="utf-8")
    assert list(lost_links(page)) == ["page.md#b", "other.md"]


@pytest.mark.parametrize(("page", "table"), [("reading", RoleTable), ("comparing", ChangeTable)])
def test_the_page_of_a_table_describes_every_column(page, table):
    text = (ROOT / "docs" / "pages" / f"{page}.md").read_text(encoding="utf-8")
    described = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.M)))
    assert set(table.COLUMNS.dtypes) <= set(described)


def test_the_reference_lists_the_public_names():
    text = (ROOT / "docs" / "pages" / "api.md").read_text(encoding="utf-8")
    shown = text[text.index(public_names.BEGIN) : text.index(public_names.END)]
    assert shown + public_names.END == public_names.table()
