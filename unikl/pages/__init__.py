"""Pages that hold all they need, and pictures: what the reports and `unikl.explain` share.

A page is one HTML file with its style and script inside, and asks nothing of the network.  Its
data stand in it as JSON, which the script puts on the page as text, never as markup.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["figure", "literal", "render"]

# Of the pictures, as of the pages in light: distinct for the colour-blind, and dark enough.
COLOURS = ("#0b63c4", "#b93a05", "#0b7a58", "#8a2be2", "#8f5e00", "#0e6f8c", "#b8125e", "#4a5868")
DASHES = ("-", "--", ":", "-.")
MARKERS = "os^DvPX*"


def render(template: str, **values: Any) -> str:
    """The page of a template of this folder.

    Raises
    ------
    ImportError
        If Jinja2 is not installed.
    """
    try:
        import jinja2
    except ImportError as error:
        raise _missing("jinja2", error) from error
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("unikl", "pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(values)


def figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, that knows nothing of pyplot and its global state.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise _missing("matplotlib", error) from error
    return Figure(figsize=(width, height), dpi=150, layout="constrained")


def literal(text: str, most: int) -> str:
    """At most so much of the text, for Matplotlib: no formula, and no character without a shape."""
    short = text if len(text) <= most else f"{text[: most - 1]}\N{HORIZONTAL ELLIPSIS}"
    shown = (char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in short)
    return "".join(shown).replace("$", r"\$")


def _missing(package: str, error: ImportError) -> ImportError:
    return ImportError(
        f"this needs unikl[report]: pip install 'unikl[report]' ({package}: {error})"
    )
