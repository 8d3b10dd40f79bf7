"""The algorithm: one Kullback-Leibler divergence, written on an Array API namespace.

Both arguments are brought into one picture (`Pair`): the normalised weights ``w`` of p and
``z`` of q, with ``diff = z - w`` and ``log_ratio = log(z / w)`` each accurate in its own right
when p and q nearly agree.  Then

    KL(p || q) = sum_i term_i,      term = diff - w log_ratio  >=  0,

because the diffs sum to zero.  Every term is non-negative, so the sum is well conditioned and
never negative.  Close to w = z the term is ``w psi(u)`` with ``u = z/w - 1``, or ``w chi(d)``
with ``d = log(z/w)``, both from series without cancellation.

A `Pair` is made by one of two leaves (`pairs`), from weights or from logarithms.

The derivatives, in the same terms:

    weights:     dKL/dp_i = -(log_ratio_i + KL) / sum p,     dKL/dq_i = diff_i / (z_i sum q)
    logarithms:  dKL/da_i = -w_i (log_ratio_i + KL),         dKL/db_i = diff_i

They are ordinary Array API code, so differentiating them once more gives the second order.

Reference: L. M. Bregman, USSR Comput. Math. 7 (1967) 200 (the divergence with these terms).
"""

import math
from typing import Any, NamedTuple

from .backends import FUSED, Array, Backend, get_backend
from .inputs import LINEAR, Form, Inputs, read_inputs
from .numerics import difference
from .onepass import Branch, from_logs, from_weights
from .pairs import Pair, log, pair_from_logs, pair_from_weights
from .plain_sums import large_from_logs, large_from_weights
from .validation import check_result, should_validate

__all__ = ["kl_divergence"]

# -- the value and its derivatives ----------------------------------------------------------------


class Reduction(NamedTuple):
    """The divergence of arrays of one shape over `axis`: value, JVP and VJP, for a room."""

    room: Backend
    given: tuple[str, str]
    axis: tuple[int, ...]

    @property
    def linear(self) -> tuple[bool, bool]:
        """Which argument is given by weights; the other ones by logarithms."""
        return self.given[0] in LINEAR, self.given[1] in LINEAR

    @property
    def of_any_sum(self) -> "Reduction":
        """The same without a promise: a block's weights have any sum, and units suit their size."""
        forms = ["counts" if form == "probs" else form for form in self.given]
        return self._replace(given=(forms[0], forms[1]))

    @property
    def fused_kernel(self) -> str:
        """Which function of `unikl.kernels` does the same."""
        names = ["weights" if linear else "logs" for linear in self.linear]
        return names[0] if names[0] == names[1] else "_".join(names)

    def pair(self, p: Array, q: Array) -> Pair:
        """Both arguments in one picture."""
        if self.linear == (True, True):
            return pair_from_weights(self.room, p, q, self.axis, self.given)
        xp = self.room.xp
        a = log(xp, p) if self.linear[0] else p
        b = log(xp, q) if self.linear[1] else q
        pair = pair_from_logs(self.room, a, b, self.axis)
        if self.linear[0]:
            pair = pair._replace(mass_p=self.room.sum(p, self.axis))
        if self.linear[1]:
            pair = pair._replace(mass_q=self.room.sum(q, self.axis))
        return pair

    def value(self, p: Array, q: Array) -> tuple[Array, Array, Array]:
        """The divergence, and the masses of p and q (which validation looks at)."""
        pair = self.pair(p, q)
        # Added, not selected: NaN and infinity in one row is NaN.
        term = self.room.xp.where(pair.lost, pair.term + math.inf, pair.term)
        kl = self.room.sum(term, self.axis) / pair.total
        return kl + 0 * pair.scale, pair.mass_p, pair.mass_q  # an empty sum is no divergence

    def vjp(self, g: Array, wanted: tuple[bool, bool], p: Array, q: Array) -> list[Array | None]:
        """The gradient in each wanted argument, of sum(g KL)."""
        partials = self._partials(wanted, p, q)
        return [None if d is None else (g * d[0]) * d[1] for d in partials]

    def jvp(self, tangents: tuple[Array | None, Array | None], p: Array, q: Array) -> Array:
        """The derivative of KL along the tangents (None: zero)."""
        wanted = (tangents[0] is not None, tangents[1] is not None)
        products = [
            self.room.sum((t * d[0]) * d[1], self.axis)
            for t, d in zip(tangents, self._partials(wanted, p, q), strict=True)
            if t is not None and d is not None
        ]
        return products[0] if len(products) == 1 else products[0] + products[1]

    def rows(
        self, p: Array, q: Array, wanted: tuple[bool, bool]
    ) -> tuple[tuple[Array, ...], list[Array | None]]:
        """One distribution in each row of a matrix, of any library: value and masses, gradients."""
        rule = Reduction(get_backend(p, q), self.given, (-1,))
        values = rule.value(p, q)
        return values, rule.vjp(rule.room.xp.ones_like(values[0]), wanted, p, q)

    def first_order(
        self, branch: Branch, wanted: tuple[bool, bool], p: Array, q: Array
    ) -> tuple[Array, ...]:
        """The value, the masses and the wanted partial derivatives (never differentiated again).

        In one pass where that is exact, as `branch` finds, else as above.
        """

        def careful() -> tuple[Array, ...]:
            kl, mass_p, mass_q = self.value(p, q)
            partials = self.vjp(self.room.xp.ones_like(kl), wanted, p, q)
            return (kl, mass_p, mass_q, *[d for d in partials if d is not None])

        if self.linear[0] != self.linear[1]:
            return careful()
        one_pass = from_weights if self.linear[0] else from_logs
        rows, partials = one_pass(self.room, p, q, self.axis, wanted)
        return branch(rows.exact, (*rows[:3], *partials), careful)

    def large(
        self, wanted: tuple[bool, bool], p: Array, q: Array
    ) -> tuple[Array, tuple[Array, ...]] | None:
        """What `first_order` gives, where the divergence is not small; and where that is."""
        if self.linear[0] != self.linear[1]:
            return None
        form = large_from_weights if self.linear[0] else large_from_logs
        rows, partials = form(self.room, p, q, self.axis, wanted)
        return rows.exact, (*rows[:3], *partials)

    def _partials(
        self, wanted: tuple[bool, bool], p: Array, q: Array
    ) -> list[tuple[Array, Array] | None]:
        """The partial derivatives, each as two factors.

        An infinite derivative is the product of two finite factors, so that a zero upstream
        (a row that the caller masked out afterwards) gives zero and not NaN.
        """
        pair = self.pair(p, q)
        return [
            self._partial_p(pair, p, q) if wanted[0] else None,
            self._partial_q(pair, p, q) if wanted[1] else None,
        ]

    def _partial_p(self, pair: Pair, p: Array, q: Array) -> tuple[Array, Array]:
        xp, room = self.room.xp, self.room
        # log_ratio over its mean, which is -KL; in an infinite row that of the finite terms, so
        # that the other entries stay finite.
        mean = room.sum(pair.w * pair.log_ratio, self.axis) / pair.total
        excess = pair.log_ratio - mean
        if not self.linear[0]:
            b = log(xp, q) if self.linear[1] else q
            return self._two_factors(self._partial_log_p(pair, p, b, excess), pair.lost, 1)
        # At p = 0 < q the derivative is -inf: give the one at the smallest normal number.
        tiny = math.log(room.smallest_normal(p.dtype))
        empty = (p == 0) & (pair.z > 0)
        log_z = xp.log(xp.where(empty, pair.z, 1.0))
        at_tiny = excess + (log_z - (tiny + xp.log(pair.total / pair.mass_p)))
        return self._two_factors(-xp.where(empty, at_tiny, excess) / pair.mass_p, pair.lost, 1)

    def _partial_log_p(self, pair: Pair, a: Array, b: Array, excess: Array) -> Array:
        """``-w (log_ratio + KL)``, the excess of log_ratio over its mean, also where that cancels.

        That is where nearly all of p's weight lies on categories with nearly the same ratio,
        to the extreme of one category.  So the mean is taken out of b - a itself, and the one
        category that may hold more than half of the weight gets what the others leave, as the
        derivatives sum to zero.  In an infinite row they do not, and the plain form stands.
        """
        xp, room, on = self.room.xp, self.room, (a > -math.inf) & (b > -math.inf)
        hi, lo = difference(xp.where(on, b, 0.0), xp.where(on, a, 0.0))
        centre = room.stop_gradient(room.sum(pair.w * hi, self.axis))
        h = xp.where(on, (hi - centre) + room.stop_gradient(lo), 0.0)
        h = h - room.stop_gradient(room.sum(pair.w * h, self.axis))  # what centre's rounding left
        finite = room.sum(xp.where(pair.lost, pair.w, 0.0), self.axis) == 0
        excess = xp.where(finite, h - room.sum(pair.w * h, self.axis), excess)
        return self._balanced(-pair.w * excess, finite & (pair.w > 0.5))

    def _balanced(self, partial: Array, heavy: Array) -> Array:
        """Derivatives that sum to zero: the heavy category gets what the others leave."""
        partial = self.room.xp.where(heavy, 0.0, partial)
        return self.room.xp.where(heavy, -self.room.sum(partial, self.axis), partial)

    def _partial_q(self, pair: Pair, p: Array, q: Array) -> tuple[Array, Array]:
        xp = self.room.xp
        if not self.linear[1]:
            return self._balanced(pair.diff, pair.w > 0.5), xp.ones_like(pair.mass_q)
        positive = pair.z > 0
        # 1 - w/z, whose mean is 0 but for a rounding error common to all.
        mean = self.room.stop_gradient(self.room.sum(pair.diff, self.axis) / pair.total)
        relative = pair.diff / xp.where(positive, pair.z, 1.0) - mean
        partial = xp.where(positive, relative, 1.0) / pair.mass_q
        return self._two_factors(partial, pair.lost, -1)

    def _two_factors(self, partial: Array, lost: Array, sign: int) -> tuple[Array, Array]:
        xp = self.room.xp
        huge = 0.99 * self.room.largest(partial.dtype)
        factor = xp.where(lost, huge, xp.ones_like(partial))
        return xp.where(lost, sign * huge, partial), factor


# -- the public function --------------------------------------------------------------------------


def kl_divergence(
    p: Any,
    q: Any,
    /,
    *,
    given: Form | tuple[Form, Form] = "probs",
    axis: int | tuple[int, ...] | None = -1,
    where: Any = None,
    keepdims: bool = False,
    base: float | None = None,
    validate: bool | None = None,
    method: Any = "auto",
) -> Array:
    r"""Kullback-Leibler divergence KL(p || q), one value for each distribution.

    .. math:: \mathrm{KL}(p \| q) = \sum_i w_i \log\frac{w_i}{z_i}

    where w and z are p and q normalised over `axis`.  Never negative, 0 for equal distributions,
    +inf where p has mass and q has none.

    Parameters
    ----------
    p, q : array, or distribution
        The distributions, as arrays of any shape and of one library: NumPy, PyTorch, TensorFlow,
        JAX, or any other that has an Array API namespace.  They broadcast against each other,
        except along `axis`.  Python lists and numbers go with any library, and are NumPy when
        alone, as are pandas and polars Series.  Or two distribution objects of unikl.distributions,
        torch.distributions, TensorFlow Probability, NumPyro, Distrax or SciPy (frozen), for
        which only `base`, `validate` and `method` count.
    given : {"probs", "log_probs", "logits", "counts"} or a pair of them
        What the arrays hold; a pair says it of p and of q.  Every form is normalised over
        `axis`: "logits" are log-probabilities up to a constant, "counts" are weights up to a
        factor, "probs" and "log_probs" add the promise that each row sums to 1, which
        validation checks.
    axis : int, tuple of ints or None
        The category axis or axes; None takes all of them as one.
    where : array of bool, optional
        The categories that exist, broadcast with p and q.  A masked-out category counts
        nowhere, not in the normalisation either.
    keepdims : bool
        Keep the category axes with length 1.
    base : float, optional
        The base of the logarithm: None for nats, 2 for bits.
    validate : bool, optional
        Whether to raise for rows that are no distributions.  None does so for values that lie
        in host memory and leaves traced, lazy and accelerator arrays alone; False returns NaN
        for such rows.
    method : str
        For distribution objects: "auto" takes the best of what there is, "exact" a closed form
        or NotImplementedError; see `unikl.explain_kl`.

    Returns
    -------
    array
        Of p's library and device, in float64 if p or q is float64, float32 for other floats
        (float16 and bfloat16 are computed in float32), the library's default float for integers.

    Raises
    ------
    TypeError
        If the arrays come from two libraries or hold complex numbers.
    ValueError
        If an option is not one of those above, the numbers of categories differ, or (when
        validated) a row holds NaN or a negative weight, has no mass, or does not sum to 1.

    Notes
    -----
    A zero is a zero in every form: probability 0, log-probability -inf, logit -inf.  With
    0 log 0 = 0, a category with p = 0 contributes nothing, and one with p > 0 = q makes the row
    +inf.  A row with NaN, a negative weight, a +inf logit or without mass is NaN.

    Values and gradients are within 8 eps of the exact ones (norm-wise for the gradient), also
    where p and q nearly agree.  The gradients are those of the normalised arrays: in weights
    they are tangent to the simplex, dKL/dp_i = log(w_i/z_i) - KL and dKL/dq_i = 1 - w_i/z_i at
    sum 1; in logits they are w (log(w/z) - KL) and z - w.  At p_i = 0 the derivative in p_i,
    -inf, is replaced by the one at the smallest normal number.

    References
    ----------
    .. [1] S. Kullback and R. A. Leibler, "On Information and Sufficiency", Annals of
       Mathematical Statistics 22 (1951) 79-86, equation 2.4.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl import kl_divergence
    >>> p = np.array([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    >>> q = np.array([[0.25, 0.5, 0.25], [0.1, 0.2, 0.7]])
    >>> kl_divergence(p, q)
    array([0.34657359, 0.        ])

    Probabilities of a teacher, logits of a student, in bits:

    >>> kl_divergence(p, np.zeros((2, 3)), given=("probs", "logits"), base=2)
    array([0.5849625 , 0.42818285])
    """
    if axis == -1 and where is None and base is None and not keepdims and type(p) in FUSED:
        fused = FUSED[type(p)](p, q, given, validate, _plain_rule)
        if fused is not None:
            return fused
    if _is_distribution(type(p)) or _is_distribution(type(q)):
        from .distributions.fallback import kl_divergence as of_distributions

        return of_distributions(p, q, method=method, base=base, validate=validate)
    room = get_backend(p, q, where)
    inputs = read_inputs(room, p, q, where, given, axis)
    reduction = Reduction(room, inputs.given, inputs.axis)
    if 0 in [n for n in _category_shape(room, inputs) if n is not None]:
        # No categories, no distribution; an empty sum keeps the shape, dtype and device.
        mass_p, mass_q = room.sum(inputs.p, inputs.axis), room.sum(inputs.q, inputs.axis)
        kl = mass_p + mass_q + math.nan
    else:
        kl, mass_p, mass_q = room.kernel(reduction)(inputs.p, inputs.q)
    if validate is not False and should_validate(room, kl, validate):
        check_result(room, inputs, kl, (mass_p, mass_q))
    if base is not None:
        kl = kl * (1 / log_of_base(base))
    return kl if keepdims else room.xp.squeeze(kl, axis=inputs.axis)


# By class: is it a distribution object, ours or another library's?
_DISTRIBUTIONS: dict[type, bool] = {}


def _is_distribution(cls: type) -> bool:
    found = _DISTRIBUTIONS.get(cls)
    if found is None:
        names = ("Distribution", "rv_frozen", "multi_rv_frozen")
        found = any(base.__name__ in names for base in cls.__mro__)
        _DISTRIBUTIONS[cls] = found
    return found


def _plain_rule(room: Backend, given: Form) -> Reduction:
    return Reduction(room, (given, given), (-1,))


def _category_shape(room: Backend, inputs: Inputs) -> list[int | None]:
    shape = room.shape(inputs.p)
    return [] if shape is None else [shape[one] for one in inputs.axis]


def log_of_base(base: float) -> float:
    """log(base), checked."""
    if not (isinstance(base, int | float) and 0 < base < math.inf and base != 1):
        raise ValueError(f"base must be a positive number other than 1, or None, got {base!r}")
    return math.log(base)
