"""docs/distributions.md is what the registry says."""

from __future__ import annotations

from pathlib import Path

from unikl.distributions import catalogue
from unikl.distributions.peers import PEERS

PAGE = Path(__file__).parents[2] / "docs" / "distributions.md"


def test_the_page_is_what_the_generator_prints() -> None:
    assert PAGE.read_text() == catalogue.markdown(), (
        "run python -m unikl.distributions.catalogue > docs/distributions.md"
    )


def test_the_rows_say_what_is_registered() -> None:
    rows = {(row.p, row.q): row for row in catalogue.rows()}
    assert len(rows) >= 115
    assert rows["Normal", "Normal"].peers == ("torch", "TFP", "Distrax", "NumPyro")
    assert rows["Normal", "Normal"].needs == ()
    assert rows["Normal", "Normal"].kind == "own"
    assert rows["Gamma", "Gamma"].needs == ("log-gamma",)
    assert rows["Gamma", "Normal"].kind == "moments"
    assert rows["Chi2", "Gamma"].kind == "picture"
    assert rows["MultivariateNormal", "MultivariateNormalDiag"].needs == (
        "Cholesky",
        "triangular solve",
    )
    assert rows["LogNormal", "Gamma"].peers == ()
    assert ("Logistic", "Laplace") not in rows  # no closed form
    assert ("Normal", "Gamma") not in rows  # always infinite
    assert "Gamma" in catalogue.infinite()["Normal"]
    assert "Normal" not in catalogue.infinite()["Gamma"]


def test_the_peers_are_named_by_families_of_ours() -> None:
    known = {row.p for row in catalogue.rows()} | {row.q for row in catalogue.rows()}
    named = {name for pairs in PEERS.values() for pair in pairs for name in pair}
    assert named <= known
