"""The logger of the package: warnings a user should see, never more than a sentence."""

from __future__ import annotations

import logging

log = logging.getLogger("headscore")
