"""Runs the CUDA kernels in Triton's interpreter; prints the worst error of each check, in eps.

A script for a process of its own, started with TRITON_INTERPRET=1 by test_cuda_interpreter.py.
The truth is the definition of the divergence, at 50 digits.
"""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import mpmath
import torch

from unikl.kernels import cuda

EPS = 2.0**-23
NEAR = (3.0, 1e-4, 1e-6)
ALL = ((False, False), (False, True), (True, False), (True, True))  # the gradients wanted
ENDS = (ALL[0], ALL[3])
mpmath.mp.dps = 50
Real = Any


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# -- the truth -------------------------------------------------------------------------------------


def truth(kind: str, p: list[Real], q: list[Real], scale: Real) -> tuple[Real, list[Real], Any]:
    """KL and its gradients, of one row."""
    inf = mpmath.inf
    if kind == "logits":
        p, q = ([mpmath.exp(scale * x) for x in row] for row in (p, q))
    total_p, total_q = mpmath.fsum(p), mpmath.fsum(q)
    w, z = [x / total_p for x in p], [x / total_q for x in q]
    lost = [x > 0 and y == 0 for x, y in zip(w, z, strict=True)]
    ratio = [
        mpmath.log(x / y) if x > 0 and y > 0 else mpmath.mpf(0) for x, y in zip(w, z, strict=True)
    ]
    finite = mpmath.fsum(x * r for x, r in zip(w, ratio, strict=True))
    kl = inf if any(lost) else finite
    if kind == "logits":
        grad_p = [
            inf if o else scale * x * (r - finite) for x, r, o in zip(w, ratio, lost, strict=True)
        ]
        return kl, grad_p, [scale * (y - x) for x, y in zip(w, z, strict=True)]
    tiny = mpmath.mpf(2) ** -126 / total_p
    ratio = [mpmath.log(tiny / y) if x == 0 < y else r for x, y, r in zip(w, z, ratio, strict=True)]
    grad_p = [inf if o else (r - finite) / total_p for r, o in zip(ratio, lost, strict=True)]
    slopes = [1 if y == 0 else 1 - x / y for x, y in zip(w, z, strict=True)]
    return kl, grad_p, [-inf if o else s / total_q for s, o in zip(slopes, lost, strict=True)]


def norm(row: list[Real]) -> Real:
    return mpmath.sqrt(mpmath.fsum(x * x for x in row))


def apart(got: torch.Tensor, true: list[Real]) -> float:
    """The error of a row in norm, in eps; in half precision, what goes beyond its rounding.

    The interpreter cuts bfloat16 off where a GPU rounds to nearest.
    """
    half = 0.0 if got.dtype == torch.float32 else torch.finfo(got.dtype).eps / 2
    half = 2 * half if got.dtype == torch.bfloat16 else half
    tiny = 0.0 if got.dtype == torch.float32 else torch.finfo(got.dtype).smallest_normal * half
    values = got.double().tolist()
    errors, sizes = [], []
    for x, y in zip(values, true, strict=True):
        if not mpmath.isfinite(y):
            if x != float(y):
                return math.inf
            continue
        if not math.isfinite(x):
            return math.inf
        errors.append(max(abs(mpmath.mpf(x) - y) - half * abs(y) - tiny, 0))
        sizes.append(y)
    size = norm(sizes)
    # A divergence below 1e-40 is 0 in float32.
    return float(norm(errors) / size / EPS) if size > 1e-40 else float(norm(errors) / 1e-40)


def worst(
    kind: str, p: torch.Tensor, q: torch.Tensor, wanted: Any = ALL, **options: Any
) -> Iterator[float]:
    """The errors of the value and the gradients of each row, for each kind of call."""
    keep = options.get("where", torch.ones((), dtype=torch.bool)).expand(p.shape)
    scale = mpmath.mpf(options.get("scale", 1.0))
    upstream = options.get("upstream", torch.ones(*p.shape[:-1], 1)).reshape(-1)
    rows = [x.reshape(-1, x.shape[-1]) for x in torch.broadcast_tensors(p, q, keep)]
    truths = []
    for row_p, row_q, row_keep in zip(*rows, strict=True):
        chosen = [
            [mpmath.mpf(x) for x in row[row_keep].double().tolist()] for row in (row_p, row_q)
        ]
        truths.append(truth(kind, chosen[0], chosen[1], scale))
    for want in wanted:
        got = cuda.fused(kind, p, q, want, **options)  # type: ignore[arg-type]
        assert got is not None
        assert got.kl.dtype == torch.float32
        assert got.kl.shape == (*p.shape[:-1], 1)
        for i, (kl, *grads) in enumerate(truths):
            value = got.kl.reshape(-1)[i : i + 1]
            yield apart(value, [kl]) if value >= 0 else math.inf
            for grad, true, x in zip((got.grad_p, got.grad_q), grads, (p, q), strict=True):
                if grad is not None:
                    assert grad.dtype == x.dtype
                    row = grad.reshape(-1, p.shape[-1])[i]
                    assert not row[~rows[2][i]].any()  # nothing for what a mask takes out
                    yield apart(row[rows[2][i]], [float(upstream[i]) * g for g in true])


def near(kind: str, n: int, shifts: tuple[float, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows at several distances and, of logits, under common shifts; float32."""
    step = torch.tensor(NEAR).repeat_interleave(len(shifts))[:, None]
    p = 2 * noise(len(step), n, seed=n)
    q = p + step * noise(len(step), n, seed=n + 1)
    if kind == "logits":
        return p, q + torch.tensor(shifts).repeat(len(NEAR))[:, None]
    # Weights of totals that differ, too.
    return torch.softmax(p, -1), torch.softmax(q, -1) * torch.tensor(shifts).repeat(3)[:, None]


# -- the checks ------------------------------------------------------------------------------------


def sizes(kind: str) -> Iterator[float]:
    shifts = (0.0, 77.7, 1e4) if kind == "logits" else (1.0, 1.1)  # of probs, factors
    for n in (1, 2, 3, 127):
        yield from worst(kind, *near(kind, n, shifts), ALL if n == 3 else ENDS)


def long(kind: str, parts: int | None = None) -> Iterator[float]:
    """Several blocks, and several parts of a row."""
    for n in (1000, 4097) if parts is None else (5000,):
        p, q = near(kind, n, (77.7,) if kind == "logits" else (1.1,))
        yield from worst(kind, p, q, ENDS, parts=parts)


def flat(parts: int | None = None) -> Iterator[float]:
    """Equal numbers, whose rounding errors all have one sign; one stands out.  Several chunks."""
    p = torch.zeros(2, 20000)
    p[:, 17] = torch.tensor([0.0, 9.0])
    q = p.clone()
    q[:, 40] = 2.0
    yield from worst("logits", p, q, ENDS, parts=parts)


def halves(kind: str, dtype: torch.dtype) -> Iterator[float]:
    p, q = near(kind, 200, (1.0,))
    q[1] = q[1] * (1 + 0.05 * noise(200))
    for pair in ((dtype, dtype), (dtype, torch.float32)):
        yield from worst(kind, p.to(pair[0]), q.to(pair[1]), ENDS)


def strides(kind: str) -> Iterator[float]:
    p, q = near(kind, 60, (1.0,))
    last = (False, True), (True, True)
    yield from worst(kind, p.T.contiguous().T, q[:, :], last)
    yield from worst(kind, p[:, ::2], q[:, 5:35], last)
    three, crossed = p.reshape(3, 3, 20)[:, 1:], q.reshape(3, 3, 20).transpose(0, 1)[:, :2]
    yield from worst(kind, three, crossed, last)
    yield from worst(kind, p[:, None, :20].expand(3, 2, 20), q[:, :40].reshape(3, 2, 20), last)


def masks(kind: str) -> Iterator[float]:
    p, q = near(kind, 150, (1.0,))
    keep = noise(3, 150, seed=5) > 0
    yield from worst(kind, p, q, ENDS, where=keep)
    yield from worst(kind, p, q, ENDS, where=keep[:1].expand(3, 150))
    q[:, 3] = torch.nan
    yield from worst(kind, p, q, ENDS, where=torch.arange(150) != 3)
    yield from worst(kind, p, torch.where(keep, q, 1.0), ENDS, where=keep, parts=2)


def temperature() -> Iterator[float]:
    p, q = near("logits", 40, (0.0, 77.7))
    for scale in (0.25, 0.375, 3.0):
        yield from worst("logits", p, q, ENDS, scale=scale)
    yield from worst("logits", p, q, ENDS, scale=0.375, parts=2)


def upstream(kind: str) -> Iterator[float]:
    p, q = near(kind, 70, (1.0,))
    g = torch.tensor([[0.3], [-2.0], [1e3]])
    yield from worst(kind, p, q, ALL[1:], upstream=g)
    plain, scaled = (cuda.fused(kind, p, q, (True, True), upstream=u) for u in (None, g))  # type: ignore[arg-type]
    assert plain is not None
    assert scaled is not None
    for one, other in ((plain.grad_p, scaled.grad_p), (plain.grad_q, scaled.grad_q)):
        assert one is not None
        assert other is not None
        for row, true in zip(cuda.scale_(one, g), other, strict=True):
            yield apart(row, [mpmath.mpf(x) for x in true.double().tolist()])


def edges(kind: str) -> Iterator[float]:
    """0/0, 0 < q, p > 0 = q, weights far apart, no mass, NaN; alone and in two parts."""
    p = torch.tensor([[0.5, 0.5, 0, 0], [0.3, 0.3, 0.4, 0], [1, 0, 0, 0], [1e-30, 1, 0.1, 0]])
    q = torch.tensor([[0.5, 0.2, 0.3, 0], [0.5, 0.5, 0, 0], [0, 1, 0, 0], [0.5, 1e-30, 0.1, 0]])
    wide = torch.zeros(4, 2100)
    wide[:, :4], long_q = p, torch.zeros(4, 2100)
    long_q[:, :4] = q
    for a, b, parts in ((p, q, None), (wide, long_q, 2)):
        if kind == "logits":
            a, b = torch.log(a), torch.log(b)
        yield from worst(kind, a, b, ALL if parts is None else ENDS, parts=parts)
        for parts in (None, 2):
            zero = cuda.fused(kind, a, a, (True, True), parts=parts)  # type: ignore[arg-type]
            assert zero is not None
            yield math.inf if zero.kl.any() else 0.0


def without_value(kind: str) -> Iterator[float]:
    """Rows that are no distributions are NaN, in every way of calling."""
    for n, parts in ((50, None), (2100, 2)):
        good = torch.softmax(noise(n), -1)
        rows = good.repeat(3, 1)
        rows[0, -20], rows[1, -20] = math.nan, math.inf if kind == "logits" else -0.1
        rows[2] = -math.inf if kind == "logits" else 0.0
        fine = good.expand(3, n)
        for p, q in ((rows, fine), (fine, rows), (rows, rows)):
            for want in ENDS:
                got = cuda.fused(kind, p, q, want, parts=parts)  # type: ignore[arg-type]
                assert got is not None
                yield 0.0 if got.kl.isnan().all() else math.inf
                for grad in (got.grad_p, got.grad_q):
                    yield 0.0 if grad is None or grad.isnan().any(-1).all() else math.inf


def zero_upstream() -> Iterator[float]:
    """An infinite row that the caller left out: 0, not NaN."""
    p, q = torch.tensor([[0.5, 0.5, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    zero = torch.zeros(1, 1)
    for kind, a, b in (("probs", p, q), ("logits", p.log(), q.log())):
        for u in (zero, None):
            got = cuda.fused(kind, a, b, (True, True), upstream=u)  # type: ignore[arg-type]
            assert got is not None
            for grad in (got.grad_p, got.grad_q):
                assert grad is not None
                yield math.inf if cuda.scale_(grad, zero).any() else 0.0


def refusals() -> Iterator[float]:
    """None, and no exception, for what the kernels do not take."""
    x = noise(2, 3, 4, 5)
    crossed = x.permute(2, 1, 0, 3)  # three leading axes, none of which can be merged
    for kind, p in (("logits", x.double()), ("logits", x[:0]), ("counts", x), ("logits", crossed)):
        yield 0.0 if cuda.fused(kind, p, p) is None else math.inf  # type: ignore[arg-type]
    yield 0.0 if cuda.fused("logits", x, x, scale=0.0) is None else math.inf


def control() -> Iterator[float]:
    """The plain formula in float32, where p and q nearly agree: far beyond the tolerance."""
    p, q = near("logits", 127, (0.0,))
    log_w, log_z = torch.log_softmax(p, -1), torch.log_softmax(q, -1)
    plain = (log_w.exp() * (log_w - log_z)).sum(-1)
    for i in (1, 2):
        exact = [[mpmath.mpf(x) for x in row.double().tolist()] for row in (p[i], q[i])]
        yield apart(plain[i : i + 1], [truth("logits", exact[0], exact[1], 1)[0]])


Check = Callable[[], Iterator[float]]


def checks() -> dict[str, Check]:
    found: dict[str, Check] = {
        "flat": flat,
        "flat in parts": partial(flat, 3),
        "temperature": temperature,
        "zero upstream": zero_upstream,
        "refusals": refusals,
        "control": control,
    }
    for kind in ("logits", "probs"):
        found |= {
            f"{kind}: sizes": partial(sizes, kind),
            f"{kind}: long": partial(long, kind),
            f"{kind}: parts": partial(long, kind, 3),
            f"{kind}: strides": partial(strides, kind),
            f"{kind}: masks": partial(masks, kind),
            f"{kind}: upstream": partial(upstream, kind),
            f"{kind}: edges": partial(edges, kind),
            f"{kind}: without value": partial(without_value, kind),
            f"{kind}: float16": partial(halves, kind, torch.float16),
            f"{kind}: bfloat16": partial(halves, kind, torch.bfloat16),
        }
    return found


if __name__ == "__main__":
    import sys
    import time

    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy's, of 0/0 and of NaN
    torch.set_num_threads(1)
    chosen = sys.argv[1:]
    for name, check in checks().items():
        if not chosen or name in chosen:
            start = time.process_time()
            errors = list(check())
            seconds = round(time.process_time() - start, 1)
            line = {"check": name, "number": len(errors), "worst": max(errors), "seconds": seconds}
            print(json.dumps(line), flush=True)
