"""Imports go one way, and the command line starts light."""

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

# A module may import only modules to its left.
ORDER = (
    "errors log stages backends corpus parses cache pipelines parsing source given encoded roles "
    "pieces placeless punctuation encoding sieves seen plan overlap hidden position beyond masks "
    "attend interface returned route norms hook model running files scores pairing criterion "
    "evalues tally stream moments clusters units statistics flags bootstrap curves wording maps "
    "retest plots permutation layers colocation power beyond_position summary table attentions "
    "reading html report change comparison saved testing terminal terminal_comparison provenance "
    "gathering tallying scoring run_folder engines shards capturing api demo doctor forecast "
    "example cli"
).split()


def walk(node):
    """Every node that runs: what only a type checker reads is no dependency."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from walk(child)


def imported(path):
    """Modules of headscore that a file imports, also inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("headscore"):
            parts = (node.module or "").split(".")
            yield from [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("headscore."):
                    yield alias.name.split(".")[1]


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(PACKAGE)) for path in FILES])
def test_imports_go_one_way(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "data":
        assert not list(imported(path))
        return
    allowed = ORDER[: ORDER.index(own) + 1]
    assert [name for name in imported(path) if name not in allowed] == []


def test_the_order_names_every_module():
    names = {path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in FILES}
    assert names - {"data"} == set(ORDER)


def test_help_and_version_import_nothing_heavy():
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


def test_scores_are_tested_and_compared_without_what_runs_models(tmp_path):
    values = np.random.default_rng(0).gamma(4, 1, (40, 2, 3, 4))
    hs.HeadScores.from_arrays(values, ["local", "block"]).save(tmp_path / "s.hs")
    code = (
        "import sys\nimport headscore as hs\nscores = hs.load(sys.argv[1])\n"
        "hs.test(scores), hs.compare(scores, scores), hs.intervals(scores), hs.tau_curve(scores)\n"
        "print(sorted({'torch', 'transformers', 'spacy'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "s.hs")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == "[]\n"


def test_every_public_name_is_there():
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
    assert (PACKAGE / "data" / "demo.conllu").is_file()
    assert (PACKAGE / "backends" / "_cpu.pyi").is_file()
