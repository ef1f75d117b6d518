"""The file that most tests here read or replace."""

import pytest
from helpers.stored import thing

from headscore import files


@pytest.fixture
def path(tmp_path):
    files.write(tmp_path / "a.hs", thing())
    return tmp_path / "a.hs"
