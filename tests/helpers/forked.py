"""A Python whose programs do not wait for imports: each is a fork of a process that has them."""

import atexit
import os
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
# Nothing of headscore, which tests may want to import with an environment of their own.
ALL = (
    *("pandas", "scipy.stats", "spacy", "torch"),
    *("transformers.modeling_utils", "transformers.models.auto.modeling_auto"),
    *("transformers.models.bert.modeling_bert", "transformers.models.gpt2.modeling_gpt2"),
)
WITHOUT_TORCH = ("numpy", "pandas", "scipy.stats")


@cache
def python(imported=ALL):
    """Path of a program that runs [-P] SCRIPT, -m MODULE or -c CODE; else, it is Python."""
    if not hasattr(os, "pidfd_open"):  # no Linux
        return sys.executable
    folder = tempfile.TemporaryDirectory()
    address, path = f"{folder.name}/socket", Path(folder.name) / "python"
    client = f"{sys.executable} -ES {HERE / 'fork_client.py'} {address} {path}"
    path.write_text(f'#!/bin/sh\nexec {client} "$@"\n')
    path.chmod(0o700)
    server = subprocess.Popen(
        [sys.executable, "-m", "helpers.fork_server", address, *imported],
        cwd=HERE.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert server.stdout.readline() == b"listening\n"
    atexit.register(folder.cleanup)
    atexit.register(server.communicate)  # the end of its input is its end
    return str(path)
