"""Options of loading a model, encoding sequences and scoring them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from headscore.declarations import Options, is_bool, option, or_none
from headscore.options.read import CorpusOptions

# Fact of a signature -> option of `RunOptions` that it records; absent where that is the default.
FACTS = {
    "weighted_by": "weights",
    "special": "special",
    "special_in_text": "special_in_text",
    "control": "control",
}
UNKNOWN = "unknown"  # the fact "weights" where no weight can be read
OFFSET = "offset"  # the control that every run has, and the first word of any other
CHUNK = 4096  # sequences, where `chunk` is None
_TOO_LONG = ("truncate", "skip", "error")
_SPECIAL_IN_TEXT = ("split", "keep")


def _is_control(value: object) -> bool:
    if not isinstance(value, str):
        return False
    first, *columns = value.split(",")
    plain = all(name and not re.search(r"\s", name) for name in columns)
    return first == OFFSET and plain and len(set(columns)) == len(columns)


@dataclass(frozen=True, kw_only=True)
class LoadOptions(Options):
    """How a model is loaded."""

    tokenizer: Any = option(
        None, "hub id or folder of a tokenizer, or a tokenizer", unset="the model's own"
    )
    max_length: int | None = option(
        None,
        "longest sequence in tokens, special tokens included",
        least=1,
        unset="what the model takes",
    )
    part: str = option(
        "auto",
        "part of the model that is scored; auto: the encoder of an encoder-decoder, the text part "
        "of a multimodal model, any other model itself; decoder and cross (cross-attention) read a "
        "corpus of text pairs, (source, target)",
        allowed=("auto", "text", "encoder", "decoder", "cross", "vision", "audio"),
    )
    device: str = option("auto", "torch device of a model loaded by name; auto: a GPU if any")
    dtype: str | None = option(
        None,
        "precision of a model loaded by name",
        allowed=(None, "float32", "bfloat16", "float16"),
        rule="be one of float32, bfloat16, float16",
        unset="the model's own",
    )


@dataclass(frozen=True, kw_only=True)
class BackendOptions(Options):
    """What computes."""

    backend: str = option(
        "auto", "what computes the scores", allowed=("auto", "cuda", "cpu", "reference")
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions(BackendOptions):
    """How sequences are encoded and scored."""

    chunk: int | None = option(
        None,
        "sequences that are read, parsed, encoded and scored at a time",
        least=1,
        unset="4096; fewer where a run has more shards than such chunks",
    )
    too_long: str = option(
        "truncate",
        "what happens to sequences longer than max_length",
        allowed=_TOO_LONG,
    )
    batch_tokens: int | None = option(
        None,
        "most tokens of a batch, padding included",
        least=1,
        unset="2048 on a CPU, 32768 elsewhere",
    )
    on_nonfinite: str = option(
        "error",
        "what happens to sequences whose attention holds NaN or Inf; skip: up to 1 % of them",
        allowed=("error", "skip"),
    )
    position: bool = option(
        True, "compare word pairs with entries at the same offset that hold no arc of the parse"
    )
    control: str = option(
        OFFSET,
        "what entries that word pairs are compared with have in common with them: the offset; or "
        "the offset and the labels of both words in columns of the corpus, as offset,upos",
        rule="be offset, or offset and names of columns, as in 'offset,upos'",
        accepts=_is_control,
    )
    weights: str = option(
        "attention",
        "what is scored; norm: attention times the norm of what each key adds to the head's "
        "output (Kobayashi et al. 2020, arXiv 2004.10102)",
        allowed=("attention", "norm"),
    )
    special: str = option(
        "keep",
        "special tokens; drop: score the attention among the other tokens alone",
        allowed=("keep", "drop"),
    )
    special_in_text: str = option(
        "split",
        "special tokens that a text spells, such as [MASK] or those of chat templates; split: into "
        "pieces like other text; keep: the model reads them as special tokens, to roles they are "
        "text",
        allowed=_SPECIAL_IN_TEXT,
    )

    @property
    def control_columns(self) -> tuple[str, ...]:
        """Names of the columns whose labels the matched control compares; none without it."""
        return tuple(self.control.split(",")[1:])

    def facts(self) -> dict[str, str]:
        """Return the entries of a signature for options that differ from their defaults."""
        # A class attribute of a dataclass is the default of its field.
        changed = [
            (fact, name)
            for fact, name in FACTS.items()
            if getattr(self, name) != getattr(RunOptions, name)
        ]
        return {fact: getattr(self, name) for fact, name in changed}


@dataclass(frozen=True, kw_only=True)
class HostOptions(Options):
    """Which processes do the work beside the model."""

    host_workers: int | None = option(
        None,
        "processes that encode and plan the next batches while the model runs; 0: none, the model "
        "waits for them",
        least=0,
        unset="by the cores, for a corpus of several chunks",
    )


@dataclass(frozen=True, kw_only=True)
class ProgressOptions(Options):
    """What is shown while something runs."""

    progress: bool | None = option(
        None,
        "show a progress bar on stderr",
        rule="be True, False or None",
        accepts=or_none(is_bool),
        unset="only on a terminal",
    )


@dataclass(frozen=True, kw_only=True)
class EncodeOptions(CorpusOptions):
    """What `headscore.encode` takes."""

    max_length: int | None = option(
        None,
        "longest sequence in tokens, special tokens included; no longer than the models take",
        least=1,
        unset="the limit of the tokenizer",
    )
    too_long: str = option(RunOptions.too_long, "as in `score`", allowed=_TOO_LONG)
    special_in_text: str = option(
        RunOptions.special_in_text, "as in `score`", allowed=_SPECIAL_IN_TEXT
    )
    word_places: bool = option(
        False, "keep which words and letters each token is of: from_word_pairs and from_spans ask"
    )
