"""Find the spans of the words of a sentence in its text."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from itertools import accumulate, pairwise
from typing import NoReturn

Span = tuple[int, int]


class DisagreementError(Exception):
    """The text and the words of a sentence differ."""


def place_tokens(forms: Many[str], spaced: Many[bool], text: str | None) -> tuple[str, list[Span]]:
    """Return the text of a sentence and the span of each surface token in it.

    Parameters
    ----------
    forms
        The surface tokens, at least one.
    spaced
        For each token whether white space follows it.
    text
        The text if known; None joins the tokens. It may end in one white space more, and may have
        any white space where one is due.

    Returns
    -------
    text : str
    spans : list of (start, end)
        In characters of `text`.

    Raises
    ------
    DisagreementError
        `text` has other characters; the message shows the first.
    """
    pieces = [form + " " if space else form for form, space in zip(forms, spaced, strict=True)]
    pieces[-1] = forms[-1]
    joined = "".join(pieces)
    if text is None or text == joined:
        # `ends` begins with 0 and has one number more than there are forms: the starts of the
        # tokens.
        ends = accumulate(map(len, pieces), initial=0)
        return joined, [
            (start, start + len(form)) for start, form in zip(ends, forms, strict=False)
        ]
    text = text[:-1] if text[-1:].isspace() else text
    return text, _find_tokens(forms, spaced, text)


def spaces_in(text: str | None, forms: Many[str]) -> list[bool]:
    """Return for each token whether white space follows it in a text; without a text, always."""
    spaced, at = [], 0
    for form in forms:
        # Where the text differs from the forms, `place_tokens` finds it.
        while text is not None and text[at : at + 1].isspace() and not text.startswith(form, at):
            at += 1
        at += len(form)
        spaced.append(text is None or text[at : at + 1].isspace())
    return spaced


def split_span(span: Span, surface: str, forms: Many[str]) -> Iterable[Span]:
    """Return the span of each word of a surface token.

    Words that spell the token share its characters out; otherwise ("du" = "de" + "le") each has
    the whole token.
    """
    # "cannot" = "can" + "not": spans (0, 3) and (3, 6). "du" = "de" + "le": both have (0, 2).
    if "".join(forms) != surface:
        return [span] * len(forms)
    return pairwise(accumulate(map(len, forms), initial=span[0]))


def _find_tokens(forms: Many[str], spaced: Many[bool], text: str) -> list[Span]:
    spans: list[Span] = []
    at = 0
    space_due = False
    for form, space in zip(forms, spaced, strict=True):
        if space_due:
            at = _skip_space(text, at, form)
        if not text.startswith(form, at):
            _disagree(text, at, form)
        spans.append((at, at + len(form)))
        at += len(form)
        space_due = space
    if at < len(text):
        _disagree(text, at, "")
    return spans


def _skip_space(text: str, at: int, form: str) -> int:
    """Return where `form` starts after at least one white space."""
    if not text[at : at + 1].isspace():
        _disagree(text, at, " ")
    at += 1
    # A form may begin with white space itself (a no-break space): stop before it.
    while text[at : at + 1].isspace() and not text.startswith(form, at):
        at += 1
    return at


def _disagree(text: str, at: int, due: str) -> NoReturn:
    """Raise DisagreementError: `text` does not have `due` at `at`."""
    # The common prefix of what is due and what is there, so that the message shows the difference.
    same = 0
    while same < len(due) and text[at + same : at + same + 1] == due[same]:
        same += 1
    there = repr(text[at + same]) if at + same < len(text) else "the end"
    wanted = repr(due[same]) if same < len(due) else "the end"
    raise DisagreementError(
        f"the text and the words must agree, got {there} in '# text' but {wanted} in the words "
        f"at character {at + same + 1}"
    )
