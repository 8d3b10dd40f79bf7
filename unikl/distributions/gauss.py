"""Gauss's quadrature rule on the unit interval, with the nodes near its ends to full accuracy."""

from typing import Any

import numpy as np

__all__ = ["gauss_legendre"]


def gauss_legendre(count: int) -> tuple[list[float], list[float]]:
    """Nodes and weights of the rule with `count` (an even number of) nodes on [0, 1].

    NumPy's weights are 1e-12 off at the ends, where a node's distance y from the end has no more
    digits than the node.  Newton's method in y itself gives all of them.
    """
    y = 1 - np.polynomial.legendre.leggauss(count)[0][count // 2 :]
    for _ in range(3):
        p, slope = _legendre(count, y)
        y = y + p / slope  # y falls where x = 1 - y rises
    weights = 1 / (y * (2 - y) * _legendre(count, y)[1] ** 2)
    low, w = np.sort(y / 2), weights[np.argsort(y)]
    nodes = [float(x) for x in (*low, *(1 - low[::-1]))]
    return nodes, [float(x) for x in (*w, *w[::-1])]


def _legendre(n: int, y: Any) -> tuple[Any, Any]:
    """Legendre's polynomial P_n at x = 1 - y and its derivative in x, by steps P_k - P_(k-1)."""
    p, step = np.ones_like(y), 0 * y
    for k in range(n):
        step = (k * step - (2 * k + 1) * y * p) / (k + 1)
        p = p + step
    # (1 - x^2) P_n' = n (P_(n-1) - x P_n)
    return p, n * (y * p - step) / (y * (2 - y))
