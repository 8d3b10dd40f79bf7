"""The page docs/distributions.md, from the registry itself.

python -m unikl.distributions.catalogue > docs/distributions.md
"""

import sys
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

from . import markov, structure, wishart
from .adapters import families
from .base import Distribution, resolve
from .densities import has_density
from .peers import PEERS
from .registry import find, kl, never_nested, pairs

__all__ = ["Row", "markdown", "rows"]

_HEAD = """\
# Distributions

Closed forms of KL(p || q), by the families of p and q, as they are registered: this page is what
`python -m unikl.distributions.catalogue` prints.

`unikl.distributions.kl(p, q)` computes them, for our own objects.
`unikl.kl_divergence(p, q)` also takes those of torch.distributions,
TensorFlow Probability, NumPyro, Distrax and frozen ones of scipy.stats, and pairs without a closed
form; `unikl.explain_kl(p, q)` says how it found the value, and what it may be off by:

1. `exact`: one of the formulas below;
2. `exponential_family`: the Bregman divergence of the log-normaliser, for families that say theirs;
3. `quadrature` on the line, `sum` on the integers, for distributions with a density and a support;
4. `monte_carlo`, with its standard error, for those that can be sampled, and for normal mixtures.

How a formula comes about: *own* is registered for the two families; *picture* is that of two other
families of which these are a one-to-one function or a special case; *moments* is a general rule,
from the entropy of p and a few of its moments.  "Also in" are the libraries that have the pair.
"""

_STRUCTURES = """\
## Distributions made of others

| p and q | divergence |
|---|---|
| Independent | the sum over the axes taken together |
| Independent(Normal, 1) and a multivariate normal | that of the multivariate normals |
| ExpandedDistribution | that of the base, repeated |
| MaskedDistribution | that of the base where both masks are true, else 0 |
| JointDistribution | the sum over the parts |
| TransformedDistribution | that of the bases, for one shared injective transform |
| MixtureSameFamily | 0 for a mixture with itself; else quadrature, bounds or Monte Carlo |
| GaussianProcess (TFP), CirculantNormal (NumPyro) | that of the multivariate normals |
| Delta | 0 at the same point, else +inf |
| Markov chains (`markov.kl_rate`) | the divergence for each step |
"""


class Row(NamedTuple):
    """A pair with a finite closed form."""

    p: str
    q: str
    kind: str  # own, picture or moments
    peers: tuple[str, ...]
    needs: tuple[str, ...]  # special functions


def rows() -> list[Row]:
    """All pairs of our families with a finite closed form."""
    own = {(pair.p, pair.q) for pair in pairs()}
    found = []
    for name_p, p in _named():
        for name_q, q in _named():
            if find(p, q) is None or _infinite(p, q):
                continue
            kind = "own" if (p, q) in own else "moments" if _is_general(p, q) else "picture"
            peers = tuple(lib for lib, known in PEERS.items() if (name_p, name_q) in known)
            found.append(Row(name_p, name_q, kind, peers, _special_functions(p, q)))
    return found


def infinite() -> dict[str, list[str]]:
    """For each family p, the families q whose support p never lies within."""
    return {name: [other for other, q in _named() if _infinite(p, q)] for name, p in _named()}


def markdown() -> str:
    """The page."""
    table = rows()
    count = f"{len(table)} pairs of {len(_named())} families have a finite closed form, of which"
    alone = sum(not row.peers for row in table)
    lines = [_HEAD, "## Finite", "", f"{count} {alone} are in none of the other libraries.", ""]
    lines += ["| p | q | formula | also in | special functions |", "|---|---|---|---|---|"]
    for row in table:
        peers, needs = ", ".join(row.peers), ", ".join(row.needs)
        lines.append(f"| {row.p} | {row.q} | {row.kind} | {peers} | {needs} |")
    lines += ["", "## Infinite", "", "p has mass where q has none, whatever the parameters.", ""]
    lines += ["| p | q |", "|---|---|"]
    lines += [f"| {p} | {', '.join(qs)} |" for p, qs in infinite().items() if qs]
    lines += ["", _STRUCTURES, "## No closed form", ""]
    methods = _methods()
    lines += [f"{', '.join(names)}: {method}." for method, names in methods.items() if names]
    return "\n".join(lines).rstrip() + "\n"


def _methods() -> dict[str, list[str]]:
    """What is done for the other pairs, by the family of p."""
    sums: list[str] = []
    integrals: list[str] = []
    for name, family in _named():
        if has_density(_example(family)) and family.event_rank == 0:
            support = _example(family).support(_room(family))
            (sums if support is not None and support.lattice else integrals).append(name)
    return {
        "against any other family with a density, quadrature": integrals,
        "against any other family on the integers, a sum": sums,
    }


def _named() -> list[tuple[str, type[Distribution]]]:
    outside = (structure.__name__, markov.__name__)
    return [(n, f) for n, f in sorted(families().items()) if f.__module__ not in outside]


# -- what a pair is --------------------------------------------------------------------------------

_VECTORS = {
    "loc": np.array([0.5, 0.5]),
    "scale_diag": np.array([0.5, 0.5]),
    "cov_diag": np.array([0.5, 0.5]),
    "cov_factor": np.array([[0.5], [0.5]]),
    "covariance_matrix": np.eye(2),
    "scale_tril_row": np.eye(2),
    "scale_tril_column": np.eye(2),
    "df": np.array(5.0),
}
_NAMED = {  # the same in all families
    "cutpoints": np.array([-0.5, 0.5]),
    "dimension": 2,
    "mean_direction": np.array([0.6, 0.8]),
    "total_count": np.array(3.0),
}


def _example(family: type[Distribution]) -> Any:
    """A member with arbitrary parameters, to look at."""
    given: dict[str, Any] = {}
    names: tuple[str, ...] = family.__match_args__
    alternatives = [name for group in family.alternatives for name in group[1:]]
    vector = family.event_rank > 0 or "Categorical" in family.__name__
    vector = vector and "mean_direction" not in names
    for name in names:
        if name in alternatives:
            continue
        if name == "loc" and family is wishart.MatrixNormal:
            given[name] = np.ones((2, 2))
        elif name in _NAMED:
            given[name] = _NAMED[name]
        else:
            usual = np.array([0.5, 0.5]) if vector else np.array(0.5)
            given[name] = _VECTORS.get(name, usual) if vector else usual
    return family(**given)


def _room(family: type[Distribution]) -> Any:
    return resolve(_example(family))[0]


def _infinite(p: type[Distribution], q: type[Distribution]) -> bool:
    room, (one, other) = resolve(_example(p), _example(q))
    return never_nested(one.support(room), other.support(room))


def _is_general(p: type[Distribution], q: type[Distribution]) -> bool:
    formula = find(p, q)
    return any(pair.formula is formula and pair.p is Distribution for pair in pairs())


# -- the special functions, by watching what is called ---------------------------------------------

_LABELS = {
    "lgamma": "log-gamma",
    "lgamma_bregman": "log-gamma",
    "gamma_entropy": "log-gamma",
    "binet_bregman": "log-gamma",
    "digamma": "digamma",
    "trigamma": "trigamma",
    "erf": "erf",
    "normal_cdf": "erf",
    "mills_ratio": "erf",
    "_moments": "Bessel",
    "cholesky": "Cholesky",
    "solve_lower": "triangular solve",
    "solve_upper": "triangular solve",
}
_FOLDER = str(Path(__file__).parent)


def _special_functions(p: type[Distribution], q: type[Distribution]) -> tuple[str, ...]:
    """The special functions that the formula calls."""
    called: set[str] = set()

    def watch(frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(_FOLDER):
            called.add(code.co_name)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        kl(_example(p), _example(q), validate=False)
    finally:
        sys.setprofile(before)
    return tuple(sorted({_LABELS[name] for name in called if name in _LABELS}))


if __name__ == "__main__":
    sys.stdout.write(markdown())
