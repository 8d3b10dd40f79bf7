"""Wishart, matrix normal and Markov chains against 50 digits."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

from unikl import kl_divergence
from unikl.distributions.markov import kl_rate
from unikl.distributions.registry import kl
from unikl.distributions.wishart import MatrixNormal, Wishart

BOUND = 16 * 2.0**-52
SIZES = [None, 1e-2, 1e-6]


def _matrix(x: Any) -> Any:
    return mpmath.matrix(np.asarray(x).tolist())


def _off(value: Any, reference: Any) -> float:
    return float(abs(mpmath.mpf(float(value)) / reference - 1))


def _covariance(rng: np.random.Generator, n: int) -> Any:
    a = rng.normal(size=(n, n))
    matrix = np.eye(n) + a @ a.T / n
    return (matrix + matrix.T) / 2


def _near(rng: np.random.Generator, x: Any, size: float | None) -> Any:
    step = rng.normal(size=np.shape(x))
    return x + size * (step + step.T if np.ndim(x) == 2 else step) if size else None


def _wishart(df_p: float, v_p: Any, df_q: float, v_q: Any) -> Any:
    """From the entropies: E_p log p - E_p log q with E log det X and E X."""
    n = v_p.shape[0]
    with mpmath.workdps(50):
        a, c = _matrix(v_p), _matrix(v_q)
        f, g = mpmath.mpf(df_p) / 2, mpmath.mpf(df_q) / 2
        log_det = n * mpmath.log(2) + mpmath.log(mpmath.det(a))
        log_det += sum(mpmath.digamma(f - mpmath.mpf(k) / 2) for k in range(n))

        def normaliser(half: Any, v: Any) -> Any:
            gammas = sum(mpmath.loggamma(half - mpmath.mpf(k) / 2) for k in range(n))
            return half * (n * mpmath.log(2) + mpmath.log(mpmath.det(v))) + gammas

        ratio = c**-1 * a
        trace = sum(ratio[k, k] for k in range(n))
        return (f - g) * log_det + f * (trace - n) + normaliser(g, c) - normaliser(f, a)


@pytest.mark.parametrize("size", SIZES)
def test_wishart(size: float | None) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        df_q, v_q = float(rng.uniform(4, 40)), _covariance(rng, 4)
        df_p = df_q * (1 + size) if size else float(rng.uniform(4, 40))
        v_p = _covariance(rng, 4) if size is None else _near(rng, v_q, size)
        p = Wishart(df_p, covariance_matrix=v_p)
        value = kl(p, Wishart(df_q, covariance_matrix=v_q))
        assert _off(value, _wishart(df_p, v_p, df_q, v_q)) < BOUND


def test_wishart_by_other_matrices_and_its_edges() -> None:
    v = np.array([[2.0, 0.5], [0.5, 1.0]])
    q = Wishart(5.0, covariance_matrix=np.eye(2))
    expected = kl(Wishart(3.0, covariance_matrix=v), q)
    for other in ({"scale_tril": np.linalg.cholesky(v)}, {"precision_matrix": np.linalg.inv(v)}):
        assert float(kl(Wishart(3.0, **other), q)) == pytest.approx(float(expected), rel=1e-14)
    both = [
        Wishart(df, precision_matrix=m) for df, m in ((3.0, np.linalg.inv(v)), (5.0, np.eye(2)))
    ]
    assert float(kl(*both)) == pytest.approx(float(expected), rel=1e-14)
    assert np.isnan(kl(Wishart(1.0, covariance_matrix=v), q, validate=False))
    with pytest.raises(ValueError, match=r"Wishart\.df of p must be more than 1"):
        kl(Wishart(1.0, covariance_matrix=v), q)


def test_gradients_reach_both_wisharts() -> None:
    """Torch's own goes through a fallback that leaves p's parameters without gradients."""
    import torch

    def value(df_p: Any, v_p: Any, df_q: Any, v_q: Any) -> Any:
        return 3 * kl(Wishart(df_p, covariance_matrix=v_p), Wishart(df_q, covariance_matrix=v_q))

    v = torch.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=torch.float64)
    xs = [
        torch.tensor(3.5, dtype=torch.float64),
        v,
        torch.tensor(5.0, dtype=torch.float64),
        v.mT @ v,
    ]
    leaves = [x.clone().requires_grad_() for x in xs]
    grads = torch.autograd.grad(value(*leaves), leaves)
    for k in (0, 2):  # a central difference in the degrees of freedom
        step = torch.zeros(4, dtype=torch.float64)
        step[k] = 1e-5
        up, down = ([x + s * d for x, d in zip(xs, step, strict=True)] for s in (1, -1))
        slope = (value(*up) - value(*down)) / 2e-5
        torch.testing.assert_close(grads[k], slope, rtol=1e-8, atol=0)
    n = 3.5  # d/dV_p: df_p (V_q^-1 - V_p^-1)/2 + (df_p - df_q)/2 V_p^-1
    expected = 1.5 * (n * (torch.inverse(xs[3]) - torch.inverse(v)) - 1.5 * torch.inverse(v))
    torch.testing.assert_close((grads[1] + grads[1].mT) / 2, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", SIZES)
def test_matrix_normal(size: float | None) -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        q = [rng.normal(size=(3, 2)), *(np.linalg.cholesky(_covariance(rng, n)) for n in (3, 2))]
        if size is None:
            p = [
                rng.normal(size=(3, 2)),
                *(np.linalg.cholesky(_covariance(rng, n)) for n in (3, 2)),
            ]
        else:
            p = [x + size * rng.normal(size=x.shape) * (x != 0) for x in q]
        with mpmath.workdps(50):
            rows, columns = (
                _matrix(b) ** -1 * _matrix(a) for a, b in zip(p[1:], q[1:], strict=True)
            )
            rows, columns = rows * rows.T, columns * columns.T
            shift = _matrix(q[1]) ** -1 * (_matrix(p[0]) - _matrix(q[0]))
            shift = shift * (_matrix(q[2]) ** -1).T
            distance = sum(x**2 for x in shift)
            trace = sum(rows[k, k] for k in range(3)) * sum(columns[k, k] for k in range(2))
            logs = 2 * mpmath.log(mpmath.det(rows)) + 3 * mpmath.log(mpmath.det(columns))
            reference = (trace - 6 - logs + distance) / 2
        assert _off(kl(MatrixNormal(*p), MatrixNormal(*q)), reference) < BOUND


def test_the_rate_of_markov_chains() -> None:
    rng = np.random.default_rng(6)
    p, q = rng.dirichlet(np.ones(4), (2, 4))
    # The chain rule: the divergence of two paths grows by the rate with each step.
    with mpmath.workdps(30):
        start = _matrix([[0.25] * 4])
        for _ in range(400):
            start = start * _matrix(p)
        rows = [
            sum(
                mpmath.mpf(a) * mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))
                for a, b in zip(x, y, strict=True)
            )
            for x, y in zip(p.tolist(), q.tolist(), strict=True)
        ]
        reference = sum(start[k] * rows[k] for k in range(4)) / sum(start)
    assert _off(kl_rate(p, q), reference) < BOUND


def test_the_edges_of_the_rate() -> None:
    p = np.array([[0.5, 0.5], [0.5, 0.5]])
    never = np.array([[1.0, 0.0], [0.5, 0.5]])
    assert float(kl_rate(p, never)) == np.inf
    assert float(kl_rate(p, p)) == 0
    assert np.isnan(kl_rate(np.eye(2), p))
    independent = np.array([[0.2, 0.8]] * 2)  # no memory: the rate is the divergence
    expected = kl_divergence(independent[0], p[0])
    assert float(kl_rate(independent, p)) == pytest.approx(float(expected), rel=1e-15)
    with pytest.raises(ValueError, match="rows of p sum to"):
        kl_rate(2 * p, p)
