"""The folder of an experiment: its pilot, and a file for each finished arm.

pilot.hs      the facts of the experiment, and what its pilot found
arm-0003.hs   the values of an arm, under the same facts
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from headscore import files
from headscore.causal.arms import Arm, Finished
from headscore.causal.pilot import LAYOUT as PILOT
from headscore.causal.pilot import Pilot
from headscore.causal.stored import LAYOUT as VALUES
from headscore.causal.stored import from_arrays, to_arrays
from headscore.causal.values import EffectValues
from headscore.errors import InputError

_PILOT, _ARM = "pilot", "arm"
_PILOT_FILE = "pilot.hs"
_LAYOUTS: files.Layouts = {
    (_PILOT, files.FORMAT_VERSION): PILOT,
    (_ARM, files.FORMAT_VERSION): VALUES,
}


@dataclass(frozen=True)
class ArmFolder:
    """The folder of an experiment.

    Attributes
    ----------
    path
        Where its files are.
    facts
        Every fact and option that the values depend on.
    """

    path: Path
    facts: Mapping[str, str]

    def start(self) -> None:
        """Create the folder, or check that it belongs to this experiment; raises InputError."""
        files.make_folder(self.path)
        files.sweep(self.path)
        # Not every *.hs: the folder may hold scores or a report too.
        for path in (self.path / _PILOT_FILE, *sorted(self.path.glob(_name("*")))):
            self._read(path)

    def pilot(self) -> Pilot | None:
        """Return the pilot; None: it has not run."""
        stored = self._read(self.path / _PILOT_FILE)
        return None if stored is None else Pilot.from_arrays(stored.arrays)

    def write_pilot(self, pilot: Pilot) -> None:
        """Write the pilot; raises InputError."""
        self._write(_PILOT_FILE, files.Stored(_PILOT, (), self.facts, {}, pilot.arrays()))

    def arm(self, number: int, arm: Arm) -> Finished | None:
        """Return what arm `number` has found; None: it has not run."""
        path = self.path / _name(f"{number:04}")
        stored = self._read(path)
        if stored is None:
            return None
        values = from_arrays(stored.arrays, stored.roles, stored.facts, stored.counts)
        (found,) = values.arms
        if not arm.is_of(found):
            raise InputError(f"{path}: must hold {arm}, got another arm")
        return Finished(found, stored.counts["left_alone"])

    def write_arm(self, number: int, finished: Finished, values: EffectValues) -> None:
        """Write what arm `number` has found, with the sequences of `values`.

        Raises
        ------
        InputError
            It cannot be written; or another folder was put in the place of this one meanwhile.
        """
        if self._read(self.path / _PILOT_FILE) is None:
            raise InputError(f"{self.path}: holds no {_PILOT_FILE} any more")
        arrays = to_arrays(replace(values, arms=(finished.values,)))
        counts = {"left_alone": finished.left_alone}
        stored = files.Stored(_ARM, (finished.values.role,), self.facts, counts, arrays)
        self._write(_name(f"{number:04}"), stored)

    def _write(self, name: str, stored: files.Stored) -> None:
        files.write(self.path / name, stored)

    def _read(self, path: Path) -> files.Stored | None:
        """Return the content of a file; None where there is none; raise for another run's."""
        if not path.exists():
            return None
        try:
            stored = files.read(path, _LAYOUTS)
        except InputError as error:
            raise InputError(f"{error}; delete it to have it computed again") from error
        files.check_same(path, stored.facts, self.facts)
        return stored


def _name(number: str) -> str:
    return f"arm-{number}.hs"
