"""What a user needs to know when something does not run: versions, backends, a model's fitness."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from headscore import backends, encoding, model, running
from headscore.attentions import score_attentions
from headscore.backends.contract import Visibility
from headscore.corpus.sequence import Sequence
from headscore.demo import demo_model
from headscore.errors import HeadscoreError, InputError
from headscore.sieves import parse_roles

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
        yield f"backend {backend}", reason or _runs(backend), backend == "cuda" or reason is None
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


def _runs(backend: str) -> str:
    return f"runs ({backends.cpu.instruction_set()})" if backend == "cpu" else "runs"


def _examine_model(name: str) -> Iterator[tuple[str, str, bool]]:
    try:
        loaded = model.load(name, dtype="float32")  # half precision would hide what differs
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


def _difference_to_eager(loaded: model.Model) -> float:
    """Score a few sentences through the hook and from the attentions of the eager model."""
    sequences = [Sequence.from_text(text, id=str(n)) for n, text in enumerate(_TEXTS)]
    encoded = encoding.encode(sequences, loaded.tokenizer, max_length=loaded.max_length)
    roles = parse_roles(_ROLES)
    ours = running.run(loaded, encoded, roles, batch_tokens=10**6).values
    attentions, visibility = _eager(loaded, encoded)
    theirs = score_attentions(
        attentions, encoded, roles, causal=visibility.causal, backend="reference"
    ).values
    both = torch.from_numpy(ours), torch.from_numpy(theirs)
    if (both[0].isnan() != both[1].isnan()).any():
        return float("inf")
    relative = (both[0] - both[1]).abs() / both[1].abs().clamp_min(1e-6)
    return float(relative.nan_to_num(0.0).max())


def _eager(loaded: model.Model, encoded: Any) -> tuple[tuple[torch.Tensor, ...], Visibility]:
    network = loaded.network
    before = network.config._attn_implementation
    network.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            out = network(
                **running.inputs(loaded, encoded), output_attentions=True, use_cache=False
            )
    finally:
        network.set_attn_implementation(before)
    first = out.attentions[0]
    return out.attentions, Visibility(bool((first.triu(1) == 0).all()))
