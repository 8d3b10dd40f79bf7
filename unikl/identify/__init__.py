"""Which convention made this number?

Every library has its own Kullback-Leibler divergence, and every program its own mistakes.
`identify` computes some thousands of combinations and says which of them give a number.

>>> import numpy as np
>>> from unikl.identify import identify
>>> p = np.array([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])
>>> q = np.array([[0.25, 0.5, 0.25], [0.3, 0.3, 0.4]])
>>> identify("0.06234", p, q)[0].sentence
"torch F.kl_div(q.log(), p) with reduction='mean': divides by all 6 elements, not by 2 rows"
"""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

import numpy as np

from ..backends import get_backend
from ..inputs import Form, read_inputs
from .matches import Identification, Match, choose
from .search import Floats, candidates

__all__ = ["Identification", "Match", "identify"]


def identify(
    value: Any,
    p: Any,
    q: Any,
    *,
    given: Form | tuple[Form, Form] = "probs",
    rtol: float | None = None,
) -> Identification:
    """Find the conventions and mistakes that make a number out of p and q.

    Tried are both directions; each array taken for what it is not (probabilities for logarithms,
    logits for probabilities, softmax applied twice, or over the wrong axis); the divergence
    normalised, raw, generalised, clipped, with an epsilon; symmetrised divergences and the
    cross-entropy; every reduction, bits and base 10, temperatures; and the functions of the
    libraries with their quirks.

    Parameters
    ----------
    value : float, str, or array of either
        The number, or the numbers of the rows, the columns or the elements.  A string, also one
        of several numbers as printed, or a Python float has as many digits as it shows.
    p, q : array
        What it was made of, of one shape, any library; categories along the last axis.
    given : {"probs", "log_probs", "logits", "counts"} or a pair of them
        What the arrays really hold, as in `unikl.kl_divergence`.
    rtol : float, optional
        The relative tolerance; by default it follows from the digits of the value and from the
        rounding of the dtype.

    Returns
    -------
    Identification
        A sequence of `Match`, the closest first and among equally close ones the simplest,
        conventions of the same value in one `Match`; `print` it.

    Raises
    ------
    ValueError
        If value holds no numbers or too many, or p and q differ in shape or are empty.

    Notes
    -----
    A number of few digits fits many conventions: the far-fetched ones come last, and a number to
    all digits is better.  NaN and infinity are values, too.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.identify import identify
    >>> p, q = np.array([0.3, 0.3, 0.4]), np.array([0.5, 0.5, 0.0])
    >>> match = identify("5.774227", p, q)[0]
    >>> match.sentence
    'keras.losses.kl_divergence(p, q): clips p and q to [1e-7, 1]'
    >>> match.code
    'compat.keras.kl_divergence(p, q)'
    >>> len(identify("5.8", p, q).matches) > 0, len(identify("7.123", p, q).matches)
    (True, 0)
    """
    shapes = [tuple(np.shape(x)) for x in (p, q)]
    if shapes[0] != shapes[1] or 0 in shapes[0]:
        raise ValueError(f"p and q must have one shape and not be empty, got {shapes}")
    room = get_backend(p, q)
    inputs = read_inputs(room, p, q, None, given, -1)
    p, q = (np.asarray(room.to_numpy(x), np.float64) for x in (inputs.p, inputs.q))
    want, unit = _read_value(value)
    found = candidates(p, q, inputs.given, want.size)
    if not found:
        raise ValueError(
            f"value holds {want.size} numbers, which are neither the rows nor the columns nor the "
            f"elements of arrays of shape {shapes[0]}"
        )
    eps = max(room.eps(d) if room.xp.isdtype(d, "real floating") else 0.0 for d in inputs.dtypes)
    eps = max([eps, 2.0**-52, *map(_slack, (p, q), inputs.given)])
    return choose(found, want, unit, eps, rtol)


def _slack(x: Floats, form: str) -> float:
    """By how much rows fail to sum to 1, where that can be the rounding of a narrower dtype."""
    if form not in ("probs", "log_probs"):
        return 0.0
    with np.errstate(all="ignore"):
        slack = float(np.max(np.abs((np.exp(x) if form == "log_probs" else x).sum(-1) - 1)))
    return slack if slack < 1e-6 else 0.0


def _read_value(value: Any) -> tuple[Floats, Floats]:
    """The numbers, and for each the unit of its last digit."""
    texts = _texts(value)
    try:
        numbers = [Decimal(text) for text in texts]
    except InvalidOperation as error:
        raise ValueError(f"value must be a number, or several, got {value!r}") from error
    if not numbers:
        raise ValueError("value must be a number, or several, got none")
    exponents = [number.as_tuple().exponent for number in numbers]
    units = [10.0**e if isinstance(e, int) else 0.0 for e in exponents]  # no digits in nan, inf
    return np.array([float(text) for text in texts]), np.array(units)


def _texts(value: Any) -> list[str]:
    """The numbers as they are printed, to all digits."""
    if isinstance(value, str):
        return re.split(r"[\s,;]+", value.strip(" \n[]()")) if value.strip() else []
    if isinstance(value, list | tuple):
        return [text for each in value for text in _texts(each)]
    room = get_backend(value)
    array = np.ravel(room.to_numpy(room.asarray(value)))
    if array.dtype.name not in ("float16", "float32"):
        array = array.astype(np.float64)
    return [str(number) for number in array]
