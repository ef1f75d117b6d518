"""Check an installation and a model: versions, backends, agreement with eager attention."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch

from headscore import backends
from headscore.backends.results import mark_absent
from headscore.corpus.sequence import Sequence
from headscore.demo import demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.errors import HeadscoreError, InputError
from headscore.model import forward
from headscore.model.arguments import forward_options
from headscore.model.load import Model, load_model
from headscore.model.modes import eager, evaluating
from headscore.options import LoadOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import inputs
from headscore.sieves.batch_plan import BatchPlan
from headscore.sieves.plan import SievePlan

_PACKAGES = (
    "headscore",
    "torch",
    "transformers",
    "tokenizers",
    "numpy",
    "scipy",
    "pandas",
    "spacy",
)
_TEXTS = ("The old dog that lives next door barked at us.", "Why?", "She sold three red cars.")
_ROLES = "local,delimiter,block,sink"
# Float32 sums in another order differ by about 1e-6; wrong keys or masks by far more.
_TOLERANCE = 1e-4


def examine(name: str | None) -> Iterator[tuple[str, str, bool]]:
    """Check the installation, and a model if one is named.

    Parameters
    ----------
    name
        Hub id or folder of a model.

    Yields
    ------
    what, finding, sound
        One line each; `sound` is False where something is wrong.
    """
    yield "python", f"{platform.python_version()} on {platform.machine()}", True
    for package in _PACKAGES:
        yield package, *_version(package)
    yield "threads", str(torch.get_num_threads()), True
    yield "GPU", torch.cuda.get_device_name() if torch.cuda.is_available() else "none", True
    for backend, reason in backends.available().items():
        finding = (reason, backend == "cuda") if reason else _examine_backend(backend)
        yield f"backend {backend}", *finding
    try:
        yield "demo model", str(demo_model()), True
    except InputError as error:
        yield "demo model", str(error), True
    if name is not None:
        yield from _examine_model(name)


def _version(package: str) -> tuple[str, bool]:
    try:
        return version(package), True
    except PackageNotFoundError:
        return "not installed", False


def _examine_backend(backend: str) -> tuple[str, bool]:
    """Compare a backend with the definition, on a small problem."""
    if backend == "reference":
        return "runs", True
    rng = np.random.default_rng(0)
    lengths = [70, 33, 2]
    plan = SievePlan.compile(_ROLES, Encoded.from_arrays(np.ones((3, 70), np.int64), lengths))
    query, key = rng.standard_normal((2, 3, 4, 70, 24), dtype=np.float32)
    ours, theirs = (
        torch.from_numpy(backends.sieve_scores_qk(query, key, plan, causal=True, backend=each))
        for each in (backend, "reference")
    )
    difference = _relative(ours, theirs)
    runs = f"runs ({backends.cpu.instruction_set()})" if backend == "cpu" else "runs"
    return (
        f"{runs}, largest relative difference to the definition {difference:.1e}",
        difference <= _TOLERANCE,
    )


def _examine_model(name: str) -> Iterator[tuple[str, str, bool]]:
    try:
        # Half precision would blur the comparison.
        loaded = load_model(name, LoadOptions(dtype="float32"))
    except HeadscoreError as error:
        yield "model", str(error), False
        return
    yield "model", f"{loaded.layers} layers x {loaded.heads} heads, {loaded.dtype}", True
    tokenizer = loaded.tokenizer
    yield (
        "tokenizer",
        f"{type(tokenizer).__name__}, at most {loaded.max_length} tokens, "
        f"special tokens {' '.join(tokenizer.all_special_tokens) or 'none'}",
        True,
    )
    try:
        difference = _difference_to_eager(loaded)
    except HeadscoreError as error:
        yield "scores", str(error), False
        return
    yield (
        "scores",
        f"largest relative difference to eager attention {difference:.1e}",
        difference <= _TOLERANCE,
    )


def _difference_to_eager(loaded: Model) -> float:
    """Return the largest relative difference of scores to those of the eager attention."""
    sequences = [Sequence.from_text(text, id=str(n)) for n, text in enumerate(_TEXTS)]
    encoded = encode(sequences, loaded.tokenizer, max_length=loaded.max_length)
    plan = BatchPlan.of(parse_roles(_ROLES), encoded, compared=False)
    current = forward.Pass(plan, loaded.route, "auto")
    given = inputs(loaded, encoded)
    with forward.attached(loaded.network, loaded.route):
        forward.run_pass(loaded.network, given, current)
    worst = 0.0
    for attention, raw, visibility in zip(
        _eager(loaded, given), current.scored, current.visibilities, strict=True
    ):
        arrays = plan.arrays(visibility)
        eager = backends.score_attention(attention, plan, visibility, backend="reference")
        pair = [mark_absent(each.scores.cpu(), arrays) for each in (raw, eager)]
        worst = max(worst, _relative(*pair))
    return worst


def _relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    if (ours.isnan() != theirs.isnan()).any():
        return float("inf")
    # NaN in both (the sequence takes no part) counts as equal; below 1e-6 differences are absolute.
    relative = (ours - theirs).abs() / theirs.abs().clamp_min(1e-6)
    return float(relative.nan_to_num(0.0).max())


def _eager(loaded: Model, given: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    """Return the attention of every layer, each row divided by its sum."""
    network = loaded.network
    with eager(network), evaluating(network), torch.inference_mode():
        options = forward_options(network, output_attentions=True, use_cache=False)
        attentions = network(**given, **options).attentions
    there = [each for each in attentions if each is not None]
    # Models with attention sinks return rows that sum to less than 1; scores divide by the row sum.
    return [each / each.sum(-1, keepdim=True) for each in there]
