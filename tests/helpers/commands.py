"""Commands run as a user runs them, or in this process, and how they refuse."""

import io
import logging
import os
import subprocess
import sys
import warnings
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from headscore import cli
from helpers import forked

CONLLU = """\
# newdoc id = d1
# sent_id = a
# text = Old dogs bark loudly .
1\tOld\t_\tADJ\t_\t_\t2\tamod\t_\t_
2\tdogs\t_\tNOUN\t_\t_\t3\tnsubj\t_\t_
3\tbark\t_\tVERB\t_\t_\t0\troot\t_\t_
4\tloudly\t_\tADV\t_\t_\t3\tadvmod\t_\t_
5\t.\t_\tPUNCT\t_\t_\t3\tpunct\t_\t_

# sent_id = b
# text = She saw them .
1\tShe\t_\tPRON\t_\t_\t2\tnsubj\t_\t_
2\tsaw\t_\tVERB\t_\t_\t0\troot\t_\t_
3\tthem\t_\tPRON\t_\t_\t2\tobj\t_\t_
4\t.\t_\tPUNCT\t_\t_\t2\tpunct\t_\t_

"""


def run(*arguments, **environment):
    """Run `headscore` as a user does."""
    own = any(name.startswith("PYTHON") for name in environment)  # Python reads them as it starts
    return subprocess.run(
        [sys.executable if own else forked.python(), "-m", "headscore.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8", **environment},
    )


@contextmanager
def _logging_restored():
    """A command sets up logging and warnings for its whole process."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    with warnings.catch_warnings():
        try:
            yield
        finally:
            root.setLevel(level)
            root.handlers[:] = handlers


def run_here(*arguments):
    """Run the same without a new process, where many cases would wait for imports."""
    stdout, stderr = io.StringIO(), io.StringIO()
    with redirect_stdout(stdout), redirect_stderr(stderr), _logging_restored():
        try:
            code = cli.main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return subprocess.CompletedProcess(arguments, code, stdout.getvalue(), stderr.getvalue())


def refused(result, exit_code, *parts):
    """One sentence on stderr, nothing on stdout, no traceback."""
    assert result.returncode == exit_code, result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    last = result.stderr.splitlines()[-1]
    for part in parts:
        assert part in last
