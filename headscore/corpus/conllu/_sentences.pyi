from headscore.corpus.conllu.numbering import Numbering
from headscore.corpus.sequence import Sequence

def read_valid(
    piece: bytes, start: int, line: int, numbering: Numbering
) -> tuple[list[Sequence], int, int]:
    """Read the sentences of a piece of a file up to the first that breaks a rule.

    Parameters
    ----------
    piece
        Lines of the file.
    start
        Where to begin in `piece`, at the start of a line.
    line
        The number of that line.
    numbering
        What is known of the sentences before; brought up to date.

    Returns
    -------
    sequences : list of Sequence
    stop, line : int
        Where the first block starts that breaks a rule or whose last line has no ending, and the
        number of its first line; the length of `piece` where there is none.
    """
