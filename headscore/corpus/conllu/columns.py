"""The columns of a CoNLL-U Plus file (https://universaldependencies.org/ext-format.html)."""

from __future__ import annotations

from dataclasses import dataclass

from headscore.errors import InputError

PLAIN: tuple[str, ...] = (
    "ID",
    "FORM",
    "LEMMA",
    "UPOS",
    "XPOS",
    "FEATS",
    "HEAD",
    "DEPREL",
    "DEPS",
    "MISC",
)
GLOBAL = "global.columns"  # the comment that names the columns
ENTITY = "global.Entity"  # the comment that names the fields of Entity= in MISC
_COREFERENCE = ("COREF", "COREFUD:ENTITY")
_NO_LABELS = {"ID", "FORM", "HEAD", "DEPREL", "DEPS", "MISC", *_COREFERENCE}


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Attributes
    ----------
    names
        The name of each column.
    entity
        The fields of ``Entity=`` in MISC, None where the file names none.
    """

    names: tuple[str, ...] = PLAIN
    entity: tuple[str, ...] | None = None

    @property
    def plain(self) -> bool:
        """Whether the file is CoNLL-U without coreference."""
        return self == CONLLU

    @property
    def labels(self) -> tuple[str, ...]:
        """The columns that are read as labels of words."""
        if self.names == PLAIN:
            return ("UPOS",)
        return tuple(name for name in self.names if name.upper() not in _NO_LABELS)

    @property
    def mentions(self) -> str | None:
        """The column with the brackets of coreferent mentions, None where there is none."""
        named = (name for name in self.names if name.upper() in _COREFERENCE)
        return next(named, "MISC" if self.entity and "MISC" in self.names else None)


CONLLU = Columns()


def find_columns(piece: bytes, place: str) -> Columns:
    """Return the columns that the first comments of a file name; the ten of CoNLL-U without.

    Raises
    ------
    InputError
        A column has no name or two columns have one, or ID or FORM is missing.
    """
    names, entity = PLAIN, None
    for number, line in enumerate(piece.splitlines(), start=1):
        if line and not line.startswith(b"#"):
            break
        name, _, value = line[1:].decode(errors="replace").partition("=")
        if name.strip() == GLOBAL:
            names = checked(value, f"{place}:{number}")
        elif name.strip() == ENTITY:
            entity = tuple(value.strip().split("-"))
    return Columns(names, entity)


def checked(value: str, place: str) -> tuple[str, ...]:
    """Return the names that a comment gives; raises InputError as `find_columns`."""
    names = tuple(value.split())
    if len(set(names)) < len(names) or not {"ID", "FORM"} <= set(names):
        raise InputError(
            f"{place}: {GLOBAL} must be different names, ID and FORM among them, "
            f"got {' '.join(names) or 'none'}"
        )
    return names
