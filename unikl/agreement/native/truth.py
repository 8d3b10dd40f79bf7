"""What each quantity truly is for the arrays that a library was given, to 50 digits.

The standard library's decimals, so that the truth shares no code with what it judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Context, Decimal, localcontext

__all__ = ["TRUTHS"]

_DIGITS = Context(prec=60, Emin=-(10**9), Emax=10**9)
Weights = Sequence[Decimal]


def _divergence(p: Weights, q: Weights) -> Decimal:
    """sum p log(p/q), with 0 log 0 = 0 and infinity where q alone is 0."""
    terms = [a * (a / b).ln() if b else Decimal("inf") for a, b in zip(p, q, strict=True) if a]
    return sum(terms, Decimal(0))


def _jensen_shannon_distance(p: Weights, q: Weights) -> Decimal:
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return ((_divergence(p, m) + _divergence(q, m)) / 2).sqrt()


def _cross_entropy(p: Weights, q: Weights) -> Decimal:
    terms = [-a * b.ln() if b else Decimal("inf") for a, b in zip(p, q, strict=True) if a]
    return sum(terms, Decimal(0))


def _truth(of: Callable[[Weights, Weights], Decimal]) -> Callable[..., float]:
    def truth(p: Sequence[float], q: Sequence[float], given: str) -> float:
        """Of the distributions that the arrays describe, each normalised."""
        with localcontext(_DIGITS):
            return float(of(_normalised(p, given), _normalised(q, given)))

    return truth


def _normalised(x: Sequence[float], given: str) -> Weights:
    numbers = [Decimal(float(value)) for value in x]
    weights = [value.exp() for value in numbers] if given == "logits" else numbers
    total = sum(weights, Decimal(0))
    return [weight / total for weight in weights]


TRUTHS = {
    "KL": _truth(_divergence),
    "Jensen-Shannon distance": _truth(_jensen_shannon_distance),
    "cross-entropy": _truth(_cross_entropy),
}
