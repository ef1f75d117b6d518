"""When the command began: this module is the first one of the package that it imports."""

import time

BEGUN = time.perf_counter()
