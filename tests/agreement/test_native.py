"""The libraries' own divergences: each is called, judged by the mathematics, and documented."""

from __future__ import annotations

import datetime
import math
import re
from collections import Counter
from importlib import metadata
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import unikl
from unikl import compat
from unikl.agreement.native import FUNCTIONS, check_native, to_markdown
from unikl.agreement.native.inputs import INPUTS
from unikl.agreement.native.libraries import Function
from unikl.agreement.native.truth import TRUTHS
from unikl.agreement.outcome import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "native.md"


# -- the truth -------------------------------------------------------------------------------------


def _exact(quantity: str, p: Any, q: Any, given: str) -> Any:
    p, q = ([mpmath.mpf(float(x)) for x in row] for row in (p, q))
    if given == "logits":
        p, q = ([mpmath.exp(x) for x in row] for row in (p, q))
    p, q = ([x / mpmath.fsum(row) for x in row] for row in (p, q))

    def kl(p: Any, q: Any) -> Any:
        pairs = [(a, b) for a, b in zip(p, q, strict=True) if a]
        return (
            mpmath.inf
            if any(not b for _, b in pairs)
            else mpmath.fsum(a * mpmath.log(a / b) for a, b in pairs)
        )

    if quantity == "KL":
        return kl(p, q)
    if quantity == "cross-entropy":
        return kl(p, q) - mpmath.fsum(a * mpmath.log(a) for a in p if a)
    m = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return mpmath.sqrt((kl(p, m) + kl(q, m)) / 2)


@pytest.mark.parametrize("quantity", TRUTHS)
@pytest.mark.parametrize("x", INPUTS, ids=lambda x: x.name)
def test_the_truth_is_that_of_mpmath(x: Any, quantity: str) -> None:
    for dtype in ("float32", "float64"):
        for p, q in list(zip(x.p.astype(dtype), x.q.astype(dtype), strict=True))[:3]:
            with mpmath.workdps(50):
                exact = float(_exact(quantity, p, q, x.given))
            assert TRUTHS[quantity](p, q, x.given) == exact


# -- the judgement ---------------------------------------------------------------------------------


def _planted(call: Any) -> Outcome:
    return check_native(functions=[Function("planted", "unikl", "unikl", "numpy", call)])


def _words(outcome: Outcome, case: str) -> set[tuple[str, str]]:
    return {(row.status, row.what) for row in outcome.rows if row.case == case}


@pytest.mark.parametrize(
    ("wrong", "case", "what"),
    [
        (lambda kl: math.nan, "zero in p", "NaN"),
        (lambda kl: -kl, "zero in p", "negative"),
        (lambda kl: -1e-300, "p = q with a zero", "negative"),
        (lambda kl: 5.7, "zero in q", "clipped"),
        (lambda kl: math.inf, "zero in p", "infinite"),
        (lambda kl: -math.inf, "zero in q", "clipped"),
        (lambda kl: kl * 1.5, "logits of 1000", ""),
    ],
)
def test_what_is_wrong_is_said(wrong: Any, case: str, what: str) -> None:
    def call(module: Any, x: Any) -> float:
        kl = unikl.kl_divergence(x.first, x.second, given=x.given, validate=False)
        return float(wrong(kl.item()))

    found = _words(_planted(call), case)
    assert {status for status, _ in found} == {"differs"}
    assert all(word == what or (not what and word.endswith(" eps")) for _, word in found)


def test_an_exception_is_a_finding() -> None:
    def call(module: Any, x: Any) -> float:
        raise RuntimeError("no zeros,\nplease")

    assert _words(_planted(call), "zero in p") == {("error", "RuntimeError: no zeros, please")}
    assert "**raises**" in to_markdown(_planted(call))
    assert "no zeros, please" in to_markdown(_planted(call))


def test_one_bad_pair_of_many_is_found() -> None:
    seen = Counter[str]()

    def call(module: Any, x: Any) -> float:
        seen[x.given] += 1
        kl = unikl.kl_divergence(x.first, x.second, given=x.given, validate=False)
        return math.nan if seen["logits"] == 5 else float(kl.item())

    (row,) = [row for row in _planted(call).rows if row.wrong]
    assert (row.case, row.dtype, row.index) == ("logits 1e-4 apart", "float32", (4,))


def test_what_is_not_installed_is_skipped() -> None:
    absent = Function("x.kl", "no_such_package.inner", "no-such-package", "numpy", print)
    found = check_native(functions=[absent])
    assert {(row.status, row.what) for row in found.rows} == {
        ("skipped", "no-such-package is not installed")
    }
    assert "not installed" in to_markdown(found)
    assert not found.versions


# -- the libraries ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    for name in ("torch", "keras", "scipy", "jax", "optax", "torchmetrics", "ot", "tensorflow"):
        pytest.importorskip(name)
    return check_native()


def test_every_function_of_compat_is_there() -> None:
    aliases = {"KLD", "kld", "kullback_leibler_divergence"}
    ours = {name: len({*getattr(compat, name).__all__} - aliases) for name in compat.__all__}
    named = {
        (f.distribution.lower(), re.sub(r"\((reduction|log_prob).*", "", f.name)) for f in FUNCTIONS
    }
    theirs = Counter(distribution for distribution, _ in named)
    assert theirs.pop("unikl") == 1
    assert dict(theirs) == ours
    assert theirs.total() == 17


def test_unikl_agrees_and_the_others_are_told(outcome: Outcome) -> None:
    own = [row for row in outcome.rows if row.backend == "unikl.kl_divergence"]
    assert {row.status for row in own} == {"agrees"}
    assert len(outcome.rows) == len(FUNCTIONS) * len(INPUTS) * 2
    assert not [row for row in outcome.rows if row.status in ("error", "skipped")]
    assert outcome.ok is False
    assert "unikl.kl_divergence" not in outcome.blamed


def test_two_verdicts_by_hand(outcome: Outcome) -> None:
    """What the libraries return here, without the machinery."""
    import torch
    from scipy import special

    words = {(row.backend, row.dtype, row.case): row.what for row in outcome.rows}
    p = torch.tensor([0.5, 0.5, 0.0])
    assert torch.nn.functional.kl_div(p.log(), p, reduction="sum").isnan()
    name = 'torch.nn.functional.kl_div(reduction="sum")'
    assert words[name, "float32", "p = q with a zero"] == "NaN"
    near = INPUTS[6]
    with np.errstate(all="ignore"):
        p32, q32 = (special.softmax(x.astype("float32"), axis=-1) for x in (near.p, near.q))
        negative = (special.rel_entr(p32, q32).sum(-1) < 0).any()
    word = words["scipy.special.rel_entr, summed", "float32", near.name]
    assert (word == "negative") == negative


# -- the page --------------------------------------------------------------------------------------


def _differences(page: str, other: str) -> list[tuple[str, str]]:
    """The lines that differ, where the date may and an order of magnitude by one."""

    def parts(line: str) -> tuple[str, list[int]]:
        words = re.sub(r"Made on \S+", "Made", line)
        return re.sub(r"10\^\d+", "", words), [int(n) for n in re.findall(r"10\^(\d+)", words)]

    pairs = list(zip(page.splitlines(), other.splitlines(), strict=False))
    found = [
        (one, two)
        for one, two in pairs
        if parts(one)[0] != parts(two)[0]
        or any(abs(a - b) > 1 for a, b in zip(parts(one)[1], parts(two)[1], strict=True))
    ]
    extra = abs(len(page.splitlines()) - len(other.splitlines()))
    return found + [("lines", str(extra))] * (extra > 0)


def test_the_page_is_what_the_generator_prints(outcome: Outcome) -> None:
    page = PAGE.read_text()
    versions = re.findall(r"Made on \S+ with (.*)\.$", page, re.M)
    here = ", ".join(sorted({*outcome.versions.values()}, key=str.lower))
    if versions != [here]:
        pytest.skip(f"docs/native.md was made with {versions}, here are {here}: make it again")
    assert not _differences(page, to_markdown(outcome))


def test_a_changed_page_is_noticed(outcome: Outcome) -> None:
    page = to_markdown(outcome)
    later = to_markdown(outcome, datetime.date(2030, 1, 1))
    assert page != later
    assert not _differences(page, later)
    assert not _differences(page, page.replace("10^9 eps", "10^8 eps"))
    for wrong in (
        page.replace("**negative**", "ok", 1),
        page.replace("10^9 eps", "10^4 eps", 1),
        page.replace("5.774", "5.775", 1),
        page + "more\n",
        page.replace(f"torch {metadata.version('torch')}", "torch 1.0"),
    ):
        assert _differences(page, wrong)
