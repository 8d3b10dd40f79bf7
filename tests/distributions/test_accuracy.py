"""16 eps, in values and gradients, where p and q nearly agree and at extreme parameters."""

from typing import Any

import numpy as np
import pytest
import torch
from mpmath import mp

from tests.distributions.closed_forms import CLOSED_FORMS
from unikl import distributions
from unikl.distributions import kl

DRAWS = 24
LIMIT = 16


def _draw(kinds: str, rng: np.random.Generator, decades: float) -> list[Any]:
    columns = []
    for kind in kinds:
        exponents = rng.uniform(-decades, decades, DRAWS)
        if kind == "p":
            columns.append(10**exponents)
        elif kind == "k":
            columns.append(10 ** (exponents / 6))
        elif kind == "r":
            columns.append(rng.uniform(-1, 1, DRAWS) * 10**exponents)
        else:
            columns.append(1 / (1 + 10**exponents))
    return columns


def _near(name: str, dtype: Any) -> list[Any]:
    """q within 1e-6 to 1e-3 of p, whose parameters lie between 1e-6 and 1e6."""
    rng, kinds = np.random.default_rng(11), CLOSED_FORMS[name].kinds
    p = [x.astype(dtype) for x in _draw(kinds, rng, 5.9 if "u" in kinds else 6)]
    steps = [10 ** rng.uniform(-6, -3, DRAWS) * rng.choice([-1, 1], DRAWS) for _ in p]
    q = [(x * (1 + step)).astype(dtype) for x, step in zip(p, steps, strict=True)]
    if "u" in kinds:  # towards the middle, not out of the interval
        q = [(p[0] + abs(steps[0]) * (0.5 - p[0])).astype(dtype)]
    if kinds[0] == "r":  # the location moves by a part of the scale
        q[0] = (p[0] + p[1] * steps[0]).astype(dtype)
    if name == "Pareto":
        p[0], q[0] = np.maximum(p[0], q[0]), np.minimum(p[0], q[0])
    return [*p, *q]


def _far(name: str, dtype: Any) -> list[Any]:
    """p and q apart, anywhere between 1e-6 and 1e6."""
    rng, kinds = np.random.default_rng(12), CLOSED_FORMS[name].kinds
    sides = [_draw(kinds, rng, 5.9 if "u" in kinds else 6.0) for _ in range(2)]
    if name == "Pareto":
        scales = sides[0][0], sides[1][0]
        sides[0][0], sides[1][0] = np.maximum(*scales), np.minimum(*scales)
    return [x.astype(dtype) for side in sides for x in side]


def _worst(name: str, parameters: list[Any]) -> tuple[float, float]:
    """The largest errors, in eps: of the value, and of the gradient in norm."""
    leaves = [torch.tensor(x, requires_grad=True) for x in parameters]
    family, n = getattr(distributions, name), len(leaves) // 2
    value = kl(family(*leaves[:n]), family(*leaves[n:]))
    gradient = [g.numpy() for g in torch.autograd.grad(value.sum(), leaves)]
    assert (value >= 0).all()
    errors: list[tuple[float, float]] = []
    largest = float(np.finfo(parameters[0].dtype).max)
    with mp.workdps(60):
        for k in range(DRAWS):
            point = [mp.mpf(float(x[k])) for x in parameters]
            exact = CLOSED_FORMS[name].kl(*point)
            slopes = [_slope(name, point, i) for i in range(len(point))]
            size = mp.sqrt(sum(s * s for s in slopes))
            if max(exact, size) > largest:
                assert float(value[k].detach()) == float("inf") or exact <= largest
                continue
            off = [mp.mpf(float(g[k])) - s for g, s in zip(gradient, slopes, strict=True)]
            of_value = abs(mp.mpf(float(value[k].detach())) - exact) / exact
            errors.append((float(of_value), float(mp.sqrt(sum(x * x for x in off)) / size)))
    assert len(errors) > DRAWS / 3
    eps = float(np.finfo(parameters[0].dtype).eps)
    return max(e[0] for e in errors) / eps, max(e[1] for e in errors) / eps


def _slope(name: str, point: list[Any], i: int) -> Any:
    def along(x: Any) -> Any:
        return CLOSED_FORMS[name].kl(*point[:i], x, *point[i + 1 :])

    h = abs(point[i]) * mp.mpf(10) ** -25
    if name == "Pareto" and point[0] == point[2]:
        pytest.fail("the draws leave no room for a derivative")
    return (along(point[i] + h) - along(point[i] - h)) / (2 * h)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_near(name: str, dtype: Any) -> None:
    of_value, of_gradient = _worst(name, _near(name, dtype))
    assert of_value < LIMIT
    assert of_gradient < LIMIT


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_far(name: str, dtype: Any) -> None:
    of_value, of_gradient = _worst(name, _far(name, dtype))
    assert of_value < LIMIT
    assert of_gradient < LIMIT


def test_the_textbook_formulas_would_fail() -> None:
    """The control: the same draws, the closed form of Gamma in float64."""
    parameters = _near("Gamma", np.float64)
    worst = 0.0
    for k in range(DRAWS):
        point = [float(x[k]) for x in parameters]
        with mp.workdps(60):
            exact = CLOSED_FORMS["Gamma"].kl(*map(mp.mpf, point))
        with mp.workdps(16):
            plain = CLOSED_FORMS["Gamma"].kl(*map(mp.mpf, point))
        worst = max(worst, float(abs(plain - exact) / exact))
    assert worst > 1e-6
