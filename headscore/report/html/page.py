"""Render templates, with style and script, as one self-contained page."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2
from markupsafe import Markup

from headscore.report.html.marks import MARKERS
from headscore.report.wording import format_pvalue, number
from headscore.scores.signature import printable_once


def render(template: str, context: dict[str, Any], data: dict[str, Any] | None = None) -> str:
    """Return a page: a template with its context, style, script and data.

    Everything in the context is escaped. The page has its own style and script, and a
    Content-Security-Policy that allows these by their hashes and nothing else: the page makes no
    request, and no text of the context can run.

    Parameters
    ----------
    template
        Name of a file in ``templates``.
    context
        Values of the template's variables.
    data
        Data of the page's script, written as JSON.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; "
        f"script-src {_hash(script)}; base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template(template)
        .render(
            **context, policy=policy, style=Markup(style), script=Markup(script), data=_json(data)
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("headscore.report.html"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"name": printable_once, "p": format_pvalue, "number": number}
    environment.globals["markers"] = MARKERS
    return environment


@cache
def _asset(name: str) -> str:
    return (files("headscore.report.html") / "templates" / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    # A CSP source expression: the browser runs only an element whose content has this hash.
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _json(data: dict[str, Any] | None) -> Markup:
    """Return data as JSON that cannot close its <script> element."""
    # allow_nan=False: NaN would be written as a word that JSON parsers refuse.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    # "</script>" in a text would end the element; \u003c means the same to a JSON parser.
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return Markup(text)
