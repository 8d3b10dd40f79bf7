"""torch.distributed: exact over shards, one small all_gather forward, nothing backward.

Two groups of processes, of 2 and of 4 (one process would hide a factor of their number), run the
checks of `torch_plain.py` and `torch_placed.py`; the tests here judge what they found.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import mpmath
import numpy as np
import pytest

from tests.engines.torch_cases import CASES, CUTS, Case, inputs

pytest.importorskip("torch")

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "scale" / "torch.md"
Ranks = Callable[..., list[Any]]  # the fixture `ranks`
STATE, SIDES = 12, 4  # numbers for each distribution, and one column of a check value


class Found(NamedTuple):
    """What the ranks of one group found."""

    world: int
    json: list[dict[str, Any]]
    arrays: list[Any]

    def of(self, check: str) -> list[Any]:
        return [one[check] for one in self.json]


@pytest.fixture(scope="module", params=sorted(CUTS))
def found(
    request: pytest.FixtureRequest, ranks: Ranks, tmp_path_factory: pytest.TempPathFactory
) -> Found:
    world, folder = request.param, tmp_path_factory.mktemp("torch")
    env = {"OMP_NUM_THREADS": "1"}
    ranks(HERE / "torch_ranks.py", folder, world=world, timeout=240, env=env)
    files = [folder / str(rank) for rank in range(world)]
    texts = [json.loads(file.with_suffix(".json").read_text()) for file in files]
    return Found(world, texts, [np.load(file.with_suffix(".npz")) for file in files])


# -- against 50 digits -----------------------------------------------------------------------------


class Exact(NamedTuple):
    """Of one row."""

    value: Any
    p: list[Any]
    q: list[Any]


def _side(one: list[Any], other: list[Any], derivative: list[Any]) -> tuple[Any, list[Any]]:
    """KL(one || other), and its derivative in log one; `derivative` scales that."""
    logs = [mpmath.log(x / y) for x, y in zip(one, other, strict=True)]
    kl = mpmath.fsum(x * y for x, y in zip(one, logs, strict=True))
    return kl, [d * (x - kl) for d, x in zip(derivative, logs, strict=True)]


def _row(kind: str, given: str, p: Any, q: Any) -> Exact:
    if kind == "reverse_kl":
        value, of_q, of_p = _row("kl_divergence", given, q, p)
        return Exact(value, of_p, of_q)
    raw = [[mpmath.mpf(float(x)) for x in row] for row in (p, q)]
    if given == "logits":
        raw = [[mpmath.exp(x) for x in row] for row in raw]
    totals = [mpmath.fsum(row) for row in raw]
    w, z = ([x / total for x in row] for row, total in zip(raw, totals, strict=True))
    one = [[1 / total] * len(row) for row, total in zip(raw, totals, strict=True)]
    factors = [w, z] if given == "logits" else one
    if kind == "jensen_shannon":
        m = [(x + y) / 2 for x, y in zip(w, z, strict=True)]
        sides = [_side(x, m, factor) for x, factor in zip((w, z), factors, strict=True)]
        return Exact((sides[0][0] + sides[1][0]) / 2, *[[d / 2 for d in s[1]] for s in sides])
    value, of_p = _side(w, z, factors[0])
    return Exact(value, of_p, [(y - x) / y * f for x, y, f in zip(w, z, factors[1], strict=True)])


@cache
def _exact(case: Case) -> list[Exact]:
    with mpmath.workdps(50):
        p, q, _ = inputs(case)
        rows = zip(*(x.reshape(-1, x.shape[-1]) for x in (p, q)), strict=True)
        return [_row(case.kind, case.given, *row) for row in rows]


def _norm(x: list[Any]) -> Any:
    return mpmath.sqrt(mpmath.fsum(v * v for v in x))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_within_8_eps(case: Case, found: Found) -> None:
    values = [arrays[f"{case.name}-value"] for arrays in found.arrays]
    assert all((value == values[0]).all() for value in values), "one number on every rank"
    assert values[0].dtype == case.dtype
    upstream = inputs(case)[2].reshape(-1)
    grads = {
        name: np.concatenate([a[f"{case.name}-{name}"] for a in found.arrays], -1)
        for name in ("p", "q")
    }
    for row, exact in enumerate(_exact(case)):
        with mpmath.workdps(50):
            off = abs(mpmath.mpf(float(values[0].reshape(-1)[row])) / exact.value - 1)
            assert off < 8 * case.eps, row
            for name, truth in (("p", exact.p), ("q", exact.q)):
                g = mpmath.mpf(float(upstream[row]))
                got = grads[name].reshape(len(upstream), -1)[row]
                expected = [g * d for d in truth]
                error = [mpmath.mpf(float(x)) - d for x, d in zip(got, expected, strict=True)]
                assert _norm(error) < 8 * case.eps * _norm(expected), (row, name)


def test_the_plain_formula_is_far_off() -> None:
    """The control: the same measure, in one process, of the formula that all know."""
    case = next(c for c in CASES if c.name == "kl_divergence-logits-float32")
    p, q, _ = inputs(case)
    w, z = (x - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True)) for x in (p, q))
    w, z = w - p.max(-1, keepdims=True), z - q.max(-1, keepdims=True)
    plain = (np.exp(w) * (w - z)).sum(-1).reshape(-1)
    off = [abs(float(x) / float(e.value) - 1) for x, e in zip(plain, _exact(case), strict=True)]
    assert max(off) > 1000 * case.eps


# -- what is sent ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_small_all_gather_forward_and_nothing_backward(case: Case, found: Found) -> None:
    columns = math.prod(inputs(case)[2].shape) + 1
    expected = [["allgather_", STATE * columns]]
    if case.kind == "jensen_shannon":
        expected.append(["allgather_", SIDES * columns])
    for one in found.of("collectives"):
        assert one[case.name] == [expected, []]


def test_gradients_do_not_grow_with_the_ranks(found: Found) -> None:
    for one in found.of("by_all_reduce"):
        assert one["ours"] < 8
        assert one["factor"] == pytest.approx(found.world), "the control, by the same comparison"
        assert one["textbook"] > 1e12


# -- as in one process -----------------------------------------------------------------------------


def test_edges(found: Found) -> None:
    for one in found.of("edges"):
        assert len(one) == 12
        assert max(one.values()) < 8, one


def test_a_rank_without_categories(found: Found) -> None:
    assert max(found.of("empty_rank")) < 8


def test_half_precision(found: Found) -> None:
    for one in found.of("half_precision"):
        assert one["dtypes"] == ["torch.float32", "torch.bfloat16", "torch.bfloat16"]
        assert one["value"] < 8
        assert one["gradients"] < 2.0**-8  # rounded once


def test_options(found: Found) -> None:
    assert max(map(max, found.of("options"))) < 8


def test_gradcheck(found: Found) -> None:
    if found.world == 2:
        assert found.of("gradcheck") == [True, True]


def test_torch_compile_breaks_the_graph(found: Found) -> None:
    if found.world == 2:
        assert max(found.of("compiled")) < 8


# -- DTensors --------------------------------------------------------------------------------------


def _as_in_one_process(one: dict[str, Any], lies: str) -> None:
    assert one["error"] < 8
    assert one["shape"] == [5, 3]
    assert one["lies"][0] == lies


def test_dtensors_over_the_categories(found: Found) -> None:
    for every in found.of("dtensors"):
        for name, one in every.items():
            _as_in_one_process(one, "(Replicate(),)")
            assert one["lies"][1:] == ["(Shard(dim=2),)"] * 2
            sizes = [STATE, SIDES] if "jensen" in name else [STATE]
            assert one["sent"] == [[["allgather_", size * 16] for size in sizes], []]


def test_dtensors_over_two_dimensions(found: Found) -> None:
    if found.world != 4:
        return
    for every in found.of("two_dimensions"):
        assert every.pop("plain")["error"] < 8
        for name, one in every.items():
            _as_in_one_process(one, "(Shard(dim=0), Replicate())")
            sizes = [STATE, SIDES] if "jensen" in name else [STATE]
            columns = one["rows"] + 1
            assert one["sent"] == [[["allgather_", size * columns] for size in sizes], []]
    assert {one["two_dimensions"]["kl_divergence"]["rows"] for one in found.json} == {6, 9}


def test_shards_of_a_batch_send_nothing(found: Found) -> None:
    for every in found.of("batches"):
        for name, one in every.items():
            _as_in_one_process(one, "(Replicate(),)" if name == "replicated" else "(Shard(dim=0),)")
            assert one["sent"] == [[], []]
    for one in found.of("other_axes"):
        assert max(one.values()) < 8


def test_data_parallel_means_are_of_the_whole(found: Found) -> None:
    for one in found.of("data_parallel"):
        assert one["error"] < 8
        assert one["sent"] == [[], [["allreduce_", 2]]]
        assert one["mean of means"] > 1e12, "the control"
        assert one["nothing"] == 0


def test_loss_parallel_does_no_harm(found: Found) -> None:
    for one in found.of("in_loss_parallel"):
        assert one["ours"] < 8
        assert one["any"] < 8
        assert one["torch"] > 1e12, "PyTorch's own is right now: say so in docs/scale/torch.md"


# -- errors ----------------------------------------------------------------------------------------

MISPLACED = {
    "placements": "ValueError: p is placed (Shard(dim=2),) on",
    "plain q": "TypeError: p is a DTensor and the other one is not",
    "plain p": "TypeError: q is a DTensor and the other one is not",
    "partial": "ValueError: p and q are placed (Partial(sum),)",
}


def test_misplaced_dtensors(found: Found) -> None:
    expected = {
        f"{who}: {case}": text for case, text in MISPLACED.items() for who in ("ours", "any")
    }
    expected |= {
        "two axes": "ValueError: the categories lie on axes (0, 2), sharded over 1 dimensions",
        "mesh": "ValueError: DTensors take neither group",
        "axis": "ValueError: axis 3 is out of bounds for arrays with 3 axes",
        "shapes": "ValueError: DTensors do not broadcast here",
        "mean": "TypeError: a DTensor knows its ranks",
    }
    for one in found.of("misplaced"):
        assert one.keys() == expected.keys()
        assert not [key for key, text in expected.items() if not one[key].startswith(text)]


def test_refusals_on_every_rank(found: Found) -> None:
    expected = {
        "sum": "ValueError: rows of p sum to between 2 and 2 over all shards, not 1 (4 of 4",
        "NaN": "ValueError: the divergence is NaN in 1 of 4 rows",
        "silent": "[False, False, True, False]",
        "disagree": "ValueError: the ranks of the group compute different things",
        "rows": "ValueError: the ranks of the group compute different things",
        "beta": "ValueError: beta must be from 0 to 1, got 2.0",
        "form": "ValueError: given must be one of probs",
        "base": "ValueError: base must be a positive number other than 1",
        "gradients": 'ValueError: gradients must be "mean" or "sum"',
        "second order": "NotImplementedError: a sharded divergence has first derivatives only",
    }
    for one in found.of("refusals"):
        assert one.keys() == expected.keys()
        assert not [key for key, text in expected.items() if not one[key].startswith(text)]


def test_a_lost_rank_is_an_error(ranks: Ranks, tmp_path: Path) -> None:
    """Absent beyond the timeout, or killed in the middle: an error in time, never a number."""
    first, second = ranks(HERE / "torch_lost.py", tmp_path, world=2, timeout=60, check=False)
    assert (first.code, second.code) == (0, -9), first.err
    lines = [json.loads(line) for line in first.out.splitlines()]
    assert [line["case"] for line in lines] == ["absent", "killed"]
    for line in lines:
        assert line["words"].startswith("no answer from all 2 ranks of the group")
        assert line["waited"] < 15
    assert lines[0]["waited"] > 2, "it did wait"


def test_the_page(ranks: Ranks, tmp_path: Path, free_port: int) -> None:
    """Its program, on two ranks."""
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)
    program = tmp_path / "program.py"
    program.write_text("\n".join([*blocks, "dist.barrier()", "dist.destroy_process_group()"]))
    env = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port), "OMP_NUM_THREADS": "1"}
    ranks(program, world=2, env={**env, "GLOO_SOCKET_IFNAME": "lo"})
