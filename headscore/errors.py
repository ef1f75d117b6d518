"""Errors of headscore; each message is one sentence: the argument, the rule, the value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from pathlib import Path


class HeadscoreError(ValueError):
    """Base of every error that headscore raises on purpose."""

    exit_code = 3

    def __str__(self) -> str:
        return escaped(super().__str__())


class UsageError(HeadscoreError):
    """An argument or option has a value that is not allowed."""

    exit_code = 2


class InputError(HeadscoreError):
    """A corpus, model or file cannot be used as it is."""

    exit_code = 3


class BackendError(HeadscoreError):
    """A backend selected by name cannot run here."""

    exit_code = 2


class IncompleteError(HeadscoreError):
    """A run ended before every sequence was scored."""

    exit_code = 4


def escaped(text: str) -> str:
    r"""Return a text with unprintable characters as ``\u{...}``: a terminal would obey them."""
    # Ids, roles and facts come from files of others.
    return "".join(c if c.isprintable() else f"\\u{{{ord(c):x}}}" for c in text)


def unknown_name(rule: str, name: str, names: Sequence[str]) -> str:
    """Return the error sentence for an unknown name, with the nearest known names."""
    # Without a similar name all names are listed.
    nearest = get_close_matches(str(name), names, n=3) or list(names)
    return f"{rule}, got {name!r}; nearest: {', '.join(map(repr, nearest))}"


def near_file(path: Path, accepts: Callable[[Path], bool] = lambda _: True) -> str:
    """Return the accepted file or folder of a similar name beside a path, "" for none."""
    try:
        names = [each.name for each in path.parent.iterdir() if accepts(each)]
    except (OSError, ValueError):
        return ""
    near = get_close_matches(path.name, names, n=1)
    return str(path.parent / near[0]) if near else ""


def is_fault(error: BaseException) -> bool:
    """Return whether an error is one of the code that ran, and no request to stop.

    A panic of a Rust library, such as tokenizers, is no `Exception`.
    """
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def one_line(error: BaseException) -> str:
    """Return the text of an error of other code on one line, or the name of its type."""
    return " ".join(str(error).split()) or type(error).__name__
