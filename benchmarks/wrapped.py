"""Wrapped, offloaded and quantised models: scores against eager attention of the model inside.

Each row is an object that users have in place of a plain model: what `score` and `capture` give,
as the largest relative difference to the scores of eager attention, or the sentence that refuses
it. Rows whose package is not installed name it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headscore as hs
from headscore.errors import InputError
from headscore.model.unwrap import unwrapped

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from helpers import wrapped


def inputs() -> Iterator[Any]:
    """Yield each text as a batch: scales of dynamic quantisation are those of a batch."""
    for text in wrapped.TEXTS:
        yield wrapped.tokenizer()(text, return_tensors="pt")


def eager(model: Any) -> np.ndarray:
    """Return scores of the attention that a model returns."""
    model.set_attn_implementation("eager")
    values = []
    for given in inputs():
        with torch.no_grad():
            attentions = model(**given, output_attentions=True).attentions
        encoded = hs.Encoded.from_arrays(given["input_ids"].numpy())
        found = hs.score_attentions(attentions, encoded, wrapped.ROLES, causal=True)
        values.append(found.values)
    model.set_attn_implementation("sdpa")
    return np.concatenate(values)


def score(given: Any) -> np.ndarray:
    options = {"roles": wrapped.ROLES, "tokenizer": wrapped.tokenizer(), "batch_tokens": 1}
    return hs.score(given, wrapped.TEXTS, **options).values


def capture(given: Any) -> np.ndarray:
    called = given if isinstance(given, torch.nn.Module) else unwrapped(given)
    with torch.no_grad(), hs.capture(given, wrapped.ROLES) as run:
        for each in inputs():
            called(each["input_ids"])
    return run.scores().values


def result(run: Callable[[Any], np.ndarray], given: Any, want: np.ndarray) -> str:
    """Return the largest relative difference, or the sentence of an error."""
    try:
        found = run(given)
    except InputError as error:
        return f"sentence: {error}"
    return f"{np.nanmax(np.abs(found - want) / np.maximum(np.abs(want), 1e-6)):.1e}"


def rows(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each object, and the results of score and capture."""
    plain = eager(wrapped.model())

    def on_disk(inner: Any) -> Any:
        return wrapped.on_disk(inner, folder)

    offloaded = {"accelerate disk offload": (on_disk, "accelerate")}
    bridges = {"TransformerBridge": (lambda inner: bridge(inner, folder), "transformer_lens")}
    same = {**wrapped.WRAPPERS, **offloaded, **bridges}
    for name, (make, package, *_) in {**same, **wrapped.QUANTISED, **wrapped.REFUSED}.items():
        if find_spec(package) is None:
            yield name, f"{package} is not installed", ""
            continue
        given = wrapped.made(make)
        want = eager(given) if name in wrapped.QUANTISED else plain
        yield name, result(score, given, want), result(capture, given, want)


def bridge(inner: Any, folder: Path) -> Any:
    """Return a model as a TransformerBridge, which loads it from a folder."""
    from transformer_lens.model_bridge import TransformerBridge

    inner.save_pretrained(folder / "bridge")
    wrapped.tokenizer().save_pretrained(folder / "bridge")
    return TransformerBridge.boot_transformers(str(folder / "bridge"), device="cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="as without: the models are tiny")
    parser.parse_args()
    warnings.simplefilter("ignore")
    print("| object | score | capture |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder)):
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
