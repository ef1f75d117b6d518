"""The process that `helpers.forked` forks: it has imported what programs wait for."""

import fcntl
import gc
import importlib
import json
import multiprocessing.spawn
import os
import runpy
import select
import signal
import socket
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

STREAMS = ("stdin", "stdout", "stderr")


def accepted(address):
    """Wait for programs to run; returns in a fork for each, with its connection."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"listening\n")
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:  # closed: the tests are over
                os._exit(0)
            connection, _ = listener.accept()
            if os.fork() == 0:
                return connection
            connection.close()


def program(connection):
    """What is to be run, in one more fork, whose parent sends its exit code."""
    _, given, _, _ = socket.recv_fds(connection, 1, 253)
    with connection.makefile() as lines:
        asked = json.loads(lines.readline())
    child = os.fork()
    if child:
        for each in given:
            os.close(each)
        answer(connection, child)
        os._exit(0)
    connection.close()
    take(given, asked.pop("files"))
    return asked


def answer(connection, child):
    """Send the exit code of a process, which ends where nobody waits for it."""
    ends = os.pidfd_open(child)
    ready, _, _ = select.select([connection, ends], [], [])
    if ends not in ready:  # the client was killed
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if ends in ready:
        connection.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))


def take(given, numbers):
    """Give files the numbers that they have for the client."""
    away = [fcntl.fcntl(each, fcntl.F_DUPFD, 512) for each in given]
    for each in given:
        os.close(each)
    for each, number in zip(away, numbers, strict=True):
        os.dup2(each, number)
        os.close(each)
    for number, name in enumerate(STREAMS):
        setattr(sys, name, opened(number))


def opened(number):
    """Standard input, output or error, as Python opens it."""
    return open(
        number,
        "w" if number else "r",
        buffering=1 if number == 2 or os.isatty(number) else -1,
        encoding="utf-8",
        errors="backslashreplace" if number == 2 else "strict",
        closefd=False,
    )


def become(executable, arguments, environment, folder):
    """Take over what a new process is given."""
    sys.executable = executable  # programs and workers that it starts are forks, too
    multiprocessing.spawn.set_executable(executable)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = arguments


def execute():
    """Run [-P] -c CODE, -m MODULE or SCRIPT, with its arguments, as the main program."""
    safe = sys.argv[0] == "-P"
    if safe:
        del sys.argv[0]
    how = sys.argv[0]
    beside = {"-c": "", "-m": str(Path.cwd())}.get(how, str(Path(how).parent))
    sys.path[:1] = [] if safe else [beside]
    if how == "-c":
        code = sys.argv.pop(1)
        sys.modules["__main__"] = main = ModuleType("__main__")
        exec(compile(code, "<string>", "exec"), vars(main))
    elif how == "-m":
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(how, run_name="__main__")


if __name__ == "__main__":
    for name in sys.argv[2:]:
        if find_spec(name.partition(".")[0]):  # a machine lent for its GPU has not all of them
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # pages that are never written are shared
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    connection = accepted(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    become(**program(connection))
    execute()
