"""The inputs of a check: given arrays, files, or drawn from a range by a seed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from unikl.agreement.cases import Numbers

Size = int | str
_VARIANTS = 4  # sets of sizes that are drawn: each is compiled once for each function and dtype


@dataclass(frozen=True, eq=False)
class Example:
    """One input of the function under test: its label and its arguments.

    Floating arguments are float64 here and of each checked dtype in the check; integers and
    booleans stay what they are.
    """

    label: str
    arrays: tuple[Numbers, ...]

    @property
    def size(self) -> int:
        """How many numbers it has in all."""
        return sum(x.size for x in self.arrays)


@dataclass(frozen=True)
class Arrays:
    """Arrays to draw; made by `arrays` and `integers`."""

    shape: tuple[Size, ...]
    low: float
    high: float
    special: tuple[float, ...] = ()
    integer: bool = False

    def draw(self, rng: np.random.Generator, sizes: Mapping[str, int]) -> Numbers:
        """One array."""
        shape = tuple(sizes[n] if isinstance(n, str) else n for n in self.shape)
        if self.integer:
            return rng.integers(int(self.low), int(self.high), shape, endpoint=True)
        # float32 holds them, so that one truth serves float32 and float64.
        drawn = rng.uniform(self.low, self.high, shape).astype(np.float32).astype(np.float64)
        drawn = np.clip(drawn, self.low, self.high)
        if self.special and drawn.size and rng.random() < 0.25:
            drawn.flat[rng.integers(drawn.size)] = rng.choice(self.special)
        return drawn


def arrays(
    shape: Sequence[Size] | Size,
    low: float = -3.0,
    high: float = 3.0,
    special: Sequence[float] = (),
) -> Arrays:
    """Floating-point arrays, uniform on [low, high), for `check` to draw.

    Parameters
    ----------
    shape
        Lengths of the axes. A name instead of a length is drawn from ``check(..., sizes=)``, and
        is the same wherever it stands.
    low, high
        The range.
    special
        Numbers that stand somewhere in every fourth array: 0, inf, nan, the largest.

    Raises
    ------
    ValueError
        If the range is empty.

    Examples
    --------
    >>> from unikl.agreement import arrays
    >>> arrays(("n", 5), low=0, high=1)
    Arrays(shape=('n', 5), low=0.0, high=1.0, special=(), integer=False)
    """
    if not -math.inf < low <= high < math.inf:
        raise ValueError(f"arrays need low <= high, both finite, got {low} and {high}")
    return Arrays(_shape(shape), float(low), float(high), tuple(special))


def integers(shape: Sequence[Size] | Size, low: int = 0, high: int = 1) -> Arrays:
    """Integer arrays, uniform on low ... high, `high` included; they are not differentiated.

    Examples
    --------
    >>> from unikl.agreement import integers
    >>> integers(4, high=9)
    Arrays(shape=(4,), low=0, high=9, special=(), integer=True)
    """
    if low > high:
        raise ValueError(f"integers need low <= high, got {low} and {high}")
    return Arrays(_shape(shape), low, high, integer=True)


def _shape(shape: Sequence[Size] | Size) -> tuple[Size, ...]:
    return (shape,) if isinstance(shape, int | str) else tuple(shape)


def read(
    inputs: Sequence[Any], count: int, seed: int, sizes: Mapping[str, tuple[int, int]]
) -> list[Example]:
    """The examples that the inputs of `check` stand for."""
    if len(inputs) == 1 and isinstance(inputs[0], str | Path):
        return list(_from_file(Path(inputs[0])))
    if not any(isinstance(x, Arrays) for x in inputs):
        return [Example("input 0", tuple(map(_array, inputs)))]
    rng = np.random.default_rng(seed)
    names = dict.fromkeys(
        n for x in inputs if isinstance(x, Arrays) for n in x.shape if isinstance(n, str)
    )
    if missing := [name for name in names if name not in sizes]:
        raise ValueError(f"sizes= gives no range for {', '.join(missing)}: sizes={{'n': (1, 8)}}")
    drawn = [
        {name: int(rng.integers(*sizes[name], endpoint=True)) for name in names}
        for _ in range(_VARIANTS if names else 1)
    ]
    return [
        Example(
            f"input {i}",
            tuple(
                x.draw(rng, drawn[i % len(drawn)]) if isinstance(x, Arrays) else _array(x)
                for x in inputs
            ),
        )
        for i in range(count)
    ]


def store(path: str | Path, examples: Sequence[Example]) -> None:
    """Write examples to a .npz that `check` takes as its input: ``label/position`` names each."""
    named = {f"{one.label}/{i}": x for one in examples for i, x in enumerate(one.arrays)}
    with Path(path).open("wb") as file:
        np.savez(file, **named)  # type: ignore[arg-type]


def _from_file(path: Path) -> Iterator[Example]:
    """A .npy is one argument; the arrays of a .npz are the arguments in their order, or those of
    several examples where they are named as `store` does."""
    with path.open("rb") as file:
        found = np.load(file, allow_pickle=False)
        if isinstance(found, np.ndarray):
            yield Example(path.stem, (_array(found),))
            return
        keys: dict[str, list[str]] = {}
        for key in found.files:
            keys.setdefault(key.rpartition("/")[0], []).append(key)
        for label, own in keys.items():
            yield Example(label or path.stem, tuple(_array(found[key]) for key in own))


def _array(x: Any) -> Numbers:
    """A given argument in float64, or as the integers that it is."""
    made = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x)
    if made.dtype.kind in "biu":
        return made
    if made.dtype.kind == "c" or made.dtype.kind not in "fV":
        raise TypeError(f"inputs must be arrays of real numbers, got {made.dtype}")
    return made.astype(np.float64)


def rounded(x: Numbers, dtype: str) -> Numbers:
    """What an argument becomes in a dtype, in float64."""
    if x.dtype.kind != "f":
        return x
    with np.errstate(over="ignore"):
        if dtype != "bfloat16":
            return x.astype(dtype).astype(np.float64)
        mantissa, exponent = np.frexp(x)
        return np.ldexp(np.round(mantissa * 2.0**8) / 2.0**8, exponent)
