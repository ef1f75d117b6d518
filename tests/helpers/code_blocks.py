"""Runs the code blocks of a page as a reader does: in order, in one folder and one session.

Started in the folder of the files that the page names, with the page and a folder for programs.
"""

import math
import os
import re
import subprocess
import sys
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple

FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.M | re.S)
NETWORK = re.compile(r"(python -m )?(pip|spacy|git|conda) (install|download|clone) .*")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]\d+)?")


class Block(NamedTuple):
    language: str
    code: str
    line: int  # of its first line of code
    output: str  # of the text block that follows at once, "" for none


def blocks(text):
    """The Python and shell blocks of a page, in order."""
    found = list(FENCED.finditer(text))
    for block, following in zip_longest(found, found[1:]):
        indent, language, code = block.groups()
        if language in ("python", "bash"):
            shown = following and following[2] == "text"
            beside = shown and not text[block.end() : following.start()].strip()
            yield Block(
                language,
                re.sub(f"^{indent}", "", code, flags=re.M),
                text.count("\n", 0, block.start()) + 2,
                following[3] if beside else "",
            )


def run_shell(code):
    """Print and return what the commands print; what only a network has is left out."""
    offline = "\n".join(line for line in code.splitlines() if not NETWORK.match(line))
    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", offline],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    sys.stdout.write(ended.stdout)
    sys.stderr.write(ended.stderr)
    if ended.returncode:
        raise SystemExit(f"exit code {ended.returncode}")
    return ended.stdout


def alike(shown, printed):
    """Whether two lines differ at most in the last digits, which depend on the machine."""
    if NUMBER.sub("0", shown) != NUMBER.sub("0", printed):
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed), strict=True)
    return all(math.isclose(float(one), float(other), rel_tol=0.05) for one, other in pairs)


def check(shown, printed):
    """Raise where a line of the output that a page shows was not printed."""
    lines = [line.rstrip() for line in printed.splitlines()]
    for line in shown.splitlines():
        if line not in ("", "...") and not any(alike(line, each) for each in lines):
            raise SystemExit(f"not printed: {line}")


def put_on_path(folder):
    """Make `python` and `headscore` those of this test."""
    for name, command in {"python": "", "headscore": " -m headscore"}.items():
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable}{command} "$@"\n')
        program.chmod(0o700)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def main():
    page = Path(sys.argv[1])
    put_on_path(Path(sys.argv[2]))
    session = {"__name__": "__main__"}
    for block in blocks(page.read_text(encoding="utf-8")):
        print(f"--- {page.name}, line {block.line}", flush=True)  # noqa: T201
        if block.language == "bash":
            check(block.output, run_shell(block.code))
        else:
            exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), session)


if __name__ == "__main__":
    main()
