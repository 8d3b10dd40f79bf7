"""`unikl.explain`: the shares are those of the divergence, on every backend, at every edge."""

from __future__ import annotations

import builtins
import doctest
import json
import math
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import torch

from unikl import kl_divergence
from unikl.explain import Explanation, explain

P = np.array([[0.5, 0.25, 0.25, 0.0], [0.1, 0.2, 0.3, 0.4]])
Q = np.array([[0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.2, 0.1]])


def exact_terms(p: Any, q: Any) -> list[float]:
    """p log(p/q) - p + q of the normalised rows, to 50 digits."""
    with mpmath.workdps(50):
        w, z = ([mpmath.mpf(float(x)) for x in row] for row in (p, q))
        w, z = ([x / mpmath.fsum(row) for x in row] for row in (w, z))
        return [
            float((a * mpmath.log(a / b) if a else 0) - a + b) for a, b in zip(w, z, strict=True)
        ]


@pytest.mark.parametrize("row", [0, 1])
def test_contributions_are_the_exact_terms(row: int) -> None:
    (found,) = explain(P, Q, row=row).breakdowns
    np.testing.assert_allclose(found.contributions, exact_terms(P[row], Q[row]), rtol=1e-14)
    assert (found.contributions >= 0).all()
    assert found.divergence == pytest.approx(kl_divergence(P, Q)[row], rel=1e-15)
    np.testing.assert_allclose(found.shares.sum(), 1, rtol=1e-15)
    assert (found.p == P[row]).all()
    assert (found.q == Q[row]).all()
    assert found.cumulative[-1] == pytest.approx(1)
    assert (np.diff(found.shares[found.order]) <= 0).all()


def test_near_equal_rows_do_not_cancel() -> None:
    logits = np.sin(np.arange(50.0))
    near = logits + 1e-7 * np.cos(np.arange(50.0))
    (found,) = explain(logits, near, given="logits").breakdowns
    with mpmath.workdps(50):
        p, q = ([mpmath.exp(mpmath.mpf(float(x))) for x in each] for each in (logits, near))
        p, q = ([x / mpmath.fsum(each) for x in each] for each in (p, q))
        terms = [float(a * mpmath.log(a / b) - a + b) for a, b in zip(p, q, strict=True)]
    np.testing.assert_allclose(found.contributions, terms, rtol=1e-12)
    assert found.divergence == pytest.approx(sum(terms), rel=1e-14)
    # The control: what the definition gives cancels.
    p64, q64 = (np.exp(x) / np.exp(x).sum() for x in (logits, near))
    assert abs((p64 * np.log(p64 / q64)).sum() / sum(terms) - 1) > 1e-6


def test_the_mean_is_of_the_rows() -> None:
    (mean,) = explain(P, Q).breakdowns
    each = explain(P, Q, row="all").breakdowns
    assert [one.title for one in each] == ["row 0", "row 1"]
    assert mean.title == "mean of 2 rows"
    np.testing.assert_allclose(mean.contributions, sum(x.contributions for x in each) / 2)
    assert mean.divergence == pytest.approx(kl_divergence(P, Q).mean(), rel=1e-15)


@pytest.mark.parametrize("given", ["probs", "log_probs", "logits", "counts", ("probs", "logits")])
def test_every_form_gives_the_same(given: Any) -> None:
    forms = (given, given) if isinstance(given, str) else given
    with np.errstate(divide="ignore"):
        make: dict[str, Any] = {
            "probs": lambda x: x,
            "counts": lambda x: 7 * x,
            "log_probs": np.log,
            "logits": lambda x: np.log(x) + 3,
        }
        p, q = (make[form](x) for form, x in zip(forms, (P, Q), strict=True))
    got, want = explain(p, q, given=given).breakdowns[0], explain(P, Q).breakdowns[0]
    np.testing.assert_allclose(got.contributions, want.contributions, rtol=1e-13, atol=1e-16)
    np.testing.assert_allclose(got.p, want.p, rtol=1e-14)


@pytest.mark.parametrize("convert", [torch.as_tensor, jnp.asarray, np.ndarray.tolist])
def test_every_library(convert: Any) -> None:
    p, q = (convert(x.astype("float32")) for x in (P, Q))
    got = explain(p, q, given="counts").breakdowns[0]
    want = explain(P, Q).breakdowns[0]
    np.testing.assert_allclose(got.contributions, want.contributions, rtol=1e-6, atol=1e-8)
    assert got.contributions.dtype == np.float64


def test_tensorflow_and_half_precision() -> None:
    tf = pytest.importorskip("tensorflow")
    p, q = P[:1], Q[:1]  # exact in half precision
    want = explain(p, q).breakdowns[0]
    for dtype in ("bfloat16", "float16"):
        arrays: list[tuple[Any, Any]] = [
            (tf.constant(p, dtype), tf.constant(q, dtype)),
            (
                torch.tensor(p, dtype=getattr(torch, dtype)),
                torch.tensor(q).to(getattr(torch, dtype)),
            ),
        ]
        for first, second in arrays:
            got = explain(first, second).breakdowns[0]
            np.testing.assert_array_equal(got.contributions, want.contributions)


def test_a_gradient_is_not_in_the_way() -> None:
    p = torch.tensor(P, requires_grad=True)
    assert explain(p, torch.as_tensor(Q)).breakdowns[0].divergence > 0


def test_axes_and_labels() -> None:
    p, q = P.reshape(2, 2, 2), Q.reshape(2, 2, 2)
    found = explain(p, q, axis=(1, 2))
    assert found.labels == ("(0, 0)", "(0, 1)", "(1, 0)", "(1, 1)")
    want = explain(P, Q).breakdowns[0].contributions
    np.testing.assert_array_equal(found.breakdowns[0].contributions, want)
    first = explain(P.T, Q.T, axis=0, row=1, labels=["a", "b", "c", "d"])
    np.testing.assert_array_equal(first.breakdowns[0].p, P[1])
    assert first.labels == ("a", "b", "c", "d")
    whole = explain(P, Q, given="counts", axis=None)
    assert whole.breakdowns[0].divergence == pytest.approx(
        kl_divergence(P, Q, given="counts", axis=None)
    )
    several = explain(np.stack([P, P]), Q, row=(-1, 0)).breakdowns[0]
    assert (several.row, several.title) == ((1, 0), "row (1, 0)")
    assert (several.p == P[0]).all()


def test_base() -> None:
    bits = explain(P, Q, base=2)
    assert bits.unit == "bits"
    assert bits.breakdowns[0].divergence == pytest.approx(kl_divergence(P, Q, base=2).mean())
    assert explain(P, Q, base=10).unit == "hartleys"
    assert explain(P, Q, base=3.0).unit == "units of log 3"


def test_where_it_is_infinite_p_shares() -> None:
    found = explain([0.3, 0.3, 0.1, 0.3, 0.0], [0.5, 0.5, 0.0, 0.0, 0.0]).breakdowns[0]
    assert found.divergence == math.inf
    np.testing.assert_allclose(found.shares, [0, 0, 0.25, 0.75, 0], atol=1e-15)
    # The limit that the shares are said to be.
    tiny = 1e-300
    near = explain([0.3, 0.3, 0.1, 0.3, 0.0], [0.5, 0.5, tiny, tiny, 0.0]).breakdowns[0]
    np.testing.assert_allclose(near.shares, found.shares, atol=0.01)


def test_where_it_is_zero_nothing_carries_it() -> None:
    found = explain([0.5, 0.5, 0.0], [0.5, 0.5, 0.0])
    assert found.breakdowns[0].divergence == 0
    assert not found.breakdowns[0].shares.any()
    assert "nan" not in str(found)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"labels": ["a"]}, ValueError, "1 labels for 4 categories"),
        ({"row": 2}, ValueError, "no row 2"),
        ({"row": (0, 0)}, ValueError, "no row"),
        ({"row": "0"}, TypeError, "row must be"),
        ({"row": True}, TypeError, "row must be"),
        ({"given": "logit"}, ValueError, "given must be"),
        ({"base": 1}, ValueError, "base must be"),
        ({"axis": 7}, ValueError, "out of bounds"),
    ],
)
def test_what_is_refused(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        explain(P, Q, **options)


def test_rows_that_are_no_distributions_are_refused() -> None:
    with pytest.raises(ValueError, match="rows of p sum to") as caught:
        explain(2 * P, Q)
    with pytest.raises(ValueError, match="holds NaN") as nan:
        explain([math.nan, 1.0], [0.5, 0.5])
    assert "validate" not in f"{caught.value}{nan.value}"  # explain has no such option
    with pytest.raises(ValueError, match="no rows"):
        explain(np.ones((0, 4)) / 4, Q[:0])


def test_it_prints() -> None:
    lines = str(explain(P, Q, row="all", labels=["cat", "dog", "owl", "eel"])).splitlines()
    assert lines[0] == "KL(p || q) = 0.346574 nats (row 0)"
    assert lines[1].split() == ["category", "p", "q", "contribution", "share", "cumulative"]
    assert lines[2].split() == ["eel", "0", "0.25", "0.25", "72.1%", "72.1%"]
    assert len({len(line) for line in lines[1:6]}) == 1
    many = str(explain(np.ones(50), np.arange(50.0), given="counts"))
    assert many.splitlines()[-1] == "... and 40 more"


def test_to_dict_is_json() -> None:
    found = explain([0.5, 0.5], [1.0, 0.0], labels=["a", "b"]).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    (one,) = found["breakdowns"]
    assert one["divergence"] == "inf"
    assert [each["label"] for each in one["categories"]] == ["b", "a"]
    assert one["categories"][0]["share"] == 1.0


def _page() -> Explanation:
    return explain(P, Q, row="all", labels=["<b>&'\"", "</script>", "c", "d"])


def test_the_page_holds_all() -> None:
    pytest.importorskip("jinja2")
    html = _page().to_html()
    assert "<b>&" not in html
    assert "&lt;b&gt;&amp;" in html
    assert html.count("</script>") == html.count("<script>")
    assert "0.346574 nats (row 0)" in html
    assert "http" not in html.replace("http-equiv", "")
    infinite = explain([0.5, 0.5], [1.0, 0.0]).to_html()
    assert "∞" in infinite
    assert "nan" not in infinite


def test_the_page_of_many_rows_and_categories_stays_small() -> None:
    pytest.importorskip("jinja2")
    rng = np.random.default_rng(0)
    p, q = rng.gamma(1.0, size=(2, 2000, 20)) + 1e-9
    html = explain(p, q, given="counts", row="all").to_html()
    assert "the 50 rows of the largest divergence, of 2000" in html
    p, q = rng.gamma(1.0, size=(2, 5000)) + 1e-9
    assert "and 4000 more" in explain(p, q, given="counts").to_html()
    assert len(html) < 1e6


def test_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    names = ["$x", "$", "a\x07\n", "_" * 40]  # no formulas, and no glyph that is missing
    for name, row in (("one.png", 0), ("all.png", "all"), ("vector.svg", None)):
        explain(P, Q, row=row, labels=names).to_png(tmp_path / name)  # type: ignore[arg-type]
        assert (tmp_path / name).stat().st_size > 5000
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("package", ["jinja2", "matplotlib"])
def test_without_the_extra(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = builtins.__import__

    def missing(name: str, *args: Any, **options: Any) -> Any:
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {package!r}")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    found = explain(P, Q)
    with pytest.raises(ImportError, match=r"pip install 'unikl\[report\]'"):
        found.to_html() if package == "jinja2" else found.to_png(tmp_path / "x.png")


def test_the_page_of_the_documentation(tmp_path: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "explain.md"
    outcome = doctest.testfile(str(page), module_relative=False)
    assert outcome.attempted > 5
    assert outcome.failed == 0
    wrong = tmp_path / "wrong.md"
    wrong.write_text(page.read_text().replace("72.1%", "72.2%"))
    assert doctest.testfile(str(wrong), module_relative=False, report=False).failed == 1
