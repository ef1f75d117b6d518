"""README's table of models lists the families that the tests cover."""

import re
from pathlib import Path

from helpers.which_models import ALL, BEGIN, END, table

README = Path(__file__).resolve().parents[2] / "README.md"


def test_the_readme_table_lists_the_tested_families():
    text = README.read_text(encoding="utf-8")
    shown = text[text.index(BEGIN) : text.index(END) + len(END)]
    stated = re.findall(r"^\| ([^|]+) \| \d+ of \d+ \| [^|]+ \| ([^|]+) \|", shown, re.M)
    differences = {name: float(figure) for name, figure in stated}
    assert list(differences) == [family.name for family in ALL]
    assert all(0 < figure <= 1e-4 for figure in differences.values())  # what test_families allows
    assert shown == table(differences)
