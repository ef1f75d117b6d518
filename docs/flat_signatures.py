"""Griffe extension: signatures as they are at run time.

The source of a function that takes a group of options has one parameter for it;
`headscore.signatures.takes` puts the options in its place, in signature and docstring, when the
module is imported. Other defaults name what `headscore.options` declares. Where a docstring
describes several parameters at once, griffe gives all of them the type and default of the first.
"""

from __future__ import annotations

import inspect
import re
from operator import attrgetter
from typing import Any

from griffe import (
    DocstringSectionParameters,
    Extension,
    Function,
    Parameter,
    ParameterKind,
    Parameters,
)
from griffe import dynamic_import as import_object

from headscore import options

_DECORATOR = "headscore.signatures.takes"
_DECLARED = re.compile(r"\w+Options\.\w+|TAUS")


class FlatSignatures(Extension):
    """Takes options, docstrings and defaults from what is imported."""

    def on_function(self, *, func: Function, **_: Any) -> None:
        """Replace the last parameter by the options, or defaults by their values."""
        if any(each.callable_path == _DECORATOR for each in func.decorators):
            _flatten(func)
        for each in func.parameters:
            if _DECLARED.fullmatch(str(each.default)):
                each.default = repr(attrgetter(str(each.default))(options))
        if func.docstring is not None and not func.name.startswith("_"):
            _give_types(func)


def _flatten(func: Function) -> None:
    live = import_object(func.path)
    *own, _group = func.parameters
    flat = list(inspect.signature(live).parameters.values())[len(own) :]
    func.parameters = Parameters(*own, *map(_parameter, flat))
    if func.docstring is not None:
        func.docstring.value = inspect.getdoc(live) or ""


def _parameter(flat: inspect.Parameter) -> Parameter:
    required = flat.default is inspect.Parameter.empty
    return Parameter(
        flat.name,
        annotation=flat.annotation,
        kind=ParameterKind.keyword_only,
        default=None if required else repr(flat.default),
    )


def _give_types(func: Function) -> None:
    """Give each parameter in the docstring its own type and default."""
    assert func.docstring is not None
    for section in func.docstring.parsed:
        if isinstance(section, DocstringSectionParameters):
            for each in section.value:
                if each.name in func.parameters:
                    own = func.parameters[each.name]
                    each.annotation, each.value = own.annotation, own.default
