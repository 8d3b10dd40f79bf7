"""The divergences of two tables of counts to 50 digits, by their definitions."""

from __future__ import annotations

from collections.abc import Sequence

import mpmath


def divergence(name: str, reference: Sequence[int], current: Sequence[int], s: str = "0") -> float:
    """By mpmath; `s` is added to every count."""
    with mpmath.workdps(50):
        p, q = (
            _normalised([mpmath.mpf(int(n)) + mpmath.mpf(s) for n in x])
            for x in (reference, current)
        )
        return float(_BY_NAME[name](p, q))


def _normalised(x: list[mpmath.mpf]) -> list[mpmath.mpf]:
    total = mpmath.fsum(x)
    return [one / total for one in x]


def _kl(p: list[mpmath.mpf], q: list[mpmath.mpf]) -> mpmath.mpf:
    if any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return mpmath.inf
    return mpmath.fsum(a * mpmath.log(a / b) for a, b in zip(p, q, strict=True) if a > 0)


def _js(p: list[mpmath.mpf], q: list[mpmath.mpf]) -> mpmath.mpf:
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return (_kl(p, m) + _kl(q, m)) / 2


def _chi_squared(p: list[mpmath.mpf], q: list[mpmath.mpf]) -> mpmath.mpf:
    if any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return mpmath.inf
    return mpmath.fsum((a - b) ** 2 / b for a, b in zip(p, q, strict=True) if b > 0)


def _hellinger(p: list[mpmath.mpf], q: list[mpmath.mpf]) -> mpmath.mpf:
    pairs = list(zip(p, q, strict=True))
    return mpmath.sqrt(mpmath.fsum((mpmath.sqrt(a) - mpmath.sqrt(b)) ** 2 for a, b in pairs) / 2)


_BY_NAME = {
    "kl": _kl,
    "reverse_kl": lambda p, q: _kl(q, p),
    "psi": lambda p, q: _kl(p, q) + _kl(q, p),
    "js": _js,
    "hellinger": _hellinger,
    "total_variation": lambda p, q: mpmath.fsum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2,
    "chi_squared": _chi_squared,
}
