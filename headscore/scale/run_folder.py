"""The folder of a run in shards: run.json, and a file for each finished shard.

run.json        the fingerprint of the run, where its shards begin, and a digest of both
shard-00000.hs  the scores of a shard, under the same fingerprint
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headscore import files
from headscore.corpus.naming import CORPUS_NAME, named
from headscore.errors import IncompleteError, InputError
from headscore.roles.presence import Presence
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.head_scores import LAYOUT, HeadScores
from headscore.scores.parts import Part

_KIND = "shard"
_LAYOUTS = {
    (_KIND, files.FORMAT_VERSION): {
        name: each._replace(optional=True) for name, each in LAYOUT.items()
    }
}
# A shard's file has the facts of the run's fingerprint and these of its own; the first three are
# checked against run.json.
_OWN = (
    "shard",
    "start",
    "stop",
    "chunks",
    "seen",
    CORPUS_NAME,
)  # facts of a shard beside the fingerprint
# Raised when the meaning of run.json changes: an older folder is refused, not misread.
_FORMAT = "headscore run 3"
_UNSEALED = "headscore run 2"  # without a digest
_NEEDED = {"roles", "pairs", "of_sets", "chunk"}  # of a fingerprint


@dataclass(frozen=True)
class Run:
    """A run in shards.

    Attributes
    ----------
    folder
        Where its files are.
    fingerprint
        Every fact and option that the scores depend on.
    bounds
        First sequence of each shard, then the number of sequences: shard i has the sequences
        ``bounds[i] .. bounds[i + 1] - 1``.
    """

    folder: Path
    fingerprint: Mapping[str, str]
    bounds: tuple[int, ...]

    @property
    def shards(self) -> range:
        """The numbers of the shards."""
        return range(len(self.bounds) - 1)

    @property
    def chunk(self) -> int:
        """Sequences of a chunk."""
        return int(self.fingerprint["chunk"])

    @property
    def manifest(self) -> Path:
        """run.json of the folder."""
        return self.folder / "run.json"

    def path(self, shard: int) -> Path:
        """Return the file of a shard."""
        return self.folder / f"shard-{shard:05}.hs"

    def missing(self, first: int | None = None) -> list[int]:
        """Return the shards, or of the first ones, that have no file."""
        return [shard for shard in self.shards[:first] if not self.path(shard).exists()]


def start_run(run: Run) -> None:
    """Create the folder of a run, or validate an existing one to resume it.

    Raises
    ------
    InputError
        The folder holds another run, or cannot be written to.
    """
    files.make_folder(run.folder)
    files.sweep(run.folder)
    if (known := find_run(run.folder)) is not None:
        files.check_same(run.manifest, known.fingerprint, run.fingerprint)
        return
    content = {
        "format": _FORMAT,
        "fingerprint": dict(run.fingerprint),
        "bounds": list(run.bounds),
    }
    files.write_text(run.manifest, json.dumps(files.sealed(content), indent=1))


def find_run(folder: Path) -> Run | None:
    """Return the run of a folder, or None where it holds none; raises as `read_run`."""
    try:
        exists = (folder / "run.json").exists()
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror})") from error
    return read_run(folder) if exists else None


def read_run(folder: Path) -> Run:
    """Read run.json of a folder; raise InputError if it is missing or damaged."""
    path = folder / "run.json"
    try:
        content = files.read_json(path)
    except InputError as error:
        raise InputError(f"{folder}: holds no run in shards ({error})") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: damaged, or of another version") from error
    try:
        fingerprint, bounds = content["fingerprint"], content["bounds"]
        # bounds == sorted({0, *bounds}): they begin with 0 and rise strictly.
        whole = (
            _has_digest(content)
            and all(isinstance(text, str) for text in fingerprint.values())
            and fingerprint.keys() >= _NEEDED
            and int(fingerprint["chunk"]) > 0
            and all(isinstance(bound, int) for bound in bounds)
            and len(bounds) > 1
            and bounds == sorted({0, *bounds})
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: damaged, or of another version") from error
    if not whole:
        raise InputError(f"{path}: damaged, or of another version")
    return Run(folder, fingerprint, tuple(bounds))


def _has_digest(content: Mapping[str, Any]) -> bool:
    """Return whether the content of a run.json is undamaged, as far as its format can show."""
    if content["format"] == _UNSEALED:
        return "sha256" not in content  # a newer file of which one letter changed
    return content["format"] == _FORMAT and files.is_sealed(content)


def check_in_place(run: Run) -> None:
    """Raise InputError where the folder of a run that goes on now holds another run, or none."""
    found = read_run(run.folder)
    files.check_same(run.manifest, found.fingerprint, run.fingerprint)  # which decide the bounds


def roles_of(run: Run) -> tuple[Role, ...]:
    """Return the roles of a run, with whether each came by its name or with a set."""
    of_sets = run.fingerprint["of_sets"].split(",")
    roles = parse_roles(run.fingerprint["roles"])
    return tuple(replace(role, from_set=role.name in of_sets) for role in roles)


def write_shard(run: Run, shard: int, part: Part) -> None:
    """Write the file of a shard atomically.

    Raises
    ------
    InputError
        It cannot be written; or another folder was put in the place of the run's meanwhile.
    """
    check_in_place(run)
    start, stop = run.bounds[shard : shard + 2]
    own = {"shard": str(shard), "start": str(start), "stop": str(stop)}
    facts = {**run.fingerprint, **own, "seen": part.presence.to_json()}
    # No sequence of the shard was usable: a file without arrays marks the shard as done.
    if part.scores is None:
        stored = files.Stored(
            kind=_KIND, roles=(), facts={**facts, "chunks": ""}, counts=part.counts, arrays={}
        )
    else:
        # The hash of each chunk, with commas: the merge hashes those of all shards together.
        facts["chunks"] = part.scores.facts["corpus"]
        facts |= _name(part.scores.facts)
        stored = replace(part.scores.stored(), kind=_KIND, facts=facts, counts=part.counts)
    files.write(run.path(shard), stored, swept=True)  # by `start_run`


def read_shard(run: Run, shard: int) -> Part:
    """Read the file of a shard.

    Raises
    ------
    InputError
        It cannot be read, is damaged, of another run, or of another stretch of the corpus.
    """
    path = run.path(shard)
    try:
        # Before safetensors, which calls each file that it cannot open missing: too many open files
        # are no reason to delete a shard.
        if path.is_file():  # to open a pipe may never end: the reader refuses it
            path.open("rb").close()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        stored = files.read(path, _LAYOUTS)
    except InputError as error:
        raise InputError(f"{error}; delete it to have the shard computed again") from error
    facts = dict(stored.facts)
    own = {name: facts.pop(name, "") for name in _OWN}
    files.check_same(path, facts, run.fingerprint)
    want = tuple(map(str, (shard, *run.bounds[shard : shard + 2])))
    if tuple(own[name] for name in _OWN[:3]) != want:
        raise InputError(
            f"{path}: must hold shard {want[0]}, sequences {want[1]} to {want[2]}, but holds shard "
            f"{own['shard']}, sequences {own['start']} to {own['stop']}"
        )
    try:
        presence = Presence.from_json(own["seen"])
        if "values" not in stored.arrays:
            return Part(None, stored.counts, presence)
        signed = {**_signed(facts), "corpus": own["chunks"]}
        scores = HeadScores.from_stored(replace(stored, facts=named(signed, _name(own))))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error
    return Part(replace(scores, counts={}), stored.counts, presence)


def read_parts(run: Run, first: int | None = None) -> Iterator[Part]:
    """Yield the parts of all shards, or of the first ones, in order.

    Raises
    ------
    IncompleteError
        Shards are missing.
    InputError
        A file is damaged, of another run, or of no shard of this run.
    """
    if missing := run.missing(first):
        raise IncompleteError(
            f"{run.folder}: {len(missing)} of {len(run.shards)} shards are missing: "
            f"{listed(missing)}"
        )
    # A file of another run with more shards would otherwise be left out without notice.
    names = {run.path(shard).name for shard in run.shards}
    for path in sorted(run.folder.glob("shard-*.hs")):
        if path.name not in names:
            raise InputError(f"{path}: no shard of this run, which has {len(run.shards)}")
    for shard in run.shards[:first]:
        yield read_shard(run, shard)


def listed(shards: list[int]) -> str:
    """Return the numbers of shards as a text, at most 20 of them."""
    return ", ".join(map(str, shards[:20])) + (", ..." if len(shards) > 20 else "")


def _name(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the name of the corpus, if it has one."""
    return {CORPUS_NAME: facts[CORPUS_NAME]} if facts.get(CORPUS_NAME) else {}


def _signed(fingerprint: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a fingerprint that are in a signature: those before ``pairs``."""
    # JSON and dict keep the order in which `shards._fingerprint` writes the fields.
    names = list(fingerprint)
    return {name: fingerprint[name] for name in names[: names.index("pairs")]}
