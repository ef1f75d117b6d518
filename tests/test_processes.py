"""Worker processes: they do not run the caller's script, and end with their parent."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from headscore.errors import IncompleteError
from headscore.processes import pool_of

# A process in the background of a shell ignores Ctrl-C, and so do those that it starts.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
SCRIPT = """
{hears}
import os, time
from headscore.processes import pool_of
print("script", flush=True)
with pool_of(2, int, doing="works") as pool:
    print("worker", pool.submit(os.getpid).result(), flush=True)
    {then}
"""

SLOW = """
import multiprocessing, time
if multiprocessing.parent_process() is not None:
    time.sleep(30)
def begin():
    pass
"""
SCRIPT_OF_SLOW = f"""
{HEARS}
import time
from headscore.processes import pool_of, stop
from slow import begin
with pool_of(2, begin, doing="works") as pool:
    try:
        print("started", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        stop(pool)
"""


def start(tmp_path, then):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.format(hears=HEARS, then=then))
    return subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_workers_do_not_run_a_script_without_a_guard(tmp_path):
    output, errors = start(tmp_path, "pass").communicate(timeout=60)
    assert output.count("script") == 1, errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path, number):
    process = start(tmp_path, "time.sleep(60)")
    assert process.stdout.readline() == "script\n"
    worker = int(process.stdout.readline().split()[1])
    children = psutil.Process(process.pid).children(recursive=True)
    assert worker in [child.pid for child in children]
    # Ctrl-C of a terminal reaches the whole group, a kill one process.
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.kill()
    process.communicate(timeout=60)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_ctrl_c_while_workers_import_is_quiet_and_does_not_wait(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "script.py").write_text(SCRIPT_OF_SLOW)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "script.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "started\n"
    children = psutil.Process(process.pid).children(recursive=True)
    time.sleep(1)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=25)  # less than the import takes
    assert (errors, process.returncode) == ("", 0)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_a_dead_worker_is_an_error_of_one_sentence():
    with (
        pytest.raises(IncompleteError, match="a process that works has ended before"),
        pool_of(2, int, doing="works") as pool,
    ):
        pool.submit(os._exit, 1).result()


def test_results_and_errors_come_back():
    with pool_of(1, int, doing="works") as pool:
        assert pool.submit(divmod, 7, 2).result() == (3, 1)
        with pytest.raises(ZeroDivisionError):
            pool.submit(divmod, 7, 0).result()
        assert pool.submit(time.sleep, 0).result() is None
