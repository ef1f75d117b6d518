"""Write a table as CSV that a spreadsheet shows as it is."""

from __future__ import annotations

import os

import pandas as pd

from headscore import files

# Starts that Excel and LibreOffice run as formulas (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def write_csv(path: str | os.PathLike[str], table: pd.DataFrame, texts: tuple[str, ...]) -> None:
    """Write a table as CSV; prefix texts that a spreadsheet would run as formulas with '.

    Parameters
    ----------
    path
        The file.
    table
        The table.
    texts
        Names of its columns of texts.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    safe = {
        name: pd.Series([_no_formula(text) for text in table[name]], dtype="object")
        for name in texts  # as objects: Arrow cannot hold half a surrogate pair
    }
    with files.replacing(path) as temporary:
        table.assign(**safe).to_csv(
            temporary, index=False, lineterminator="\n", errors="backslashreplace"
        )


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
