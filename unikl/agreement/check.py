"""The consistency check of any function: every backend, mode and dtype, with the truth beside."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from unikl.agreement import controls, runners
from unikl.agreement.cases import Numbers
from unikl.agreement.checker import Checker, Found, Known, Plan
from unikl.agreement.compare import EPS
from unikl.agreement.examples import Example, read
from unikl.agreement.examples import store as store_examples
from unikl.agreement.outcome import Outcome, Row
from unikl.agreement.shrink import smallest
from unikl.agreement.subject import Subject
from unikl.agreement.suite import installed, known
from unikl.agreement.truth import DIGITS, NotExact, Truth, exact, in_float64

Function = Callable[..., Any]
MODES = ("eager", "compiled")


def check(
    fn: Function | Mapping[str, Function],
    /,
    *inputs: Any,
    backends: Sequence[str] | None = None,
    dtypes: Sequence[str] = ("float32", "float64"),
    modes: Sequence[str] = MODES,
    gradients: bool = True,
    reference: Function | None = None,
    limit: float = 16.0,
    examples: int = 20,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    seed: int = 0,
    shrink: bool = True,
    compiler: str = "aot_eager",
    store: str | Path | None = None,
    title: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Whether a function gives the same values and gradients in every framework, and who is wrong.

    Parameters
    ----------
    fn
        A function of arrays that uses the Array API: through the namespace of its arguments
        (``array_api_compat.array_namespace``), or through a parameter ``xp`` that is given to it.
        TensorFlow has no such namespace, so that only the second way reaches it. Or a function of
        native arrays for each backend: ``{"torch": f, "jax": g, "tensorflow": h, "numpy": k}``.
        It returns an array, or tuples, lists and dicts of them.
    *inputs
        Its arguments: arrays or lists; or what to draw them from, `arrays` and `integers`; or one
        path of a .npz or .npy file. Floating-point arguments are given in each dtype and
        differentiated, integers and booleans are not.
    backends
        Names out of ``numpy``, ``torch``, ``jax``, ``tensorflow`` and ``strict``
        (array-api-strict); by default those of `fn`, or the first four, as far as installed.
    dtypes
        Names out of ``float16``, ``bfloat16``, ``float32`` and ``float64``.
    modes
        ``"eager"`` and ``"compiled"``: torch.compile, jax.jit, tf.function.
    gradients
        Whether to compare the gradients, of a weighted sum of all outputs.
    reference
        What is right: a function of NumPy arrays in float64, or of Array API arrays, which is
        then run to 60 digits.
    limit
        The error allowed, in eps of the dtype.
    examples, sizes, seed
        How many inputs to draw, from which seed, and the ranges of the lengths that have names.
    shrink
        Whether to look for the smallest failing input.
    compiler
        The backend of torch.compile. ``"aot_eager"`` traces and differentiates as every other,
        where ported code goes wrong, in a second; ``"inductor"`` also generates code, in ten.
    store
        A .npz file to write the failing inputs to; as the input of another check it replays them.
    title
        Of the outcome; by default the names of the functions.
    progress
        Called after each input with how many are done, and how many there are.

    Returns
    -------
    Outcome
        Its `ok`; its rows, one for each comparison; who is to blame; the smallest failing input.
        ``str`` of it is a table.

    Raises
    ------
    ValueError
        If a name is unknown, or there is nothing to run.
    TypeError
        If an input is no array of real numbers.
    ImportError
        If a backend that was asked for is not installed.

    Notes
    -----
    An Array API function is also run on numbers of 60 digits, and its gradients by difference
    quotients there: each backend's error is against this truth. Else it is against `reference`, or
    else against what most backends say in float64; of two that differ none is blamed.

    Gradients are of sum(w y), where the weights w are of both signs and of different sizes, so
    that a rule that ignores the upstream gradient is seen. An error is relative to the number, or
    to what it moves by, relative to the change, when its inputs move a little: a sum that cancels
    is not held to more digits than its inputs have. In gradients it is relative to the largest
    entry. At a kink every slope between the one-sided ones is right.

    Examples
    --------
    >>> import numpy as np
    >>> from unikl.agreement import arrays, check
    >>> def softplus(x, xp):
    ...     return xp.log1p(xp.exp(x))
    >>> check(softplus, arrays((2, 3)), backends=["numpy"], examples=5).ok
    True
    >>> check(lambda x, xp: xp.sum(x) / 3, [1.0, 2.0], backends=["numpy"],
    ...       reference=np.mean, shrink=False).blamed
    ('numpy',)
    """
    start = time.perf_counter()
    functions = _functions(fn, backends)
    for kind, names, choices in (("dtype", dtypes, EPS), ("mode", modes, MODES)):
        known(kind, names, tuple(choices))
    subjects = {name: Subject(runners.load(name), own, compiler) for name, own in functions.items()}
    cases = read(inputs, examples, seed, sizes or {})
    if not cases or not dtypes or not modes:
        raise ValueError("nothing to run: give at least one input, dtype and mode")
    truth, label = _truth(fn, reference, cases[0], gradients)
    checker = Checker(subjects, truth, limit)
    plan = Plan(tuple(dtypes), tuple(modes), gradients)
    found, failing = _check_all(checker, cases, plan, progress)
    if blind := controls.unseen_by_judge(limit):
        raise RuntimeError(f"the comparison is blind: {'; '.join(blind)}")
    if store is not None and failing:
        store_examples(store, failing)
    minimal = _minimal(checker, failing, found, inputs) if shrink and failing else None
    return Outcome(
        title=title or _title(fn),
        rows=tuple(found.rows),
        truth=label,
        limit=limit,
        versions={name: subject.runner.VERSION for name, subject in subjects.items()},
        devices=checker.devices,
        blamed=tuple(name for name in subjects if name in found.blamed),
        minimal=minimal,
        seed=seed,
        seconds=time.perf_counter() - start,
    )


def _functions(
    fn: Function | Mapping[str, Function], backends: Sequence[str] | None
) -> dict[str, Function]:
    """The function of each backend, in the order in which these may load."""
    if not isinstance(fn, Mapping):
        names = installed(backends)
        return dict.fromkeys(names, fn)
    known("backend", tuple(fn), tuple(runners.PACKAGES))
    if missing := set(backends or ()) - set(fn):
        raise ValueError(f"no function is given for {', '.join(sorted(missing))}")
    names = installed(backends) if backends else runners.installed()
    found = {name: fn[name] for name in names if name in fn}
    if not found:
        raise ValueError(f"none of {', '.join(fn) or 'no backends'} is installed")
    return found


def _truth(
    fn: Function | Mapping[str, Function],
    reference: Function | None,
    case: Example,
    gradients: bool,
) -> tuple[Known, str]:
    """What is known to be right, and how: tried on the first input."""
    source = reference if reference is not None else fn
    if isinstance(source, Mapping):
        return _nothing, "consensus"

    def digits(xs: Sequence[Numbers], wanted: tuple[int, ...]) -> Truth | None:
        plain = in_float64(source, xs)
        try:
            found = exact(source, xs, wanted)
        except NotExact:
            found = None
        # NumPy's functions take an array of 60 digits for one object, and np.sum returns it.
        if found is None or (plain is not None and not found.confirms(plain)):
            return None if reference is None else plain
        return found

    first = digits(case.arrays, ())
    if first is None:
        return _nothing, "consensus"
    return digits, f"mpmath, {DIGITS} digits" if reference is None else "given"


def _nothing(xs: Sequence[Numbers], wanted: tuple[int, ...]) -> Truth | None:
    return None


def _check_all(
    checker: Checker,
    cases: Sequence[Example],
    plan: Plan,
    progress: Callable[[int, int], None] | None,
) -> tuple[Found, list[Example]]:
    """What was found in all cases, and those that fail."""
    whole, failing = Found(), []
    for done, case in enumerate(cases, 1):
        found = checker.check(case, plan)
        whole.rows += found.rows
        whole.blamed |= found.blamed
        if any(row.wrong for row in found.rows):
            failing.append(case)
        if progress is not None:
            progress(done, len(cases))
    return whole, failing


def _minimal(
    checker: Checker, failing: Sequence[Example], found: Found, inputs: Sequence[Any]
) -> dict[str, Any]:
    """Shrink the failure that says most: of a value, eagerly, in the widest dtype, and small."""
    cases = {case.label: case for case in failing}

    def order(row: Row) -> tuple[Any, ...]:
        certain = row.backend in found.blamed
        gradient = row.quantity.startswith("gradient")
        return not certain, row.mode != "eager", gradient, EPS[row.dtype], cases[row.case].size

    row = min((row for row in found.rows if row.wrong), key=order)
    case = cases[row.case]
    given = inputs if len(inputs) == len(case.arrays) else case.arrays
    return smallest(checker, case, row, given)


def _title(fn: Function | Mapping[str, Function]) -> str:
    if isinstance(fn, Mapping):
        names = list(dict.fromkeys(_title(each) for each in fn.values()))
        return ", ".join(names)
    return str(getattr(fn, "__name__", None) or type(fn).__name__)
