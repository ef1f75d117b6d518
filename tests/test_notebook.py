"""The notebooks run from top to bottom, and output reports and figures."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"


def outputs_of(name, folder):
    notebook = nbformat.read(EXAMPLES / name, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute()
    return [
        output["data"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if "data" in output
    ]


pytestmark = [
    pytest.mark.model,
    pytest.mark.slow,
    pytest.mark.filterwarnings("default"),  # of the notebooks' own machinery
]


def test_the_first_notebook_runs(minilm_path, tmp_path):
    outputs = outputs_of("quickstart.ipynb", tmp_path)
    assert any("heads have a role (" in data.get("text/html", "") for data in outputs)
    assert any("image/png" in data for data in outputs)
    assert (tmp_path / "report.html").stat().st_size < 1.5e6


def test_the_study_runs(minilm_path, tmp_path):
    outputs = outputs_of("near_and_far.ipynb", tmp_path)
    assert any("image/png" in data for data in outputs)
    assert (tmp_path / "near-far.png").stat().st_size > 10_000
    assert (tmp_path / "study.html").exists()
    assert (tmp_path / "short-long.csv").exists()
