"""The table of the page "Which models work", made from the cases of the tests.

Run in the folder of the tests, this prints it with the differences measured here::

    python -m helpers.which_models
"""

from helpers import families, places

BEGIN, END = "<!-- which models: begin -->", "<!-- which models: end -->"
HEADER = "| family | layers scored | T x T kept | difference | with |\n|---|---|---|---|---|\n"
ALL = (*families.ALL, *places.ALL)


def row(family, difference):
    """One line; `difference` is the largest relative one to the scores of eager attention."""
    scored, layers = len(family.visibilities), len(family.layers)
    scored = "all" if scored == layers else f"{scored} of {layers}"
    kept = "one layer" if family.returned else "no"
    return f"| {family.name} | {scored} | {kept} | {difference:.0e} | {family.note} |".replace(
        "  ", " "
    )


def table(differences):
    """The lines of all families."""
    rows = [row(family, differences[family.name]) for family in ALL]
    return f"{BEGIN}\n{HEADER}" + "\n".join(rows) + f"\n{END}"


def main():
    from helpers.eager import difference

    differences = {family.name: difference(family)[0] for family in families.ALL}
    differences |= {family.name: places.difference(family)[0] for family in places.ALL}
    print(table(differences))  # noqa: T201


if __name__ == "__main__":
    main()
