"""More categories than the host should hold: joined in the engine, which gives counts of counts."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest

from tests.tables.references import divergence
from unikl.tables import compare, drift

EPS = 2.0**-52


def _pair(reference: Any, current: Any, dtype: Any = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    return tuple(
        pl.DataFrame({"x": pl.Series(values, dtype=dtype)}) for values in (reference, current)
    )  # type: ignore[return-value]


def test_many_categories_are_joined_in_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    a, b = _pair(rng.integers(0, 300, 9000), rng.integers(0, 300, 6000))
    (host,) = drift(a, b, bins=None)
    monkeypatch.setattr(compare, "_MOST", 200)
    (joined,) = drift(a, b, bins=None)
    assert joined.value == pytest.approx(host.value, rel=1e-14)
    assert (host.counts.cells == 1).all()
    assert len(joined.counts.cells) < 300 == joined.counts.cells.sum()
    (chosen,) = drift(a, b, bins=None, join="host")
    assert chosen.value == host.value
    with pytest.raises(ValueError, match=r"of two: polars and pandas; pass join='host'"):
        drift(a, b.to_pandas(), bins=None)


def test_unseen_categories_of_a_join() -> None:
    a, b = _pair(list("aaabbcc"), list("aabbbddee"))
    (one,) = drift(a, b, join="engine", divergence="psi")
    assert (one.only_in_current, one.only_in_reference) == (["d and 1 more"], ["c"])
    table = drift(a, b, join="engine").to_pandas()
    assert table[["only_in_current", "only_in_reference"]].to_numpy().tolist() == [[2, 1]]
    (one,) = drift(a, b, join="engine", unseen="ignore")
    (host,) = drift(a, b, unseen="ignore")
    assert (one.value, one.left_out) == (host.value, host.left_out)
    with pytest.raises(ValueError, match="'d', 'c' and 1 more"):
        drift(a, b, join="engine", unseen="error")


@pytest.mark.parametrize("name", ["kl", "psi", "js", "chi_squared"])
def test_nearly_equal_tables_keep_their_digits(name: str) -> None:
    """20 000 keys of which 21 have one row more: a divergence of 3e-7, of sums that cancel."""
    counts = [[50 + k % 13 + more * (k % 997 == 0) for k in range(20_000)] for more in (0, 1)]
    reference, current = (
        duckdb.sql(
            f"SELECT k FROM (SELECT k, unnest(range(50 + k % 13 + {more} * (k % 997 = 0)::INT)) "
            "FROM range(20000) t(k))"
        )
        for more in (0, 1)
    )
    (found,) = drift(reference, current, "k", name, bins=None, join="engine")  # type: ignore[arg-type]
    assert len(found.counts.cells) < 50
    assert found.rows == (sum(counts[0]), sum(counts[1]))
    assert found.value == pytest.approx(divergence(name, counts[0], counts[1]), rel=4 * EPS)
    p, q = (np.asarray(x) / sum(x) for x in counts)
    if name == "kl":  # the control: the plain formula does not
        assert abs(float((p * np.log(p / q)).sum()) / found.value - 1) > 1e-12
