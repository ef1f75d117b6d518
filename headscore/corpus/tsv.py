"""Read tab-separated tables by column name, as GLUE distributes them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from headscore.corpus.invalid import refusal
from headscore.corpus.lines import Place, read_lines
from headscore.corpus.sequence import Segment, Sequence
from headscore.corpus.table import find_columns
from headscore.errors import InputError
from headscore.options import ReadOptions


def read_tsv(
    path: Place,
    options: ReadOptions = ReadOptions(),
    counts: Counter[str] | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[Sequence]:
    """Read a table whose first line names its columns; the id is the number of the line.

    A quote is an ordinary character, and a field keeps its spaces.

    Parameters
    ----------
    path
        The file.
    options
        ``columns``: the names of the one or two columns that hold the texts, None: those of QNLI,
        QQP, MRPC, RTE, WNLI and SST-2; ``skip_invalid``: skip a row whose number of fields is not
        the header's.
    counts
        Its ``"invalid_skipped"`` counts the rows skipped.
    log
        Called with one sentence for each row skipped.

    Raises
    ------
    UsageError
        `columns` names a column that is not there.
    InputError
        The file cannot be read, its header is not recognised, or a row is invalid.
    """
    refuse = refusal(options.skip_invalid, counts, log)
    lines = read_lines(path)
    header = next(lines, None)
    if header is None:
        return
    names = header[1].split("\t")
    chosen = [names.index(name) for name in find_columns(names, options.columns, f"{path}:1")]
    for number, line in lines:
        # Not the csv module: GLUE files have unbalanced quotes, which are text here.
        fields = line.split("\t")
        if len(fields) == len(names):
            yield Sequence(str(number), tuple(Segment(fields[index]) for index in chosen))
        else:
            rule = f"a row must have the header's {len(names)} fields, got {len(fields)}"
            refuse(InputError(f"{path}:{number}: {rule}"))
