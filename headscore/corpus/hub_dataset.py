"""Data sets of the `datasets` library by name, read as a stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from headscore.errors import InputError, one_line


@dataclass(frozen=True)
class DataSet:
    """A data set of the Hugging Face hub, or a local folder of data files; iterates over its rows.

    Attributes
    ----------
    name
        Its name on the hub, or the path of a folder.
    split
        Name of the split.
    config
        Name of the subset; None where there is one only.

    Examples
    --------
    >>> import headscore as hs
    >>> data = hs.DataSet("nyu-mll/glue", split="validation", config="qnli")
    >>> report = hs.analyze(model, data, columns=("question", "sentence"))
    """

    name: str
    split: str = "train"
    config: str | None = None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """Open the data set and yield its rows; no more than a few are held in memory."""
        try:
            import datasets
        except ImportError as error:
            raise InputError(
                "data sets by name need the extra: pip install 'headscore[datasets]'"
            ) from error
        try:
            yield from datasets.load_dataset(
                self.name, self.config, split=self.split, streaming=True
            )
        except Exception as error:  # of any kind: from the hub, its files and their formats
            raise InputError(
                f"cannot read the data set {self.name!r}, split {self.split!r}: {one_line(error)}"
            ) from error
