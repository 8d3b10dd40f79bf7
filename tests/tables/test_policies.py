"""Null, NaN, categories of one table, keys of two kinds, missing columns, empty tables, options."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from unikl.tables import Drift, drift

NAN = math.nan


def _pair(reference: Any, current: Any, dtype: Any = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    return tuple(
        pl.DataFrame({"x": pl.Series(values, dtype=dtype)}) for values in (reference, current)
    )  # type: ignore[return-value]


def _counts(found: Drift) -> dict[str, tuple[int, int]]:
    (one,) = found
    return {row.label: (row.reference, row.current) for row in one.top(None)}


# -- null and NaN ----------------------------------------------------------------------------------

NUMBERS = [1.0, 2.0, NAN, NAN, NAN, None, None, math.inf]
FORMS: dict[str, Callable[[Any], Any]] = {
    "polars": lambda x: pl.DataFrame({"x": x}),
    "pyarrow": lambda x: pa.table({"x": pa.array(x, pa.float64())}),
    "pandas of arrow": lambda x: pd.DataFrame(
        {"x": pd.array(pa.array(x, pa.float64()), dtype=pd.ArrowDtype(pa.float64()))}
    ),
    "pandas": lambda x: pd.DataFrame({"x": np.array([NAN if v is None else v for v in x])}),
}


@pytest.mark.parametrize("form", FORMS)
def test_one_answer_for_null_and_nan(form: str) -> None:
    """By default NaN is null, the only answer for classic pandas."""
    data = FORMS[form](NUMBERS)
    assert _counts(drift(data, data, bins=[1.5])) == {
        "below 1.5": (1, 1),
        "from 1.5": (2, 2),
        "null": (5, 5),
    }
    assert _counts(drift(data, data, bins=None)) == {
        "1": (1, 1),
        "2": (1, 1),
        "inf": (1, 1),
        "null": (5, 5),
    }


@pytest.mark.parametrize("form", [form for form in FORMS if form != "pandas"])
@pytest.mark.parametrize("bins", [[1.5], None])
def test_nan_as_a_category(form: str, bins: Any) -> None:
    data = FORMS[form](NUMBERS)
    found = _counts(drift(data, data, bins=bins, nan="category"))
    assert (found["NaN"], found["null"]) == ((3, 3), (2, 2))


@pytest.mark.parametrize("bins", [[1.5], None])
def test_missing_values_are_dropped(bins: Any) -> None:
    data = FORMS["polars"](NUMBERS)
    (one,) = drift(data, data, bins=bins, nan="drop", null="drop")
    assert sum(one.counts.reference) == 3
    assert (one.left_out.nan, one.left_out.null, one.rows) == ((3, 3), (2, 2), (8, 8))
    (one,) = drift(data, data, bins=bins, null="drop")
    assert one.left_out.null == (5, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nan": "error"}, "nan: 3 in column 'x' of reference.*nan='category'"),
        ({"null": "error", "nan": "drop"}, "null: 2 in column 'x' of reference and 2 in column"),
        ({"null": "error"}, "null: 5 in"),
    ],
)
def test_missing_values_are_refused(options: Any, message: str) -> None:
    data = FORMS["polars"](NUMBERS)
    with pytest.raises(ValueError, match=message):
        drift(data, data, **options)
    clean = FORMS["polars"]([1.0, 2.0])
    drift(clean, clean, **options)


def test_a_change_of_the_null_rate_is_drift() -> None:
    a, b = _pair(["x"] * 90 + [None] * 10, ["x"] * 50 + [None] * 50)
    assert drift(a, b)["x"].value > 0.1
    assert drift(a, b, null="drop")["x"].value == 0.0


def test_text_is_no_null() -> None:
    a, _ = _pair(["null", "NaN", None, ""], [])
    assert drift(a, a)["x"].counts.keys == ("", "NaN", "null", None)


# -- categories of one table -----------------------------------------------------------------------


def test_unseen_categories_are_named() -> None:
    a, b = _pair(list("aaabbcc"), list("aabbbdde"))
    (one,) = drift(a, b)
    assert (one.value, one.interval) == (math.inf, None)
    assert one.only_in_current == ["d", "e"]
    assert (one.only_in_reference, one.infinite) == (["c"], ["c"])
    assert (one.top()[0].label, one.top()[0].share) == ("c", 1.0)
    assert "c 100%" in str(drift(a, b))
    (one,) = drift(a, b, divergence="reverse_kl")
    assert one.infinite == ["d", "e"]
    assert [row.share for row in one.top(2)] == pytest.approx([2 / 3, 1 / 3])
    (one,) = drift(a, b, smoothing=0.5)
    assert math.isfinite(one.value)
    assert (one.only_in_current, one.infinite) == (["d", "e"], [])


def test_unseen_categories_are_ignored() -> None:
    a, b = _pair(list("aaabbcc"), list("aabbbdde"))
    (one,) = drift(a, b, unseen="ignore")
    (shared,) = drift(*_pair(list("aaabb"), list("aabbb")))
    assert one.value == shared.value
    assert one.left_out.unseen == (2, 3)


def test_unseen_categories_are_refused() -> None:
    a, b = _pair(list("ab") + [f"{n:02d}" for n in range(30)], list("ab"))
    with pytest.raises(ValueError, match=r"'00', .*'09' and 20 more; pass unseen='keep'"):
        drift(a, b, unseen="error")
    drift(a, a, unseen="error")


# -- keys ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "current"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0], ["1"]),
        ([True], ["True"]),
        ([True, False], [1, 0]),
        ([datetime.date(2020, 1, 1)], ["2020-01-01"]),
        ([datetime.date(2020, 1, 1)], [datetime.datetime(2020, 1, 1)]),
    ],
)
@pytest.mark.parametrize("bins", [10, None])
def test_keys_of_two_kinds(reference: Any, current: Any, bins: Any) -> None:
    with pytest.raises(TypeError, match=r"column 'x' of reference holds .* in common"):
        drift(*_pair(reference, current), bins=bins)


def test_times_with_and_without_a_zone() -> None:
    naive = pl.DataFrame({"x": [datetime.datetime(2020, 1, 1)]})
    zoned = naive.select(pl.col("x").dt.replace_time_zone("UTC"))
    with pytest.raises(TypeError, match="with a zone"):
        drift(naive, zoned)


def test_times_of_two_libraries() -> None:
    times = [datetime.datetime(2020, 1, day, 12) for day in (1, 2, 2)]
    dates = [time.date() for time in times]
    for values in (times, dates):
        first, second = pl.DataFrame({"x": values}), pd.DataFrame({"x": values})
        assert drift(first, second)["x"].value == 0.0
    with pytest.raises(TypeError, match="holds dates in reference, truth values in current"):
        drift(pd.DataFrame({"x": dates}), pd.DataFrame({"x": pd.Series([True, None])}))


def test_python_objects_of_two_kinds() -> None:
    mixed = pd.DataFrame({"x": pd.Series([1, "a"], dtype=object)})
    numbers = pd.DataFrame({"x": pd.Series([1, 2], dtype=object)})
    text = pd.DataFrame({"x": pd.Series(["1", "2"], dtype="str")})
    with pytest.raises(TypeError, match="holds numbers in reference, text in current"):
        drift(numbers, text)
    assert drift(numbers, mixed)["x"].only_in_current == ["a"]
    assert drift(numbers, numbers, join="engine")["x"].value == 0.0


@pytest.mark.parametrize("join", ["host", "engine"])
def test_equal_numbers_of_two_types_are_one_category(join: Any) -> None:
    whole = pl.DataFrame({"x": pl.Series([0, 1, 3], dtype=pl.Int32)})
    for other in (pl.Series([-0.0, 1.0, 3.0]), pl.Series([0, 1, 3], dtype=pl.UInt8)):
        found = drift(whole, pl.DataFrame({"x": other}), bins=None, join=join)
        assert found["x"].value == 0.0
        if join == "host":
            assert [row.label for row in found["x"].top()] == ["0", "1", "3"]


def test_large_integers_keep_their_last_digit() -> None:
    a, b = _pair([2**60, 2**60 + 1], [2**60, 2**60 + 2])
    assert drift(a, b, bins=None)["x"].only_in_current == [str(2**60 + 2)]


def test_lists_are_refused() -> None:
    a, _ = _pair([[1], [2]], [])
    with pytest.raises(TypeError, match="not counted by value"):
        drift(a, a)


# -- columns and tables ----------------------------------------------------------------------------


def test_columns() -> None:
    a = pl.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    b = pl.DataFrame({"x": [1, 2], "z": ["a", "b"]})
    assert [one.column for one in drift(a, a)] == ["x", "y"]
    assert [one.column for one in drift(a, b, "x")] == ["x"]
    with pytest.raises(
        ValueError, match="current table has no column 'y'; its columns are 'x', 'z'"
    ):
        drift(a, b, ["x", "y"])
    with pytest.raises(ValueError, match="reference table has no column 'z'"):
        drift(a, b)
    with pytest.raises(ValueError, match="reference table has no column 'w'"):
        drift(a, b, ["w"])
    with pytest.raises(ValueError, match="no columns"):
        drift(a, b, [])
    with pytest.raises(KeyError):
        drift(a, a)["z"]


def test_empty_tables() -> None:
    a, empty = _pair([1.0, 2.0], [], pl.Float64)
    with pytest.raises(ValueError, match="the current table has no rows"):
        drift(a, empty)
    with pytest.raises(ValueError, match="the reference table has no rows"):
        drift(empty, a)


def test_nothing_to_count() -> None:
    a, nulls = _pair([1.0, 2.0], [None, None], pl.Float64)
    with pytest.raises(ValueError, match="column 'x' of current has nothing to count"):
        drift(a, nulls, null="drop")
    assert drift(a, nulls)["x"].value == math.inf
    (one,) = drift(nulls, a)
    assert (one.value, one.only_in_current) == (math.inf, ["all"])


def test_not_a_table() -> None:
    a, _ = _pair([1], [])
    with pytest.raises(TypeError):
        drift(a, [1, 2, 3])


# -- options ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"divergence": "wasserstein"}, "divergence must be one of kl, reverse_kl, psi"),
        ({"nan": "ignore"}, "nan must be one of"),
        ({"null": "null"}, "null must be one of"),
        ({"unseen": "drop"}, "unseen must be one of"),
        ({"join": "sql"}, "join must be one of"),
        ({"edges": "log"}, "edges must be one of"),
        ({"smoothing": -1}, "smoothing must be"),
        ({"smoothing": NAN}, "smoothing must be"),
        ({"level": 1}, "level must be"),
        ({"bins": 1}, "bins must be 2 or more"),
        ({"bins": []}, "finite and increasing"),
        ({"bins": [1, 1]}, "finite and increasing"),
        ({"bins": {"x": [0, math.inf]}}, "finite and increasing"),
        ({"bins": {"y": 3}}, "not compared: 'y'"),
    ],
)
def test_wrong_options(options: Any, message: str) -> None:
    a, _ = _pair([1, 2], [])
    with pytest.raises(ValueError, match=message):
        drift(a, a, **options)


@pytest.mark.parametrize("bins", ["10", True, 2.5])
def test_wrong_types_of_bins(bins: Any) -> None:
    a, _ = _pair([1, 2], [])
    with pytest.raises(TypeError, match="bins must be an int"):
        drift(a, a, bins=bins)


def test_progress() -> None:
    a = pl.DataFrame({"x": [1, 2], "y": ["a", "b"]})
    seen: list[str] = []

    def progress(names: list[str]) -> Any:
        for name in names:
            yield name
            seen.append(name)

    drift(a, a, progress=progress)
    assert seen == ["x", "y"]
