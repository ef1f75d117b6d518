"""Imports go one way, and the command line imports no heavy package."""

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import headscore
import headscore as hs

PACKAGE = Path(headscore.__file__).parent

# A folder, or a file beside the folders, may import only itself and what stands to its left.
ORDER = (
    "errors log processes stopwatch declarations options signatures arrays files backends "
    "corpus parsing demo encoding roles sieves model scores causal statistics report plots scale "
    "tasks checks runs api forecast doctor cli __main__"
).split()

FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def module(path):
    """Dotted name of a file below the package, "" for its own __init__."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path) for path in (*FILES, *PACKAGE.rglob("*.pyi"))}  # also compiled ones


def walk(node, types):
    """Every node that runs, and with `types` also what only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if types or not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from walk(child, types)


def imported(path, *, types):
    """Modules of headscore that a file imports, also inside functions."""
    for node in walk(ast.parse(path.read_text(encoding="utf-8")), types):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headscore"):
            base = node.module.removeprefix("headscore").lstrip(".")
            names = [f"{base}.{alias.name}".lstrip(".") for alias in node.names]
            yield from {name if name in MODULES else base for name in names}
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("headscore.")]
            yield from (name.removeprefix("headscore.") for name in names)


def circles(graph):
    """Sets of modules that import one another in a circle (Tarjan 1972)."""
    index, low, stack, found = {}, {}, [], []

    def visit(name):
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph.get(name, ()):
            if other not in index:
                visit(other)
            if other in stack:
                low[name] = min(low[name], low[other])
        if low[name] == index[name]:
            part = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(part) > 1:
                found.append(sorted(part))

    for name in graph:
        if name not in index:
            visit(name)
    return found


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_imports_go_one_way(path):
    own = module(path).partition(".")[0]
    allowed = ORDER[: ORDER.index(own) + 1]
    found = {name.partition(".")[0] for name in imported(path, types=True)}
    assert found <= set(allowed)


@pytest.mark.parametrize("types", [False, True], ids=["running", "with-types"])
def test_modules_have_no_import_cycles(types):
    graph = {module(path): set(imported(path, types=types)) for path in FILES}
    assert circles(graph) == []


def test_import_cycles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_the_order_names_every_module():
    assert {name.partition(".")[0] for name in MODULES} == set(ORDER)


def test_help_and_version_import_no_heavy_package():
    code = (
        "import sys\nfrom headscore.cli import main\n"
        "try:\n    main([sys.argv[1]])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print(sorted({'torch', 'numpy', 'pandas', 'spacy', 'scipy'} & set(sys.modules)))"
    )
    for option in ("--help", "--version"):
        result = subprocess.run(
            [sys.executable, "-c", code, option], capture_output=True, text=True, check=True
        )
        assert result.stdout.endswith("[]\n")


def test_scores_are_tested_and_compared_without_torch(tmp_path):
    values = np.random.default_rng(0).gamma(4, 1, (40, 2, 3, 4))
    hs.HeadScores.from_arrays(values, ["local", "block"]).save(tmp_path / "s.hs")
    code = (
        "import sys\nimport headscore as hs\nscores = hs.load(sys.argv[1])\n"
        "hs.test(scores), hs.compare(scores, scores), hs.intervals(scores), hs.tau_curve(scores)\n"
        "hs.replicate([scores, scores])\n"
        "print(sorted({'torch', 'transformers', 'spacy'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.hs")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"


def test_every_public_name_exists():
    for name in headscore.__all__:
        found = getattr(headscore, name)
        assert found is not None
        modules = ("backends", "plots", "power", "roles")
        assert name in modules or not isinstance(found, ModuleType), name
    assert set(headscore.__all__) <= set(dir(headscore))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = headscore.nothing


def test_every_package_folder_and_typed_marker_is_installed():
    assert (PACKAGE / "py.typed").is_file()
    assert (PACKAGE / "demo" / "demo.conllu").is_file()
    assert (PACKAGE / "backends" / "_cpu.pyi").is_file()
