"""The table of models in the docs lists the families that the tests cover."""

import re
from pathlib import Path

from helpers.which_models import ALL, BEGIN, END, table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "pages" / "models.md"


def test_the_table_of_the_docs_lists_the_tested_families():
    text = PAGE.read_text(encoding="utf-8")
    shown = text[text.index(BEGIN) : text.index(END) + len(END)]
    stated = re.findall(r"^\| ([^|]+) \| (?:all|\d+ of \d+) \| [^|]+ \| ([^|]+) \|", shown, re.M)
    differences = {name: float(figure) for name, figure in stated}
    assert list(differences) == [family.name for family in ALL]
    assert all(0 < figure <= 1e-4 for figure in differences.values())  # what test_families allows
    assert shown == table(differences)
