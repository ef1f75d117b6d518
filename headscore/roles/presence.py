"""Seen: what a corpus was seen to hold and to lack, so that parts of it add up to the whole."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from headscore.encoding.encoded import Encoded
from headscore.roles import specs as sieves
from headscore.roles.specs import Role


@dataclass
class Seen:
    """What was seen of a corpus so far.

    Attributes
    ----------
    absent
        Why no sequence takes part in a role, by its name; None until something was seen.
    parsed
        Whether anything was parsed when it was scored.
    unparsed
        Whether anything came without a parse, and a parser had to find one.
    """

    absent: dict[str, str] | None = None
    parsed: bool = False
    unparsed: bool = False

    @classmethod
    def of(cls, roles: tuple[Role, ...], encoded: Encoded) -> Seen:
        """Look at a chunk."""
        return cls(sieves.absent(roles, encoded), encoded.parsed)

    def add(self, later: Seen) -> None:
        """Take what was seen of the next part into account."""
        if later.absent is not None:
            known = later.absent if self.absent is None else self.absent
            self.absent = {name: known[name] for name in known if name in later.absent}
        self.parsed |= later.parsed
        self.unparsed |= later.unparsed

    def wait(self, n_segments: int) -> None:
        """Note how many segments came without a parse."""
        self.unparsed |= n_segments > 0

    def as_text(self) -> str:
        """Return it as a file can hold it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Seen:
        """Make it of what `as_text` returned; raises ValueError or TypeError of anything else."""
        seen = cls(**json.loads(text))
        absent = {} if seen.absent is None else seen.absent
        if not all(isinstance(each, str) for each in absent.values()):
            raise TypeError(f"absent must be texts by name, got {absent}")
        return seen
