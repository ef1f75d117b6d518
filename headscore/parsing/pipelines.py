"""Find, identify and run spaCy pipelines."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headscore.corpus.sequence import Segment
from headscore.corpus.spacy_doc import read_doc
from headscore.errors import InputError
from headscore.parsing.names import why_missing

# Components whose output is not used; an unknown component stays on, since the parser may need it.
_NOT_NEEDED = ("entity_linker", "spancat", "span_ruler", "textcat", "textcat_multilabel")
# Components that run only for labels: entities, and all others, which are made from one another.
_ENTITIES = ("entity_ruler", "ner")
_TAGS = ("attribute_ruler", "lemmatizer", "morphologizer", "tagger", "trainable_lemmatizer")
_BATCH = 64  # documents of one step of the pipeline


@dataclass(frozen=True)
class Parser:
    """A parser that may not be loaded yet.

    Attributes
    ----------
    source
        Name or path of a spaCy pipeline, or a loaded one.
    description
        Its name and version.
    identity
        Name, version and a hash of its files; None for a loaded pipeline, which may differ from its
        files.
    """

    source: Any
    description: str
    identity: str | None


def find_parser(parser: Any) -> Parser:
    """Find a spaCy pipeline by name or path without loading it, or take a loaded one.

    Raises
    ------
    InputError
        There is no such pipeline, or it has no dependency parser.
    """
    # Metadata and a hash of the files identify a pipeline without loading it: where all parses are
    # in the cache, it is never loaded.
    folder = _folder(parser) if isinstance(parser, str | os.PathLike) else None
    if folder is None:
        return Parser(parser, describe(load_parser(parser).meta), None)
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        _check_components(meta["pipeline"])
        return Parser(parser, describe(meta), f"{describe(meta)}+{_hash_files(folder)}")
    except InputError:
        raise
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return Parser(parser, describe(load_parser(parser).meta), None)
    except OSError as error:  # without an identity no parse would be kept, and nothing said of it
        reason = error.strerror or error
        raise InputError(f"cannot read the spaCy pipeline {str(parser)!r}: {reason}") from error


def check_parser(parser: Any) -> None:
    """Raise InputError for a name or path of no pipeline, without loading spaCy."""
    if isinstance(parser, str | os.PathLike) and _folder(parser) is None:
        raise InputError(why_missing(str(parser)))


def relations_of(parser: Any) -> tuple[str, ...] | None:
    """Return the relations that a pipeline gives, from its metadata; None where these lack them."""
    if not isinstance(parser, str | os.PathLike):
        meta = getattr(parser, "meta", None)
    else:
        folder = _folder(parser)
        try:
            meta = None if folder is None else json.loads((folder / "meta.json").read_bytes())
        except (OSError, ValueError):
            return None
    try:
        return tuple(map(str, meta["labels"]["parser"])) or None  # type: ignore[index]
    except (KeyError, TypeError):
        return None


def load_parser(parser: Any) -> Any:
    """Load a spaCy pipeline by name or path, or take a loaded one.

    Raises
    ------
    InputError
        There is no such pipeline, or it has no dependency parser.
    """
    import spacy

    pipeline = parser
    if isinstance(parser, str | os.PathLike):
        try:
            pipeline = spacy.load(parser)
        except (OSError, ValueError, ImportError) as error:
            if _folder(parser) is None:
                raise InputError(why_missing(str(parser))) from error
            reason = " ".join(str(error).split()).split(". ")[0]
            raise InputError(f"cannot load the spaCy pipeline {str(parser)!r}: {reason}") from error
    if not hasattr(pipeline, "pipe_names"):
        raise InputError(
            "parser must be the name or path of a spaCy pipeline, or a loaded one, "
            f"got {type(pipeline).__name__}"
        )
    _check_components(pipeline.pipe_names)
    return pipeline


def describe(meta: Any) -> str:
    """Return the name and version of a pipeline from its metadata."""
    return f"{meta.get('lang')}_{meta.get('name')}@{meta.get('version')}"


def parse_segments(
    segments: Iterable[Segment], pipeline: Any, labels: tuple[str, ...] = ()
) -> list[Segment]:
    """Parse segments; those with words keep them, texts are split by the pipeline.

    `labels` are those of words to read from the pipeline, see `headscore.corpus.spacy_doc`.

    Raises
    ------
    InputError
        A text longer than the pipeline takes.
    """
    segments = list(segments)
    docs = pipeline.pipe(
        [_doc(segment, pipeline) for segment in segments],
        batch_size=_BATCH,
        disable=[name for name in _unused(labels) if name in pipeline.pipe_names],
    )
    return [_with_parse(segment, doc, labels) for segment, doc in zip(segments, docs, strict=True)]


def _unused(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return the components whose output is not used for some labels."""
    asked = {name.lower() for name in labels}
    entities = _ENTITIES if not {"entity", "*"} & asked else ()
    # Patterns of an entity ruler may ask for tags and lemmas.
    return (*_NOT_NEEDED, *entities, *(() if asked else _TAGS))


def _folder(name: str | os.PathLike[str]) -> Path | None:
    """Return the folder of a pipeline, installed as a package or anywhere else."""
    if not str(name):
        return None
    path = Path(name)
    if path.is_dir():
        return path
    try:
        spec = importlib.util.find_spec(str(name))
    except (ImportError, ValueError):
        return None
    places = None if spec is None else spec.submodule_search_locations
    return Path(places[0]) if places else None


def _hash_files(folder: Path) -> str:
    """Return a hash of the names and contents of a pipeline's files, without __pycache__."""
    # Sorted, as the order of a directory differs by file system. The zero byte ends a name.
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(folder.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()


def _check_components(names: Any) -> None:
    if "parser" not in names:
        raise InputError(
            f"the pipeline must have a component named parser, got {', '.join(names) or 'none'}"
        )


def _doc(segment: Segment, pipeline: Any) -> Any:
    """Return a segment as the document to parse."""
    if segment.words is None or segment.spans is None:
        if len(segment.text) > pipeline.max_length:
            raise InputError(
                f"a text must have at most {pipeline.max_length} characters to be parsed, "
                f"got {len(segment.text)}"
            )
        return pipeline.make_doc(segment.text)
    from spacy.tokens import Doc

    # Given words are not split again. A space follows a word where the next one starts behind its
    # end; after the last word there is none (its own end stands in for the next start).
    ends = [end for _, end in segment.spans]
    starts = [start for start, _ in segment.spans[1:]]
    spaces = [start > end for end, start in zip(ends, [*starts, *ends[-1:]], strict=True)]
    return Doc(pipeline.vocab, words=list(segment.words), spaces=spaces)


def _with_parse(segment: Segment, doc: Any, labels: tuple[str, ...]) -> Segment:
    # The text of a document made of given words can differ from the segment's, for instance in its
    # white space: text and spans remain those of the segment.
    parsed = read_doc(doc, labels=labels)
    found = parsed.labels or {}
    if "*" not in labels:  # without those that are read from any document
        found = {name: each for name, each in found.items() if name in labels}
    spans = parsed.spans if segment.spans is None else segment.spans
    return replace(parsed, text=segment.text, spans=spans, labels=found or None)
