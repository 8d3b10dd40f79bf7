"""The cases of the suite: inputs, and what the mathematics says about them to 50 digits.

One case is one call of ``kl_divergence`` over many rows, so that a bad row is tested beside good
ones and a compiled mode compiles once for all of them.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from unikl.agreement import generate

Numbers = NDArray[Any]
Axis = int | tuple[int, ...] | None


@dataclass(frozen=True, eq=False)
class Reference:
    """A reference as an unevaluated sum ``hi + lo`` of two float64, and the scale of its errors.

    ``index`` holds the flat positions that ``hi`` and ``lo`` stand for, or None for all of them.
    """

    hi: Numbers
    lo: Numbers
    scale: Numbers
    index: Numbers | None = None


@dataclass(frozen=True)
class Call:
    """The keywords of a call of ``kl_divergence``, ``where`` aside; hashable, so that a compiled
    function can be kept for it."""

    given: tuple[str, str]
    axis: Axis
    base: float | None
    validate: bool | None

    def keywords(self) -> dict[str, Any]:
        """The keywords as a user writes them: one name where both arguments hold the same."""
        given = self.given[0] if self.given[0] == self.given[1] else self.given
        return {"given": given, "axis": self.axis, "base": self.base, "validate": self.validate}

    def __str__(self) -> str:
        given = self.keywords()
        words = ", ".join(f"{k}={v!r}" for k, v in given.items() if v is not None or k == "axis")
        return f"kl_divergence(p, q, {words})"


@dataclass(frozen=True, eq=False)
class Case:
    """One call with its inputs, references and row labels (one label a value, in C order)."""

    name: str
    dtype: str
    call: Call
    rows: tuple[str, ...]
    checks: frozenset[str]
    p: Numbers
    q: Numbers
    where: Numbers | None
    value: Reference
    weight: Numbers
    grad_p: Reference | None = None
    grad_q: Reference | None = None
    tangent_p: Numbers | None = None
    tangent_q: Numbers | None = None
    jvp: Reference | None = None
    hvp_p: Reference | None = None
    hvp_q: Reference | None = None

    @property
    def family(self) -> str:
        """The first part of the name."""
        return self.name.partition("/")[0]

    @property
    def basic(self) -> bool:
        """Whether it is of the families that differ in more than their shapes."""
        return self.family in ("regimes", "edges")

    @property
    def half(self) -> bool:
        """Whether the inputs have half precision: then all is computed in float32."""
        return self.dtype in ("float16", "bfloat16")

    @property
    def compute_dtype(self) -> str:
        """The dtype in which the contract computes and returns."""
        return "float64" if self.dtype == "float64" else "float32"

    def reference(self, check: str, argument: str = "") -> Reference:
        """What a check of the suite compares with."""
        names = {"gradient": f"grad_{argument}", "hvp": f"hvp_{argument}"}
        found = getattr(self, names.get(check, check))
        if not isinstance(found, Reference):
            raise ValueError(f"{self.name} in {self.dtype} has no reference for {check} {argument}")
        return found

    @property
    def rowwise(self) -> bool:
        """Whether each row is a call of its own, as ``vmap`` over the leading axis makes it."""
        masked = self.where is None or self.where.shape == self.p.shape
        return self.call.axis == -1 and self.p.ndim == 2 and self.p.shape == self.q.shape and masked


def read(file: IO[bytes]) -> tuple[Case, ...]:
    """The cases of a case file (see ``conformance/make_cases.py`` for its format)."""
    with np.load(file) as archive:
        arrays = {key: archive[key] for key in archive.files}
    for array in arrays.values():
        array.setflags(write=False)
    return tuple(_case(group, arrays) for group in json.loads(str(arrays["index"])))


@functools.cache
def load() -> tuple[Case, ...]:
    """The committed cases, from wherever the package is installed."""
    with resources.files("unikl.agreement").joinpath("cases.npz").open("rb") as file:
        return read(file)


def _case(group: Mapping[str, Any], arrays: Mapping[str, Numbers]) -> Case:
    name, dtype = group["name"], group["dtype"]
    prefix = f"{name}|{dtype}|"
    own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    def reference(key: str) -> Reference | None:
        if f"{key}_hi" not in own:
            return None
        index = own.get("grad_index") if key.startswith("grad") else None
        return Reference(own[f"{key}_hi"], own[f"{key}_lo"], own[f"{key}_scale"], index)

    value = reference("value")
    if value is None:
        raise ValueError(f"the case file has no reference value for {name} in {dtype}")
    axis = tuple(group["axis"]) if isinstance(group["axis"], list) else group["axis"]
    given = (str(group["given"][0]), str(group["given"][1]))
    if "generate" in group:
        p, q = generate.inputs(given[0], dtype, **group["generate"])
    else:
        p, q = own["p"], own["q"]
    return Case(
        name=name,
        dtype=dtype,
        call=Call(given, axis, group["base"], group["validate"]),
        rows=tuple(group["rows"]),
        checks=frozenset(group["checks"]),
        p=p,
        q=q,
        where=own.get("where"),
        value=value,
        weight=own["weight"],
        tangent_p=own.get("tangent_p"),
        tangent_q=own.get("tangent_q"),
        **{k: reference(k) for k in ("grad_p", "grad_q", "jvp", "hvp_p", "hvp_q")},
    )
