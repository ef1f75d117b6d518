"""The changes that the mutation run makes: which there are, and that each leaves a program."""

import re
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks/robustness"

PYTHON = '''
def f(a: "a < b", b=2):
    """A text with 1 < 2."""
    if a < b and not a:
        return max(a, b) - 1
    for c in a:
        continue
    raise ValueError(f"é {a + 1}")
'''
CPP = """#include <vector>
// a < b
int f(const std::vector<int>& a, int n, bool done) {
  int total = 0;
  for (int i = 0; i < n && !done; ++i) {
    total += a[i] * -n;
  }
  return std::max(total, 10);
}
"""


@pytest.fixture
def mutations(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import mutations

    return mutations


def changes(mutants, source):
    """Line -> what stands there after each mutant of it."""
    found = {}
    for each in mutants:
        _, line, shown = each.shown(source).split(":", 2)
        found.setdefault(int(line), []).append(shown.split("  ->  ")[1])
    return {line: sorted(shown) for line, shown in found.items()}


def test_mutants_of_python(mutations):
    assert changes(mutations.of_python("f.py", PYTHON), PYTHON) == {
        2: ['def f(a: "a < b", b=3):'],
        4: [
            "if a < b and (a):",
            "if a < b or not a:",
            "if a <= b and not a:",
            "if a >= b and not a:",
        ],
        5: [
            "return None",
            "return max(a, b) + 1",
            "return max(a, b) - 0",
            "return max(a, b) - 2",
            "return min(a, b) - 1",
        ],
        7: ["pass"],
        8: ["pass"],
    }


def test_mutants_of_cpp(mutations):
    assert changes(mutations.of_cpp("f.cpp", CPP), CPP) == {
        4: ["int total = 1;"],
        5: [
            "for (int i = 0; i < n && !done; --i) {",
            "for (int i = 0; i < n && done; ++i) {",
            "for (int i = 0; i < n || !done; ++i) {",
            "for (int i = 0; i <= n && !done; ++i) {",
            "for (int i = 0; i >= n && !done; ++i) {",
            "for (int i = 1; i < n && !done; ++i) {",
        ],
        6: [
            ";",
            "total += a[i] * n;",
            "total += a[i] / -n;",
            "total -= a[i] * -n;",
            "total = a[i] * -n;",
        ],
        8: ["return std::max(total, 11);", "return std::min(total, 10);"],
    }


def test_every_mutant_of_python_is_a_program(mutations):
    source = Path(mutations.__file__).read_text(encoding="utf-8")
    mutants = mutations.of_python("mutations.py", source)
    assert len(mutants) > 100
    for each in mutants[::5]:
        compile(each.applied(source), each.path, "exec")


def test_known_equivalent_mutants_have_a_reason():
    text = (BENCHMARKS / "equivalent_mutants.tsv").read_text(encoding="utf-8")
    for line in text.splitlines()[1:]:
        assert re.fullmatch(r"[^\t:]+: [^\t]+  ->  [^\t]*\t[^\t]{10,}", line)
