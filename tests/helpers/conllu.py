"""CoNLL-U files read line by line, every sentence by the definition of the rules."""

import codecs
import io

from headscore.corpus.conllu.ids import RowError
from headscore.corpus.conllu.numbering import Numbering
from headscore.corpus.conllu.reader import read_block
from headscore.corpus.lines import decode_lines
from headscore.errors import InputError


def blocks(data):
    """Runs of lines between empty lines: the number of the first line, and the bytes."""
    block, number = [], 0
    for number, line in enumerate(io.BytesIO(data), start=1):
        if line not in (b"\n", b"\r\n"):
            block.append(line)
        elif block:
            yield number - len(block), b"".join(block)
            block = []
    if block:
        yield number + 1 - len(block), b"".join(block)


def read_slowly(path):
    """The sequences and errors of a file in their order; nothing after an invalid encoding."""
    data = path.read_bytes()
    found = []
    numbering = Numbering()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return [f"{path}:1: the text must be UTF-8, got UTF-16"]
    for line, raw in blocks(data.removeprefix(codecs.BOM_UTF8)):
        try:
            found.append(read_block(decode_lines(raw, path, line), line, numbering))
        except RowError as error:
            found.append(f"skipped {path}:{line + error.row}: {error.reason}")
        except InputError as error:
            return [*found, str(error)]
    return found
