"""The table of public names in the reference, made from their docstrings and signatures.

Run in the folder of the tests, this prints it::

    python -m helpers.public_names
"""

import inspect

import headscore as hs

BEGIN, END = "<!-- public names: begin -->", "<!-- public names: end -->"
KINDS = {"function": inspect.isfunction, "class": inspect.isclass, "module": inspect.ismodule}


def called(name, named):
    """How a name is written: with its arguments by place, and ... for options by keyword."""
    if not inspect.isfunction(named):
        return f"hs.{name}"
    parameters = inspect.signature(named).parameters.values()
    by_place = [each.name for each in parameters if each.kind is not each.KEYWORD_ONLY]
    options = ["..."] * (len(by_place) < len(parameters))
    return f"hs.{name}({', '.join(by_place + options)})"


def row(name):
    """One line: the name, and the first sentence of its docstring."""
    named = getattr(hs, name)
    does = " ".join(inspect.getdoc(named).split("\n\n")[0].split())
    return f"| `{called(name, named)}` | {does} |"


def table():
    """The lines of all names, functions first."""
    names = [name for name in hs.__all__ if name != "__version__"]
    sections = []
    for kind, is_of in KINDS.items():
        rows = [row(name) for name in names if is_of(getattr(hs, name))]
        sections.append("\n".join([f"| {kind} | |", "|---|---|", *rows]))
    return "\n\n".join([BEGIN, *sections, END])


if __name__ == "__main__":
    print(table())  # noqa: T201
