"""Every small change (mutant) of a source: Python by its syntax tree, C++ by its marks.

Left out are texts (documentation, messages, annotations), which no test should repeat.
"""

from __future__ import annotations

import ast
import re
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate
from typing import NamedTuple

COMPARISONS = {
    "<": ("<=", ">="),
    "<=": ("<", ">"),
    ">": (">=", "<="),
    ">=": (">", "<"),
    "==": ("!=",),
    "!=": ("==",),
    "is": ("is not",),
    "is not": ("is",),
    "in": ("not in",),
    "not in": ("in",),
}
ARITHMETIC = {
    ast.Add: "-",
    ast.Sub: "+",
    ast.Mult: "/",
    ast.Div: "*",
    ast.FloorDiv: "*",
    ast.Mod: "//",
    ast.Pow: "*",
    ast.BitAnd: "|",
    ast.BitOr: "&",
}
TWINS = {"min": "max", "any": "all", "minimum": "maximum", "floor": "ceil", "argmin": "argmax"}
TWINS |= {value: key for key, value in TWINS.items()}


class Mutant(NamedTuple):
    """A change of one place of a file."""

    path: str
    start: int
    end: int
    new: str
    line: int

    def applied(self, source: str) -> str:
        """Return the source with the change."""
        return source[: self.start] + self.new + source[self.end :]

    def shown(self, source: str) -> str:
        """Return the place, what stood there and what stands there now, on one line."""
        before = source[source.rfind("\n", 0, self.start) + 1 : self.start]
        after = source[self.end :].partition("\n")[0]
        both = (before + each + after for each in (source[self.start : self.end], self.new))
        old, new = (" ".join(each.split()) for each in both)
        return f"{self.path}:{self.line}: {old}  ->  {new}"


class _Python(ast.NodeVisitor):
    """Collects the mutants of a module."""

    def __init__(self, path: str, source: str):
        self.path, self.source, self.found = path, source, []
        self._lines = source.splitlines(keepends=True)
        self._starts = [0, *accumulate(map(len, self._lines))]
        self.visit(ast.parse(source))

    def _offset(self, line: int, column: int) -> int:
        """Return the place in the source; columns of syntax trees count bytes."""
        before = self._lines[line - 1].encode()[:column].decode()
        return self._starts[line - 1] + len(before)

    def _add(self, node: ast.AST, new: str) -> None:
        start = self._offset(node.lineno, node.col_offset)
        end = self._offset(node.end_lineno, node.end_col_offset)
        self.found.append(Mutant(self.path, start, end, new, node.lineno))

    def _between(self, left: ast.AST, right: ast.AST, old: str, new: str) -> None:
        """Change the mark between two operands."""
        start = self._offset(left.end_lineno, left.end_col_offset)
        end = self._offset(right.lineno, right.col_offset)
        text = self.source[start:end]
        at = start + re.search(r"(?<![\w<>=!])" + re.escape(old) + r"(?![\w=])", text).start()
        line = left.end_lineno + self.source[start:at].count("\n")
        self.found.append(Mutant(self.path, at, at + len(old), new, line))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for statement in node.body:
            self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for statement in node.body:
            self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Leave texts out."""

    def visit_Raise(self, node: ast.Raise) -> None:
        self._add(node, "pass")  # what it says is left out

    def visit_Continue(self, node: ast.AST) -> None:
        self._add(node, "pass")

    visit_Break = visit_Continue  # noqa: N815

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Call) and not ast.unparse(node.value).startswith("log"):
            self._add(node, "pass")
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        """Leave out what only tells the type checker something."""

    def visit_If(self, node: ast.If | ast.While) -> None:
        if ast.unparse(node.test) not in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            self._condition(node.test)
            self.generic_visit(node)

    visit_While = visit_If  # noqa: N815

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._condition(node.test)
        self.generic_visit(node)

    def _condition(self, test: ast.expr) -> None:
        if isinstance(test, ast.Name | ast.Attribute | ast.Call | ast.NamedExpr):
            self._add(test, f"(not ({ast.unparse(test)}))")

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self._add(node, "return None")
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            old = ast.unparse(ast.Compare(ast.Name("x"), [operator], [ast.Name("y")]))[2:-2]
            for new in COMPARISONS[old]:
                self._between(left, right, old, new)
            left = right
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        if type(node.op) in ARITHMETIC and not text:
            self._between(node.left, node.right, _mark(node.op), ARITHMETIC[type(node.op)])
        self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if type(node.op) in ARITHMETIC:
            new = ARITHMETIC[type(node.op)] + "="
            self._between(node.target, node.value, _mark(node.op) + "=", new)
        self._add(node, "pass")
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self._between(left, right, old, new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if not isinstance(node.op, ast.UAdd):
            self._add(node, f"({ast.unparse(node.operand)})")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self._add(node, str(not node.value))
        elif isinstance(node.value, int | float):
            self._add(node, repr(node.value + 1))
            if node.value == 1:
                self._add(node, "0")

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
        if name in TWINS:
            self._add(function, ast.unparse(function).removesuffix(name) + TWINS[name])
        self.generic_visit(node)


def _mark(operator: ast.operator) -> str:
    return ast.unparse(ast.BinOp(ast.Name("x"), operator, ast.Name("y")))[1:-1].strip()


def of_python(path: str, source: str) -> list[Mutant]:
    """Return all mutants of a module."""
    return _Python(path, source).found


CPP = [  # pattern, what may stand there instead; clang-format sets blanks around binary marks
    (r"(?<= )<=(?= )", ("<", ">")),
    (r"(?<= )>=(?= )", (">", "<")),
    (r"(?<= )<(?= )", ("<=", ">=")),
    (r"(?<= )>(?= )", (">=", "<=")),
    (r"(?<= )==(?= )", ("!=",)),
    (r"(?<= )!=(?= )", ("==",)),
    (r"(?<= )&&(?= )", ("||",)),
    (r"(?<= )\|\|(?= )", ("&&",)),
    (r"(?<= )&(?= )", ("|",)),
    (r"(?<= )\|(?= )", ("&",)),
    (r"(?<= )\+(?= )", ("-",)),
    (r"(?<= )-(?= )", ("+",)),
    (r"(?<= )\*(?= )", ("/",)),
    (r"(?<= )/(?= )", ("*",)),
    (r"(?<= )\+=(?= )", ("-=", "=")),
    (r"(?<= )-=(?= )", ("+=",)),
    (r"(?<=[ (\[])-(?=[\w(])", ("",)),  # a sign: the mark between two has blanks around it
    (r"(?<=[( ])!(?=[\w(])", ("",)),
    (r"\+\+", ("--",)),
    (r"(?<![\w.])\d+(?![\w.])", ("+1",)),
    (r"\btrue\b", ("false",)),
    (r"\bfalse\b", ("true",)),
    (r"\bmin\b(?=[(<])", ("max",)),
    (r"\bmax\b(?=[(<])", ("min",)),
    (r"(?<=[;{}]\n)\s+[\w.\[\]>-]+ [+|&*-]?= [^;{}]*;(?=\n)", (" ;",)),
    (r"(?<=[;{}]\n)\s+\w[\w.]*\([^;{}]*\);(?=\n)", (" ;",)),
]
TEXTS = re.compile(
    r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|^[ \t]*#(?:[^\n]*\\\n)*[^\n]*'
    r"|^[^\n]*\b(?:static_assert|template|using)\b[^\n]*",
    re.S | re.M,
)


def of_cpp(path: str, source: str) -> list[Mutant]:
    """Return all mutants of a C++ source or header."""
    bare = TEXTS.sub(lambda found: re.sub(r"[^\n]", "~", found[0]), source)
    starts = [0, *(found.end() for found in re.finditer("\n", bare))]
    return [
        Mutant(path, found.start(), found.end(), new, bisect_right(starts, at))
        for pattern, news in CPP
        for found in re.finditer(pattern, bare)
        for new in _instead(found[0], news)
        for at in [found.end() - len(found[0].lstrip())]
    ]


def _instead(old: str, news: tuple[str, ...]) -> Iterator[str]:
    for new in news:
        yield str(int(old) + 1) if new == "+1" else new
