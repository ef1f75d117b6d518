"""Fixtures that need more than the project: weights, corpora, a browser; what is required."""

import gc
import logging
import os
from pathlib import Path

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"  # no test asks a hub
# On tensors as small as those of tests, threads wait for longer than they compute.
os.environ.setdefault("OMP_NUM_THREADS", "1")

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # a machine lent for its GPU has only what the kernels need
    pass
else:
    settings.register_profile(
        "default", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=30
    )
    settings.register_profile(
        "ci", parent=settings.get_profile("default"), max_examples=60, derandomize=True
    )
    settings.load_profile("ci" if os.environ.get("CI") else "default")


def pytest_collection_finish():
    """Searches for cycles skip the million objects of the libraries."""
    gc.collect()
    gc.freeze()


def pytest_addoption(parser):
    parser.addoption(
        "--require-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="fail, instead of skipping, where this backend cannot run",
    )
    parser.addoption(
        "--require-browser",
        action="store_true",
        help="fail, instead of skipping, where there is no browser to open pages with",
    )


@pytest.fixture(autouse=True)
def _outside_the_checkout(monkeypatch):
    """Python puts the working folder first: processes of tests must import what is installed."""
    monkeypatch.chdir(Path(__file__).parent)


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_tests(tmp_path_factory):
    """Nothing of the tests stays in the user's folder of caches."""
    os.environ["HEADSCORE_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def _logging_as_it_comes():
    """Commands set up logging for their whole process, also where a test runs them in its own."""
    logging.disable(logging.NOTSET)
    logging.getLogger().setLevel(logging.WARNING)
    ours = logging.getLogger("headscore")
    ours.setLevel(logging.NOTSET)
    ours.disabled, ours.propagate = False, True


@pytest.fixture
def forked_workers(monkeypatch):
    """Worker processes of multiprocessing do not wait for imports."""
    from multiprocessing import resource_tracker, spawn

    from helpers import forked

    resource_tracker.ensure_running()  # not a worker
    monkeypatch.setattr(spawn, "_python_exe", os.fsencode(forked.python()))


@pytest.fixture(scope="session")
def emulated_kernels():
    """The CUDA kernels' own source, compiled for the CPU."""
    from helpers import emulated

    return emulated.build()


@pytest.fixture
def emulated_cuda(emulated_kernels, monkeypatch):
    """The cuda backend, whose kernels run on the CPU."""
    from headscore.backends import cuda

    monkeypatch.setattr(cuda, "_cuda", emulated_kernels.module, raising=False)
    monkeypatch.setattr(cuda, "why_not", lambda: None)
    monkeypatch.setattr(cuda, "_device", lambda tensor: tensor.device)
    monkeypatch.setattr(cuda, "_place", lambda device: (-1, 0))  # no device to change to
    emulated_kernels.set()
    return emulated_kernels


@pytest.fixture(params=["cpu", "reference", "cuda", "cuda-emulated"])
def backend(request):
    """Name of every backend; skipped, with its reason, where it cannot run."""
    from headscore import backends

    if request.param == "cuda-emulated":
        request.getfixturevalue("emulated_cuda")
        return "cuda"
    reason = backends.available()[request.param]
    if reason is None:
        return request.param
    if request.param in request.config.getoption("--require-backend"):
        pytest.fail(f"backend {request.param}: {reason}")
    return pytest.skip(f"backend {request.param}: {reason}")


@pytest.fixture(scope="session")
def shared():
    """Folder of the shared corpora and the parser."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"the shared corpora are not at {folder}")
    return folder


@pytest.fixture(scope="session")
def minilm_path():
    """Folder of a real BERT, from the demo extra."""
    from headscore.demo import demo_model
    from headscore.errors import InputError

    try:
        return demo_model()
    except InputError as error:
        return pytest.skip(str(error))


@pytest.fixture(scope="session")
def minilm(minilm_path):
    """A real BERT with its tokenizer, as `headscore.model.load.Model`."""
    from headscore.model.load import load_model

    return load_model(minilm_path)


@pytest.fixture(scope="session")
def smollm2_path():
    """Folder of a real decoder, from the extra demo-decoder; converted once, in 100 seconds."""
    from headscore.demo.decoder import demo_decoder
    from headscore.errors import InputError

    try:
        return demo_decoder()
    except InputError as error:
        return pytest.skip(str(error))


@pytest.fixture(scope="session")
def demo_sequences():
    """The sequences of the demo corpus."""
    from headscore.corpus import read
    from headscore.demo import demo_corpus

    return list(read(demo_corpus()))


@pytest.fixture(scope="session")
def browser(request):
    """A headless browser; skipped, with its reason, where there is none."""
    from helpers import browser

    path = browser.found()
    if path is None:
        reason = f"no browser: none of {', '.join(browser.NAMES)} is installed"
        if request.config.getoption("--require-browser"):
            pytest.fail(reason)
        pytest.skip(reason)
    with browser.started(path) as started:
        yield started
