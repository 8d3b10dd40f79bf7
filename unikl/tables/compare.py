"""Drift between two tables: the divergence of each column, from counts made in the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import narwhals as nw
import numpy as np

from .bins import label, quantile_edges, width_edges
from .columns import Column, Missing, check_kinds, check_types, joined
from .formulas import Counts, Integers, measure
from .options import BINS, Bins, Divergence, Join, Nan, Null, Options, Unseen, check
from .result import ColumnDrift, Drift, LeftOut

__all__ = ["drift"]

_MOST = 1 << 18  # keys of a column on the host: with those of the other table, about 100 MB
_NAMED = 10  # categories in an error


def drift(
    reference: Any,
    current: Any,
    columns: str | Iterable[str] | None = None,
    divergence: Divergence = "kl",
    *,
    bins: Bins | Mapping[str, Bins] = BINS,
    edges: Literal["quantile", "width"] = "quantile",
    smoothing: float = 0.0,
    nan: Nan = "null",
    null: Null = "category",
    unseen: Unseen = "keep",
    join: Join = "auto",
    level: float = 0.95,
    progress: Callable[[list[str]], Iterable[str]] = iter,
) -> Drift:
    r"""How far each column of a table has moved: D(p || q), p of the reference, q of the current.

    .. math:: D = \sum_i q_i f(p_i / q_i),
        \qquad p_i = \frac{a_i + s}{\sum_j (a_j + s)},
        \qquad q_i = \frac{b_i + s}{\sum_j (b_j + s)}

    where a and b count the rows of category (or bin) i in both tables and s is `smoothing`.

    Parameters
    ----------
    reference, current : table
        Anything that narwhals reads: tables of pandas, polars, PyArrow, Dask, PySpark, relations
        of DuckDB, tables of Ibis.  The engine counts; only counts leave it.  The two may be of
        different engines.
    columns : str or sequence of str, optional
        By default all, which both tables must have.
    divergence : str
        "kl" is KL(p || q), "reverse_kl" KL(q || p), "psi" the population stability index, their
        sum; "js" is the Jensen-Shannon divergence, "chi_squared" sum (p - q)^2 / q, all in nats
        or without a unit; "hellinger" and "total_variation" are distances from 0 to 1.
    bins : int, sequence of float, None, or a mapping from columns to these
        For numbers: how many bins, with edges from the reference, or the edges themselves, or
        None to count them by value, as all other types are (codes and identifiers are categories).
        In a mapping, columns that are not named get 10.
    edges : {"quantile", "width"}
        Where a number of bins is given: equal in the reference's mass, or in width.
    smoothing : float
        Added to the count of every category of either table (0.5, say), so that no divergence
        is infinite.
    nan : {"null", "category", "drop", "error"}
        What NaN is: the same as null, the only answer that all engines can give (pandas has one
        value for both); a category of its own, where the engine knows the difference; or nothing.
    null : {"category", "drop", "error"}
        What null is: a category of its own, so that a change of its rate counts; or nothing.
    unseen : {"keep", "ignore", "error"}
        Categories that only one of the tables has: they count as they are, which makes some
        divergences infinite; or they are left out; or they are an error that names them.
    join : {"auto", "host", "engine"}
        Where the counts of the categories meet.  "engine" is for more of them than fit in
        memory: what comes back is how many categories have the counts (a, b), which gives
        the same divergence.  "auto" does so above 262144 categories.
    level : float
        The coverage of the intervals.
    progress : callable
        Takes the names of the columns and gives them back one by one, as ``tqdm`` does.

    Returns
    -------
    Drift
        A `ColumnDrift` for each column, with `value`, `interval`, `counts`, `contributions`; see
        `to_dict`, `to_pandas`, `to_narwhals`, `to_html`, or ``print`` it.

    Raises
    ------
    TypeError
        If a column holds numbers in one table and text in the other (or other kinds of keys that
        never meet), or holds lists or structures.
    ValueError
        If a column is missing from a table, a table has no rows, a column nothing to count, or
        an option is not one of those above.

    Notes
    -----
    An interval is the delta method's, corrected for bias: a normal limit for two independent
    multinomial samples [1]_.  It is conservative where nothing has moved, and None for an
    infinite divergence and for "total_variation", which has no derivative there.  It
    takes the edges of the bins for given.

    References
    ----------
    .. [1] M. Salicru, D. Morales, M. L. Menendez and L. Pardo, "On the applications of divergence
       type measures in testing statistical hypotheses", Journal of Multivariate Analysis 51
       (1994) 372-391, theorem 3.1.

    Examples
    --------
    >>> import pandas as pd
    >>> from unikl.tables import drift
    >>> before = pd.DataFrame({"colour": ["red"] * 60 + ["blue"] * 40})
    >>> after = pd.DataFrame({"colour": ["red"] * 40 + ["blue"] * 60})
    >>> found = drift(before, after)
    >>> round(found["colour"].value, 6)
    0.081093
    >>> drift(before, after, divergence="psi")["colour"].top(1)[0].label
    'blue'
    """
    options = Options(
        divergence, bins, edges, float(smoothing), nan, null, unseen, join, float(level)
    )
    check(options)
    frames = {"reference": _frame(reference), "current": _frame(current)}
    schemas = {name: frame.collect_schema() for name, frame in frames.items()}
    names = _names(columns, schemas)
    if isinstance(bins, Mapping) and not set(bins) <= set(names):
        others = ", ".join(map(repr, sorted(set(bins) - set(names))))
        raise ValueError(f"bins names columns that are not compared: {others}")
    found = []
    for name in progress(names):
        numeric = all(schema[name].is_numeric() for schema in schemas.values())
        by_number = numeric and options.bins_of(name) is not None
        first, second = (
            Column(frame, table, name, schemas[table][name], by_number)
            for table, frame in frames.items()
        )
        found.append(_compare(first, second, options))
    return Drift(tuple(found), divergence, options.smoothing, options.level)


def _compare(reference: Column, current: Column, options: Options) -> ColumnDrift:
    """One column."""
    for column in (reference, current):
        if column.dtype.is_nested():
            raise TypeError(f"{column} has the type {column.dtype}, which is not counted by value")
    check_kinds(reference, current)
    missing = reference.missing(), current.missing()
    for column, one in zip((reference, current), missing, strict=True):
        if one.rows == 0:
            raise ValueError(f"the {column.table} table has no rows")
    edges = None
    if reference.numbers:
        edges = _edges(reference, options)
        counts = _by_bin(reference, current, edges)
    else:
        counts = _by_value(reference, current, options)
    counts, left_out = _with_missing(counts, (reference, current), missing, options)
    counts, ignored = _without_unseen(counts, reference.name, options)
    for column, n in zip((reference, current), (counts.reference, counts.current), strict=True):
        if n.sum() == 0:
            raise ValueError(f"{column} has nothing to count: all of it is left out")
    measured = measure(counts, options.divergence, options.smoothing, options.level)
    return ColumnDrift(
        column=reference.name,
        value=measured.value,
        interval=measured.interval,
        counts=counts,
        contributions=measured.contributions,
        edges=None if edges is None else tuple(edges),
        rows=(missing[0].rows, missing[1].rows),
        left_out=left_out._replace(unseen=ignored),
    )


def _edges(reference: Column, options: Options) -> list[float]:
    bins = options.bins_of(reference.name)
    if isinstance(bins, int):
        of = quantile_edges if options.edges == "quantile" else width_edges
        return of(reference, bins)
    return [float(edge) for edge in bins or ()]


def _by_bin(reference: Column, current: Column, edges: list[float]) -> Counts:
    found = [column.histogram(edges) for column in (reference, current)]
    indices = range(len(edges) + 1)
    a, b = (_integers([one.get(i, 0) for i in indices]) for one in found)
    return Counts(a, b, np.ones_like(a), tuple(label(edges, i) for i in indices))


def _by_value(reference: Column, current: Column, options: Options) -> Counts:
    objects = "objects" in (reference.kind, current.kind)  # of pandas: in memory anyhow
    if objects or options.join != "engine":
        most = _MOST if options.join == "auto" and not objects else None
        found = [column.tally(most) for column in (reference, current)]
        if found[0] is not None and found[1] is not None:
            if objects:
                check_types(reference.name, found[0], found[1])
            keys = _in_order({**found[0], **found[1]})
            a, b = (_integers([one.get(key, 0) for key in keys]) for one in (found[0], found[1]))
            return Counts(a, b, np.ones_like(a), keys)
    engines = [column.frame.implementation for column in (reference, current)]
    if engines[0] != engines[1]:
        raise ValueError(
            f"the categories of column {reference.name!r} cannot be joined in the engine, as the "
            f"tables are of two: {engines[0].value} and {engines[1].value}; pass join='host' to "
            f"join them in memory (join='auto' does so up to {_MOST} categories)"
        )
    pairs = joined(reference, current)
    a, b, cells = map(_integers, (pairs.reference, pairs.current, pairs.cells))
    return Counts(a, b, cells, tuple(pairs.keys)).take(np.lexsort((b, a)))


def _with_missing(
    counts: Counts,
    columns: tuple[Column, Column],
    missing: tuple[Missing, Missing],
    options: Options,
) -> tuple[Counts, LeftOut]:
    """Null and NaN as categories (of the keys None and nan), or left out, or refused."""
    same = options.nan == "null"
    nulls = [one.nulls + (one.nans if same else 0) for one in missing]
    nans = [0 if same else one.nans for one in missing]
    left_out = LeftOut()
    for key, name, found, policy in (
        (None, "null", nulls, options.null),
        (math.nan, "nan", nans, options.nan),
    ):
        if not any(found):
            continue
        if policy == "error":
            where = " and ".join(f"{n} in {c}" for n, c in zip(found, columns, strict=True) if n)
            raise ValueError(
                f"there are values of {name}: {where}; pass {name}='category' or 'drop'"
            )
        if policy == "drop":
            left_out = left_out._replace(**{name: (found[0], found[1])})
        else:
            counts = Counts(
                np.append(counts.reference, found[0]),
                np.append(counts.current, found[1]),
                np.append(counts.cells, 1),
                (*counts.keys, key),
            )
    return counts, left_out


def _without_unseen(counts: Counts, name: str, options: Options) -> tuple[Counts, tuple[int, int]]:
    """Apply the policy for categories that only one table has."""
    alone = (counts.reference == 0) != (counts.current == 0)
    if options.unseen == "keep" or not alone.any():
        return counts, (0, 0)
    lost = counts.take(alone)
    if options.unseen == "error":
        shown = ", ".join(repr(key) for key in lost.keys[:_NAMED])
        more = int(lost.cells.sum()) - min(_NAMED, len(lost.keys))
        raise ValueError(
            f"column {name!r} has categories in one table only: {shown}"
            f"{f' and {more} more' if more else ''}; pass unseen='keep' or 'ignore'"
        )
    rows = ((lost.cells * x).sum() for x in (lost.reference, lost.current))
    ignored = [int(n) for n in rows]
    return counts.take(~alone), (ignored[0], ignored[1])


def _frame(table: Any) -> nw.LazyFrame[Any]:
    frame: Any = nw.from_native(table)
    return frame.lazy()  # type: ignore[no-any-return]


def _names(columns: str | Iterable[str] | None, schemas: Mapping[str, Any]) -> list[str]:
    """The columns to compare, which both tables have."""
    if columns is None:
        wanted = list(dict.fromkeys([*schemas["reference"], *schemas["current"]]))
    else:
        wanted = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    for table, schema in schemas.items():
        lost = [name for name in wanted if name not in schema]
        if lost:
            raise ValueError(
                f"the {table} table has no column {', '.join(map(repr, lost))}; its columns are "
                f"{', '.join(map(repr, schema))}; pass columns=[...] to compare some of them"
            )
    if not wanted:
        raise ValueError("there are no columns to compare")
    return wanted


def _in_order(keys: Mapping[Any, int]) -> tuple[Any, ...]:
    """Sorted, so that the same counts give the same bits on every engine."""
    try:
        return tuple(sorted(keys))
    except TypeError:  # of several types
        return tuple(sorted(keys, key=lambda key: (type(key).__name__, str(key))))


def _integers(x: Sequence[int]) -> Integers:
    return np.asarray(x, dtype=np.int64)
