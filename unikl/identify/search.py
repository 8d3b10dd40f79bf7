"""Every candidate: a reading of the arrays, a call, a reduction and a factor; their values."""

import functools
import math
import string
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from . import formulas
from .calls import FORMULAS, Call, epsilon_calls
from .libraries import LIBRARIES
from .readings import Setting, settings

__all__ = ["Candidate", "candidates"]

Floats = npt.NDArray[np.float64]

_EPSILONS = (1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15)


class Change(NamedTuple):
    """Something done to the result of a call: a reduction, or a factor."""

    code: str  # appended to the call
    clause: str = ""
    cost: int = 0
    method: bool = True  # whether a user of the library would write just that


class Candidate(NamedTuple):
    """One convention, and its value for these arrays."""

    setting: Setting
    call: Call
    reduction: Change
    factor: Change
    ndim: int
    value: Floats
    noise: Floats  # the size of the terms that were summed: their rounding is in proportion

    @property
    def cost(self) -> int:
        """How far-fetched it is."""
        costs = (self.setting.cost, self.call.cost, self.reduction.cost, self.factor.cost)
        return sum(costs)

    @property
    def kin(self) -> tuple[Setting, str, Change]:
        """What it shares with those that differ in the treatment of small numbers alone."""
        return self.setting, self.reduction.clause, self.factor

    @property
    def code(self) -> str:
        """A line of code, in the names of `unikl.identify.formulas`, that gives the value."""
        return _code(self.setting, self.call, self.ndim) + self.reduction.code + self.factor.code

    @property
    def library(self) -> str:
        """The call as users of its library write it; nothing if they do not."""
        changes = (self.reduction, self.factor)
        if not (self._name and all(change.method for change in changes)):
            return ""
        return self._name + "".join(change.code for change in changes)

    @property
    def _name(self) -> str:
        methods = self.call.name.startswith(("torch", "Liger"))
        return _plain(self.call.name.format(**_slots(self.setting, self.ndim, methods)))

    @property
    def sentence(self) -> str:
        """What was computed, and what is peculiar about it."""
        what = _plain(self.call.what.format(**_slots(self.setting, self.ndim)))
        notes = [*self.setting.clauses(), self.reduction.clause, self.factor.clause]
        head = self.library or self._name or what
        notes = [note for note in ([what] if self._name else []) + notes if note]
        if not notes and self._name:
            notes = ["KL(q || p)" if self.setting.swapped else "KL(p || q)"]
        return f"{head}: {', '.join(notes)}" if notes else head


def candidates(p: Floats, q: Floats, given: tuple[str, str], size: int) -> list[Candidate]:
    """All candidates of `size` values."""
    names = {name: getattr(formulas, name) for name in formulas.__all__} | {"p": p, "q": q}
    proper = all((x >= 0).all() and np.allclose(x.sum(-1), 1, rtol=0, atol=1e-6) for x in (p, q))
    calls = [*FORMULAS, *LIBRARIES]
    calls += [call for eps in _EPSILONS for call in epsilon_calls(eps)]
    found: list[Candidate] = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # those of the functions called
        for setting in settings(given, p.ndim > 1):
            noise = _Noise(setting, names)
            for call in calls:
                if _applies(call, setting, proper) and _possible(call, setting, p.ndim):
                    # The code that is shown is the code that was run.
                    result = eval(_code(setting, call, p.ndim), names)
                    found += _reduced(setting, call, p.shape, result, noise, size)
    return found


def _applies(call: Call, setting: Setting, proper: bool) -> bool:
    """Whether this reading is one to try the call on."""
    if call.symmetric and setting.swapped:
        return False
    if call.where == "any":
        return True
    weights = {"probs", "counts"}.issuperset(setting.given)
    logs = {"logits", "log_probs"}.issuperset(setting.given)
    applies = {
        "right": True,
        "weights": weights,
        "logs": logs,
        "distributions": weights and proper,
    }
    return setting.right and applies[call.where]


def _possible(call: Call, setting: Setting, ndim: int) -> bool:
    """Whether the reading has the arrays that the call takes."""
    slots = _slots(setting, ndim)
    return all(slots[field] is not None for field in _fields(call.code + call.name))


@functools.cache
def _fields(template: str) -> tuple[str, ...]:
    return tuple(name for _, name, _, _ in string.Formatter().parse(template) if name)


@functools.lru_cache(1024)
def _slots(setting: Setting, ndim: int, methods: bool = False) -> dict[str, str | None]:
    slots = setting.slots(methods)
    # For what takes two axes, and normalises weights.
    two = {"p_2d": "p_counts", "q_2d": "q_counts", "log_p_2d": "log_p", "log_q_2d": "log_q"}
    for name, flat in two.items():
        text = slots[flat]
        rows = f"np.atleast_2d({text})" if ndim == 1 else text
        slots[name] = rows if text and ndim < 3 else None
    return slots


def _code(setting: Setting, call: Call, ndim: int) -> str:
    if call is FORMULAS[0] and setting.right:
        same = len(set(setting.given)) == 1
        given = f'"{setting.given[0]}"' if same else str(setting.given)
        return f"kl_divergence({setting.p.array}, {setting.q.array}, given={given}, validate=False)"
    return call.code.format(**_slots(setting, ndim))


def _plain(text: str) -> str:
    return text.replace("np.", "")


# -- reductions and factors ------------------------------------------------------------------------


def _reduced(
    setting: Setting, call: Call, shape: tuple[int, ...], result: Any, noise: "_Noise", size: int
) -> Iterator[Candidate]:
    """The result of a call, reduced to `size` values in every way, times every factor."""
    terms = noise.of(call)
    for reduction in _reductions(call.gives, shape):
        reduce = _function(reduction.code)
        value = np.ravel(reduce(np.asarray(result, np.float64)[()]))
        if value.size != size:
            continue
        spread = np.ravel(reduce(terms))
        for number, factor in _factors(setting.temperature):
            yield Candidate(
                setting, call, reduction, factor, len(shape), value * number, spread * abs(number)
            )


@functools.cache
def _function(code: str) -> Any:
    """What the appended code does, as a function."""
    return eval(f"lambda x: x{code}")


@functools.lru_cache(256)
def _reductions(gives: str, shape: tuple[int, ...]) -> list[Change]:
    """What may be done to a result of this kind, for p and q of this shape."""
    clauses, batched = _clauses(shape), len(shape) > 1
    if gives in clauses:  # one number already
        return [Change("", clauses[gives])]
    if gives == "elements":
        return [Change("", "element by element", 1)]
    if gives == "columns" and batched:
        over = "the columns taken for the distributions"
        each = f"{over}, one value for each column"
        return [Change("", each), Change(".sum()", over, 1), Change(".mean()", over, 1)]
    cells = gives == "cells"
    rows = ".sum(-1)" if cells else ""
    over_all = ".mean()" if cells else f"{'.mean()' if batched else ''} / {shape[-1]}"
    found = [
        Change(rows, "one value for each row" if batched else ""),
        Change(over_all, clauses["element mean"], 2, method=cells),
    ]
    if cells:
        found.append(Change("", "element by element", 1))
    if batched:
        found.append(Change(".sum()", clauses["sum"], 1))
        found.append(Change(f"{rows}.mean()", clauses["mean"]))
    if len(shape) > 2:
        found.append(Change(f".sum() / {shape[0]}", clauses["first-axis mean"], 2, method=False))
    if cells and batched:
        found.append(Change(".sum(0)", "sums over axis 0, the rows", 4))
        found.append(Change(".mean(0)", "averages over axis 0, the rows", 4))
    return found


def _clauses(shape: tuple[int, ...]) -> dict[str, str]:
    """The reductions to one number, in words."""
    if len(shape) == 1:
        divides = f"divides by the {shape[0]} categories"
        return {"sum": "", "mean": "", "element mean": divides, "first-axis mean": divides}
    rows = f"{math.prod(shape[:-1])} rows"
    first = f"divides by {shape[0]}, the length of the first axis, not by {rows}"
    return {
        "sum": f"sums over {rows}",
        "mean": f"averages over {rows}",
        "element mean": f"divides by all {math.prod(shape)} elements, not by {rows}",
        "first-axis mean": f"averages over {rows}" if len(shape) == 2 else first,
    }


@functools.cache
def _factors(temperature: float | None) -> list[tuple[float, Change]]:
    """What a result may be multiplied by."""
    if temperature is not None:
        t, square = temperature, temperature**2
        return [
            (square, Change(f" * {square:g}", f"temperature {t:g}, times T^2 = {square:g}")),
            (1.0, Change("", f"temperature {t:g}, without the factor T^2 = {square:g}")),
            (t, Change(f" * {t:g}", f"temperature {t:g}, times T and not T^2", 1)),
        ]
    return [
        (1.0, Change("")),
        (1 / math.log(2), Change(" / np.log(2)", "in bits", 3, False)),
        (1 / math.log(10), Change(" / np.log(10)", "in base 10", 3, False)),
        (-1.0, Change(" * -1", "the sign reversed", 3, False)),
    ]


# -- rounding --------------------------------------------------------------------------------------


class _Noise:
    """The size of the terms behind a result, for each element."""

    def __init__(self, setting: Setting, names: dict[str, Any]) -> None:
        slots = setting.slots()
        arrays = {name: eval(code, names) for name, code in slots.items() if code is not None}
        p, q = arrays["p"], arrays["q"]
        self._raw = _terms(p, q, arrays.get("log_p"), arrays.get("log_q"))
        self._rows = _terms(*(x / x.sum(-1, keepdims=True) for x in (p, q)))
        self._columns = _terms(*(x / x.sum(0, keepdims=True) for x in (p, q)))

    def of(self, call: Call) -> Any:
        """In the shape of what the call gives."""
        if call.gives == "columns":
            return self._columns.sum(0)
        normalised = any(slot in call.code for slot in ("_counts}", "_logits}", "{p_2d}"))
        cells = self._rows if normalised else self._raw
        if call.gives == "rows":
            return cells.sum(-1)
        total = {"mean": cells.sum(-1).mean(), "element mean": cells.mean()}
        total |= {"sum": cells.sum(), "first-axis mean": cells.sum() / cells.shape[0]}
        return total.get(call.gives, cells)


def _terms(p: Floats, q: Floats, log_p: Any = None, log_q: Any = None) -> Floats:
    log_p, log_q = np.log(p) if log_p is None else log_p, np.log(q) if log_q is None else log_q
    size = np.abs(p) * (np.abs(log_p) + np.abs(log_q)) + np.abs(p) + np.abs(q)
    return np.where(np.isfinite(size), size, 0.0)
