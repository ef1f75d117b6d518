"""A file of a made-up kind, its layouts, and its bytes."""

import numpy as np

from headscore import files

LAYOUT = {
    "values": files.Field("float32", "sr"),
    "tokens": files.Field("uint64", "s", optional=True),
    "texts": files.Field("uint8", "t"),
}
LAYOUTS = {("thing", 1): {"old": files.Field("bool", "o")}, ("thing", 2): LAYOUT}


def thing(**changes):
    """The content of a file, with some parts changed."""
    parts = {
        "kind": "thing",
        "roles": ("local", "bl<o>ck", "\u202eevil", "\ud800"),
        "facts": {"model": "a|b\n", "dtype": "float32"},
        "counts": {"skipped": 3},
        "arrays": {
            "values": np.arange(12, dtype=np.float32).reshape(3, 4),
            "tokens": np.array([2**64 - 1, 0, 7], dtype=np.uint64),
            "texts": files.pack(["a", None, "\ud800é"]),
        },
    }
    return files.Stored(**{**parts, **changes})
