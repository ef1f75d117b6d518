"""Names of spaCy pipelines: which can be downloaded, and which is meant by another."""

from __future__ import annotations

import difflib
from importlib.metadata import entry_points
from pathlib import Path

# The pipelines with a parser of https://spacy.io/models, without those that need another package.
_SIZES = ("sm", "md", "lg")
_LANGUAGES = {
    "core_web": ("en", "zh"),
    "core_news": tuple("ca da de el es fi fr hr it ja ko lt mk nb nl pl pt ro ru sl sv uk".split()),
}
PUBLISHED = (
    "en_core_web_trf",
    *(
        f"{language}_{genre}_{size}"
        for genre, languages in _LANGUAGES.items()
        for language in languages
        for size in _SIZES
    ),
)


def why_missing(name: str) -> str:
    """Return the error sentence for a pipeline that is not installed and no folder."""
    if name in PUBLISHED:
        return f"parser needs {name}: python -m spacy download {name}"
    return (
        f"cannot load the spaCy pipeline {name!r}: there is no package or folder of that name"
        f"{_meant(name)}"
    )


def _meant(name: str) -> str:
    """Return a hint at a pipeline or a folder of a similar name, "" for none."""
    installed = [each.name for each in entry_points(group="spacy_models")]
    near = difflib.get_close_matches(name, [*installed, *PUBLISHED], n=1) if name else []
    if near and near[0] not in installed:
        return f"; did you mean {near[0]} (python -m spacy download {near[0]})?"
    folder = Path(name)
    try:
        beside = [str(each) for each in folder.parent.iterdir() if (each / "meta.json").exists()]
    except (OSError, ValueError):
        beside = []
    near = near or difflib.get_close_matches(str(folder), beside, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
