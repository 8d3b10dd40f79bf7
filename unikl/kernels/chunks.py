"""The core's reduction in NumPy, in bounded memory: where there is no Numba.

The data are worked through in tiles that stay in the cache: some rows, or a slice of one long
row.  First come the plain sums,

    KL(p || q) = log(Q / P) - sum_i p_i log(q_i / p_i) / P,

whose rounding error is about one eps of the summands, not of the sum.  So they hold where the
divergence is not small, and a row where it is gets the terms of `unikl.onepass`, tile by tile.
A row that these cannot certify either is left NaN, for the caller to do in the core.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ..backends import get_backend
from ..onepass import (
    Normalisers,
    centred,
    log_partials,
    log_rows,
    log_terms,
    weight_partials,
    weight_rows,
    weight_terms,
)

__all__ = ["logs", "logs_gradients", "weights", "weights_gradients"]

_TILE = 2**16  # elements
_LARGE = 0.6  # of 1 + |log of the ratio of the masses|: a divergence that is not small
_FAR = 0.4  # of the norm of its summands: a gradient in which little cancels

Gradients = list[Any]  # those of p and q, to be written; None: not wanted
Sums = Callable[..., tuple[Any, Any, Any]]


def weights(
    p: Any, q: Any, kl: Any, mass_p: Any, mass_q: Any, dp: Any, dq: Any, saved: Any
) -> float:
    """Rows of weights; see `unikl.kernels.cpu`."""
    return _reduce(_weights, _weights_again, p, q, (kl, mass_p, mass_q), [dp, dq], None, saved)


def logs(a: Any, b: Any, kl: Any, mass_a: Any, mass_b: Any, da: Any, db: Any, saved: Any) -> float:
    """Rows of logarithms of weights; see `unikl.kernels.cpu`."""
    return _reduce(_logs, _logs_again, a, b, (kl, mass_a, mass_b), [da, db], None, saved)


def weights_gradients(p: Any, q: Any, saved: Any, upstream: Any, dp: Any, dq: Any) -> float:
    """Their gradients, times upstream; what is left begins with NaN."""
    how = _weights_from_saved, _weights, _weights_again
    return _differentiate(*how, p, q, saved, upstream, [dp, dq])


def logs_gradients(a: Any, b: Any, saved: Any, upstream: Any, da: Any, db: Any) -> float:
    """The same for logarithms."""
    how = _logs_from_saved, _logs, _logs_again
    return _differentiate(*how, a, b, saved, upstream, [da, db])


def _differentiate(
    from_saved: Callable[..., Any],
    plain: Sums,
    again: Sums,
    p: Any,
    q: Any,
    saved: Any,
    upstream: Any,
    gradients: Gradients,
) -> float:
    """From the saved sums where they hold, else all over again; inf if a row is left."""
    off = 0.0
    for part, scratch in _row_tiles(p):
        mine = [None if g is None else g[part] for g in gradients]
        kept, x, y = saved[part], p[part], q[part]
        with np.errstate(all="ignore"):
            exact = (kept[:, 0] < math.inf).all() and from_saved(x, y, mine, kept, scratch).all()
        if exact:
            _scale(mine, upstream[part])
        else:
            off = max(off, _reduce(plain, again, x, y, (None,) * 3, mine, upstream[part], None))
    return math.inf if off == math.inf else 0.0


def _row_tiles(p: Any) -> Iterator[tuple[slice, Any]]:
    """Some rows at a time, with scratch memory for three arrays of a tile of them."""
    length = p.shape[1]
    step = max(1, _TILE // length)
    scratch = np.empty((3, min(step, len(p)), min(length, _TILE)), p.dtype)
    for start in range(0, len(p), step):
        yield slice(start, start + step), scratch[:, : len(p) - start]


def _reduce(
    plain: Sums,
    again: Sums,
    p: Any,
    q: Any,
    out: tuple[Any, ...],
    gradients: Gradients,
    upstream: Any,
    saved: Any,
) -> float:
    """The largest distance of a mass from 1; inf if a row is left NaN."""
    length, off = p.shape[1], 0.0
    with np.errstate(all="ignore"):
        for part, scratch in _row_tiles(p):
            mine = [None if g is None else g[part] for g in gradients]
            x, y, kept = p[part], q[part], None if saved is None else saved[part]
            found = np.stack(plain(x, y, mine, scratch, kept)).astype(p.dtype)
            rows = np.nonzero(np.isnan(found[0]))[0]
            for few in np.split(rows, range(1, len(rows))) if length > _TILE else [rows]:
                if len(few):
                    _certify(again, x, y, found, mine, few)
            for whole, column in zip(out, found, strict=True):
                if whole is not None:
                    whole[part] = column
            if upstream is not None:
                _scale(mine, upstream[part])
                for g in mine:
                    if g is not None:
                        g[np.isnan(found[0]), 0] = math.nan
            off = max(off, float(np.fmax.reduce(abs(found[1:] - 1), None)))
            off = math.inf if np.isnan(found[0]).any() else off
    return off


def _scale(gradients: Gradients, upstream: Any) -> None:
    for g in gradients:
        if g is not None:
            g *= upstream[:, None]


def _certify(again: Sums, p: Any, q: Any, out: Any, gradients: Gradients, rows: Any) -> None:
    """Some rows by the terms that do not cancel."""
    first = rows[0]
    alone = len(rows) == 1  # a view of a row that may be long, and of its gradients
    pick: Any = slice(first, first + 1) if alone else rows
    mine = [None if g is None else g[pick] for g in gradients]
    for whole, column in zip(out, again(p[pick], q[pick], mine), strict=True):
        whole[pick] = column[:, 0]
    for whole, part in zip(gradients, mine, strict=True):
        if whole is not None and not alone:
            whole[pick] = part


def _tiles(length: int) -> Iterator[slice]:
    return (slice(start, start + _TILE) for start in range(0, length, _TILE))


def _total(parts: list[Any]) -> Any:
    """The sum over the tiles, pairwise, in float64: an array of each sum and row."""
    return np.stack(parts, -1, dtype=np.float64).sum(-1)


def _wanted(gradients: Gradients) -> tuple[bool, bool]:
    return gradients[0] is not None, gradients[1] is not None


def _column(x: Any, like: Any) -> Any:
    return x[:, None].astype(like.dtype)


# -- weights --------------------------------------------------------------------------------------


def _weights(
    p: Any, q: Any, gradients: Gradients, scratch: Any, saved: Any
) -> tuple[Any, Any, Any]:
    """The divergence (NaN where the plain sums do not do) and the masses."""
    parts = []
    for tile in _tiles(p.shape[1]):
        x, y = p[:, tile], q[:, tile]
        log = _log_ratio(x, y, scratch[0][:, : x.shape[1]])
        moment = np.multiply(x, log, out=scratch[1][:, : x.shape[1]])
        parts.append([one.sum(1) for one in (x, y, moment)])
    mass_p, mass_q, moment = sums = _total(parts)
    rest = np.log(mass_q / mass_p)
    kl = rest - moment / mass_p
    limit = float(np.finfo(p.dtype).max) ** 0.375
    held = (kl >= _LARGE * (1 + abs(rest))) & (sums[:2] > 1 / limit).all(0)
    held &= (sums[:2] < limit).all(0)
    if saved is not None:
        saved[:, 0], saved[:, 1:4] = np.where(held, kl, math.nan), sums.T
    if any(_wanted(gradients)):
        held &= kl < math.inf
        for tile in _tiles(p.shape[1]) if held.any() else ():
            mine = [None if g is None else g[:, tile] for g in gradients]
            _weight_gradients(p[:, tile], q[:, tile], mine, sums, scratch, p.shape[1] <= _TILE)
    return np.where(held, kl, math.nan), mass_p, mass_q


def _log_ratio(p: Any, q: Any, out: Any) -> Any:
    """log(q/p), 0 where p is 0; NaN where one is negative, and all over if both can be."""
    np.log(np.divide(q, p, out=out), out=out)
    least = p.min()
    if least == 0 and q.min() >= 0:
        np.copyto(out, 0, where=p == 0)
    elif not least > 0:
        out[...] = math.nan
    return out


def _weight_gradients(
    p: Any, q: Any, gradients: Gradients, sums: Any, scratch: Any, known: bool
) -> None:
    """-(log(q/p) - mean) / P and (q - p - v p) / (q Q); `known`: scratch[0] holds log(q/p)."""
    dp, dq = gradients
    mass_p, mass_q, moment = sums
    v = mass_q / mass_p - 1
    if dp is not None:
        log = scratch[0] if known else _log_ratio(p, q, scratch[0][:, : p.shape[1]])
        i, j = np.nonzero(p == 0) if p.min() == 0 else ((), ())
        if len(i):  # as in `unikl.onepass`
            at = q[i, j]
            at_tiny = math.log(np.finfo(p.dtype).smallest_normal)
            log[i, j] = np.where(at == 0, np.log1p(v)[i], np.log(at) - at_tiny)
        np.subtract(log, _column(moment / mass_p, p), out=dp)
        np.multiply(dp, _column(-1 / mass_p, p), out=dp)
    if dq is not None:
        np.subtract(q, p, out=dq)
        dq -= np.multiply(p, _column(v, p), out=scratch[1][:, : p.shape[1]])
        dq /= q
        if q.min() == 0:
            np.copyto(dq, 1, where=q == 0)
        dq *= _column(1 / mass_q, p)


def _weights_from_saved(p: Any, q: Any, gradients: Gradients, saved: Any, scratch: Any) -> Any:
    for tile in _tiles(p.shape[1]):
        mine = [None if g is None else g[:, tile] for g in gradients]
        _weight_gradients(p[:, tile], q[:, tile], mine, saved[:, 1:4].T, scratch, False)
    return np.ones(len(p), bool)


def _weights_again(p: Any, q: Any, gradients: Gradients) -> tuple[Any, Any, Any]:
    room, wanted = get_backend(p), _wanted(gradients)
    parts = []
    for tile in _tiles(p.shape[1]):
        x, y = p[:, tile], q[:, tile]
        term = weight_terms(room, x, y).term
        parts.append([room.sum(one, (-1,)) for one in (x, y - x, term)])
    rows = weight_rows(room, *_total(parts).astype(p.dtype))
    for tile in _tiles(p.shape[1]) if any(wanted) else ():
        partials = iter(
            weight_partials(room, rows, weight_terms(room, p[:, tile], q[:, tile]), wanted)
        )
        for g in gradients:
            if g is not None:
                g[:, tile] = next(partials)
    return np.where(rows.exact, rows.kl, math.nan), rows.mass_p, rows.mass_q


# -- logarithms -----------------------------------------------------------------------------------


def _logs(a: Any, b: Any, gradients: Gradients, scratch: Any, saved: Any) -> tuple[Any, Any, Any]:
    """The divergence (NaN where the plain sums do not do) and the masses."""
    top_a, top_b = a.max(1, keepdims=True), b.max(1, keepdims=True)
    parts = []
    for tile in _tiles(a.shape[1]):
        w, z, d = _exponentials(a[:, tile], b[:, tile], top_a, top_b, scratch)
        # The gradients need d once more.
        moment = w * d if any(_wanted(gradients)) else np.multiply(w, d, out=d)
        parts.append([one.sum(1) for one in (w, z, moment)])
    mass_a, mass_b, moment = sums = _total(parts)
    rest = np.log(mass_b / mass_a)
    kl = rest - moment / mass_a
    held = kl >= _LARGE * (1 + abs(rest))
    if saved is not None:
        saved[:, 0], saved[:, 1:4] = np.where(held, kl, math.nan), sums.T
        saved[:, 4:6] = np.concatenate((top_a, top_b), 1)
    if any(_wanted(gradients)):
        held &= kl < math.inf
        if held.any():
            held &= _log_gradients(a, b, gradients, (top_a, top_b), sums, scratch)
    totals = [mass * np.exp(top[:, 0]) for mass, top in ((mass_a, top_a), (mass_b, top_b))]
    return np.where(held, kl, math.nan), totals[0], totals[1]


def _exponentials(a: Any, b: Any, top_a: Any, top_b: Any, scratch: Any) -> Any:
    """exp(a - top_a), exp(b - top_b), and their logarithms' difference (0 where a is -inf)."""
    w, z, d = scratch[:, :, : a.shape[1]]
    np.subtract(a, top_a, out=w)
    np.subtract(b, top_b, out=z)
    np.subtract(z, w, out=d)
    if a.min() == -math.inf:
        np.copyto(d, 0, where=a == -math.inf)
    return np.exp(w, out=w), np.exp(z, out=z), d


def _squares(x: Any) -> Any:
    # Not by BLAS, whose threads would spin beside ours.
    return np.einsum("ij,ij->i", x, x)


def _log_gradients(
    a: Any, b: Any, gradients: Gradients, tops: tuple[Any, Any], sums: Any, scratch: Any
) -> Any:
    """-w (log(z/w) + KL) and z - w; True where these are not small beside their summands."""
    da, db = gradients
    mass_a, mass_b, moment = sums
    rest = np.log(mass_b / mass_a)
    squares = np.zeros((3, len(a)))  # of w and z, of da, of db
    for tile in _tiles(a.shape[1]):
        w, z, d = scratch[:, :, : min(a.shape[1], _TILE)]
        if a.shape[1] > _TILE:
            w, z, d = _exponentials(a[:, tile], b[:, tile], tops[0], tops[1], scratch)
        w *= _column(1 / mass_a, w)
        z *= _column(1 / mass_b, w)
        squares[0] += _squares(w) + _squares(z)
        if da is not None:
            d -= _column(moment / mass_a, w)
            np.multiply(d, w, out=da[:, tile])
            np.negative(da[:, tile], out=da[:, tile])
            squares[1] += _squares(da[:, tile])
        if db is not None:
            np.subtract(z, w, out=db[:, tile])
            squares[2] += _squares(db[:, tile])
    far = _FAR**2 * squares[0]
    size = 1 + abs(rest) + abs(moment / mass_a)
    enough_a = da is None or squares[1] >= far * size**2
    return enough_a & (db is None or squares[2] >= far)


def _logs_from_saved(a: Any, b: Any, gradients: Gradients, saved: Any, scratch: Any) -> Any:
    tops = saved[:, 4:5].astype(a.dtype), saved[:, 5:6].astype(a.dtype)
    if a.shape[1] <= _TILE:
        _exponentials(a, b, *tops, scratch)
    return _log_gradients(a, b, gradients, tops, saved[:, 1:4].T, scratch)


def _logs_again(a: Any, b: Any, gradients: Gradients) -> tuple[Any, Any, Any]:
    room, wanted = get_backend(a), _wanted(gradients)
    top_a, top_b = a.max(1, keepdims=True), b.max(1, keepdims=True)
    masses, sums, sizes = [], [], np.zeros((2, len(a), 1))
    for tile in _tiles(a.shape[1]):
        exps = np.exp(a[:, tile] - top_a), np.exp(b[:, tile] - top_b)
        masses.append([room.sum(one, (-1,)) for one in exps])
    of = Normalisers(top_a, top_b, *_total(masses).astype(a.dtype))
    for tile in _tiles(a.shape[1]):
        terms = log_terms(room, a[:, tile], b[:, tile], of)
        sums.append([room.sum(one, (-1,)) for one in (terms.raw, terms.term)])
    rows = log_rows(room, of, *_total(sums).astype(a.dtype))
    for tile in _tiles(a.shape[1]) if any(wanted) else ():
        terms = log_terms(room, a[:, tile], b[:, tile], of)
        partials = iter(log_partials(rows, terms, wanted))
        for g, size in zip(gradients, sizes, strict=True):
            if g is not None:
                g[:, tile] = next(partials)
                size += np.abs(g[:, tile]).sum(1, keepdims=True)
    live = [size for size, want in zip(sizes, wanted, strict=True) if want]
    exact = centred(room, rows, of, live, wanted)
    return np.where(exact, rows.kl, math.nan), rows.mass_p, rows.mass_q
