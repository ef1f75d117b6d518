"""Load a model with its tokenizer, and find its shape and limits."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from headscore.backends.contract import Visibility
from headscore.errors import InputError, UsageError, is_fault
from headscore.log import log
from headscore.model.devices import device_of, dtype_of
from headscore.model.lm_head import CAUSAL, MASKED, head_named
from headscore.model.names import check_name
from headscore.model.parts import PAIRED, Part, part_of
from headscore.model.route import Route, discover
from headscore.model.sizes import check_size
from headscore.model.token_ids import check_ids
from headscore.model.unwrap import unwrap
from headscore.options import LoadOptions

SEQ2SEQ = "seq2seq"
_LOADERS = {
    None: "AutoModel",
    CAUSAL: "AutoModelForCausalLM",
    MASKED: "AutoModelForMaskedLM",
    SEQ2SEQ: "AutoModelForSeq2SeqLM",
}
NO_LIMIT = 2**31 - 1  # largest `max_length` that tokenizers accept


@dataclass(frozen=True)
class Model:
    """A model ready to run.

    Attributes
    ----------
    network
        The transformers model that runs.
    part
        The part of it whose attention is scored.
    tokenizer
        Its tokenizer.
    name
        Hub id or path, with the revision where it is known.
    route
        How its attention is read.
    max_length
        Longest sequence in tokens, special tokens included.
    visibilities
        The visibility of each attention, by its number, as far as batches have shown it; windows as
        in long batches. Plans of the next batches are made for these ahead.
    """

    network: Any
    part: Part
    tokenizer: Any
    name: str
    route: Route
    max_length: int
    visibilities: dict[int, Visibility] = field(default_factory=dict, compare=False, repr=False)

    def facts(self) -> dict[str, str]:
        """Return the entry of a signature for a part that is not what a model of it would be."""
        name = self.part.name
        return {} if name in (None, "encoder") else {"part": str(name)}

    @property
    def layers(self) -> int:
        """Number of layers, with those that have no attention."""
        return self.route.depth

    @property
    def heads(self) -> int:
        """Number of heads of a layer, the most that any layer has."""
        return max(self.route.heads)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return device_of(self.network)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights."""
        return dtype_of(self.network)


def load_model(
    model: Any,
    options: LoadOptions = LoadOptions(),
    *,
    head: str | None = None,
    paired: bool = False,
) -> Model:
    """Load a model by name or path, or take a loaded one.

    Parameters
    ----------
    model
        Hub id, local folder, or a transformers model or what wraps one, see
        `headscore.model.unwrap`.
    options
        Its tokenizer, device and precision, and the longest sequence. A loaded model stays where
        it is.
    head
        Language-model head that a model is loaded with by name: "causal", "masked", or "auto", the
        one that its config names, if its weights are there; None: without. A loaded model stays as
        it is.
    paired
        Whether the part may be one that reads a source and a target.

    Raises
    ------
    UsageError
        A device, part or max_length that is not allowed, a device or dtype for a loaded model, or
        "meta" as torch's default device.
    InputError
        The model or its tokenizer cannot be loaded, weights are missing, or its attention cannot be
        read.
    """
    _check_part(options.part, paired=paired)
    _check_default_device()
    if isinstance(model, str | os.PathLike):
        name = os.fspath(model)
        head = SEQ2SEQ if options.part in PAIRED else head
        network = _load_network(name, _device(options.device), options.dtype, head)
    else:
        model, own_tokenizer = unwrap(model)
        if options.tokenizer is None:
            options = replace(options, tokenizer=own_tokenizer)
        name, network = _check_loaded(model, options)
    part = part_of(network, options.part)
    network = network if part.paired else part.network
    tokenizer = load_tokenizer(options.tokenizer, name)
    limit = _limit(part.network, tokenizer)
    max_length = options.max_length
    if max_length is not None and not 1 <= max_length <= limit:
        raise UsageError(f"max_length must lie in 1..{limit} for {name}, got {max_length}")
    _check_pad(tokenizer)
    revision = getattr(network.config, "_commit_hash", None)
    return Model(
        network=network,
        part=part,
        tokenizer=tokenizer,
        name=f"{name}@{revision}" if revision else name,
        route=discover(network, part),
        max_length=max_length or limit,
    )


def _check_part(part: str, *, paired: bool) -> None:
    """Raise UsageError for a part that cannot be scored on a corpus of texts, or not here."""
    if part in ("vision", "audio"):
        raise UsageError(
            f"part must be one that reads token ids, got {part!r}: headscore.capture scores it in "
            "passes of your own"
        )
    if part in PAIRED and not paired:
        raise UsageError(f"part must be auto, encoder or text here, got {part!r}")


def _check_default_device() -> None:
    """Raise UsageError where new tensors have no data, so that nothing could run."""
    if torch.empty(0).is_meta:
        raise UsageError(
            "torch's default device must be one that holds data, got 'meta' "
            "(torch.set_default_device)"
        )


def _load_network(name: str, device: torch.device, dtype: str | None, head: str | None) -> Any:
    check_name(name)
    try:
        found = _named_head(name) if head == "auto" else head
        network, lacking = _with_head(name, dtype, found)
        if head == "auto" and found is not None and _random(lacking):
            log.warning(
                "the config.json of %s names a language-model head, but its weights are missing or "
                "of another shape: it is loaded without the head",
                name,
            )
            network, lacking = _with_head(name, dtype, None)
    except Exception as error:  # of any kind: from the hub, its files, config or weights
        raise InputError(f"cannot load the model {name!r}: {_why(error)}") from error
    _check_weights(name, lacking)
    for key in lacking:
        network.state_dict()[key].zero_()  # not random: each process gives the model the same hash
    return network.to(device)


def _with_head(name: str, dtype: str | None, head: str | None) -> tuple[Any, set[str]]:
    """Return a model with a head, and the weights that transformers initialized at random."""
    import transformers

    loader = getattr(transformers, _LOADERS[head])
    check_size(name, loader)
    network, report = loader.from_pretrained(
        name,
        use_safetensors=True,
        trust_remote_code=False,
        ignore_mismatched_sizes=True,  # the report names them
        output_loading_info=True,
        **({} if dtype is None else {"dtype": getattr(torch, dtype)}),
    )
    return network, {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}


def _named_head(name: str) -> str | None:
    """Return the language-model head that the config of a model names; None for any other."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(name, trust_remote_code=False)
    if getattr(config, "is_encoder_decoder", False):
        return None  # its encoder is used, which has no head
    return head_named(config.architectures or ())


def _check_weights(name: str, lacking: set[str]) -> None:
    """Raise InputError for weights that transformers initialized at random."""
    random = _random(lacking)
    if random:
        raise InputError(
            f"the weights of {name!r} must be those that its config.json describes, got "
            f"{len(random)} missing or of another shape, such as {random[0]}"
        )


def _random(lacking: set[str]) -> list[str]:
    """Return weights that were drawn, without poolers: scores do not depend on these."""
    return sorted(key for key in lacking if "pooler" not in key)


def _check_loaded(model: Any, options: LoadOptions) -> tuple[str, Any]:
    if not hasattr(model, "config") or not hasattr(model, "set_attn_implementation"):
        raise InputError(
            f"model must be a hub id, a folder or a transformers model, got {type(model).__name__}"
        )
    if options.dtype is not None or options.device != LoadOptions.device:
        raise UsageError(
            "device and dtype must be left out where the model is loaded already (move it "
            f"yourself), got device={options.device!r}, dtype={options.dtype!r}"
        )
    name = getattr(model, "name_or_path", "")
    if options.tokenizer is None and not name:
        raise InputError(
            f"{type(model).__name__} does not say where its tokenizer is: pass one as tokenizer"
        )
    return name or type(model).__name__, model


def load_tokenizer(tokenizer: Any, name: str = "") -> Any:
    """Return a tokenizer, loaded where it is given by its name; None: that of the model `name`.

    Raises
    ------
    InputError
        It cannot be loaded, or is no tokenizer.
    """
    if tokenizer is not None and not isinstance(tokenizer, str | os.PathLike):
        if not hasattr(tokenizer, "model_max_length"):
            raise InputError(
                "tokenizer must be a hub id, a folder or a transformers tokenizer, "
                f"got {type(tokenizer).__name__}"
            )
        return tokenizer
    from transformers import AutoTokenizer

    source = name if tokenizer is None else os.fspath(tokenizer)
    try:
        loaded = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        check_ids(loaded, source)
    except BaseException as error:  # of any kind, as for the model
        if not is_fault(error):
            raise
        raise InputError(
            f"cannot load the tokenizer of {source!r}: {_why(error)}; pass one as tokenizer"
        ) from error
    # transformers makes an empty tokenizer, of special tokens only, where there are no files.
    if len(loaded) <= len(loaded.all_special_ids):
        raise InputError(f"{source!r} holds no vocabulary of a tokenizer: pass one as tokenizer")
    return loaded


def _why(error: BaseException) -> str:
    """Return a loading error of transformers as one sentence."""
    text = " ".join(str(error).split())
    if "trust_remote_code" in text:
        return "it needs code from the hub, which is never run here (trust_remote_code=False)"
    if kind := re.search("for this kind of AutoModel: ([A-Za-z]+)", text):
        return f"transformers has no {kind[1]} for its config.json"
    if isinstance(error, MemoryError) or "can't allocate memory" in text:
        return "there is not enough memory for the network that its config.json describes"
    if text.startswith("Repo id must"):
        return "there is no such folder, and it is no hub id"
    if "file named model.safetensors" in text:
        return (
            "it has no safetensors weights, and pickled ones are not opened here "
            "(use_safetensors=True): convert it with save_pretrained"
        )
    return text.split(". ")[0].rstrip(".") or type(error).__name__


def _device(device: str) -> torch.device:
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)  # a name may be valid where the device is not there
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0].split(" - got ")[0].rstrip(".:")
        raise UsageError(
            f"device must be auto or one that torch has here, got {device!r} ({reason})"
        ) from error
    return chosen


def _limit(network: Any, tokenizer: Any) -> int:
    """Return the longest sequence that both position embeddings and tokenizer allow."""
    limits = [NO_LIMIT, _tokenizer_limit(tokenizer)]
    try:
        positions = getattr(network.config, "max_position_embeddings", None)
    except NotImplementedError:  # XLNet: relative positions, no limit
        positions = None
    if isinstance(positions, int) and positions > 0:
        base = getattr(network, "base_model", network)
        table = getattr(getattr(base, "embeddings", None), "position_embeddings", None)
        # RoBERTa counts positions from padding_idx + 1 on: a table of 514 serves 512 tokens.
        padding = getattr(table, "padding_idx", None)
        limits.append(positions if padding is None else positions - padding - 1)
    return min(limits)


def _tokenizer_limit(tokenizer: Any) -> int:
    limit = tokenizer.model_max_length
    if not isinstance(limit, int | float) or not limit >= 1:  # NaN is not
        raise InputError(
            f"model_max_length of the tokenizer must be a number of at least 1, got {limit!r}"
        )
    return int(min(limit, NO_LIMIT))


def _check_pad(tokenizer: Any) -> None:
    if pad_id(tokenizer) is None:
        raise InputError("the tokenizer has neither a pad nor an eos token to pad batches with")
    if tokenizer.pad_token_id is None:
        log.warning("the tokenizer has no pad token: batches are padded with eos and masked")


def count_gpus() -> int:
    """Return the number of GPUs that torch can use."""
    return torch.cuda.device_count()


def pad_id(tokenizer: Any) -> int | None:
    """Return the token id that pads batches: that of pad, else that of eos."""
    pad = tokenizer.pad_token_id
    found: int | None = tokenizer.eos_token_id if pad is None else pad
    return found
