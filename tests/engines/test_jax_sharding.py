"""Sharded JAX arrays: exact, and nothing but numbers of the size of the batch travels."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

import unikl
from tests.engines.jax_devices import BATCH, CASES, SHAPE, VOCABULARY, Case, given, inputs

jax = pytest.importorskip("jax")

HERE = Path(__file__).parent
Ranks = Callable[..., list[Any]]  # the fixture `ranks`
EIGHT = {"XLA_FLAGS": "--xla_force_host_platform_device_count=8"}
PAGE = HERE.parents[1] / "docs" / "scale" / "jax.md"


# -- what the programs do --------------------------------------------------------------------------

_OPERATIONS = "all-gather|all-reduce|all-to-all|collective-broadcast|collective-permute"
_COLLECTIVE = re.compile(
    rf" = (?P<type>\(.*?\)|\S+) (?P<name>(?:ragged-)?(?:{_OPERATIONS}|reduce-scatter))(?:-start)?\("
)


def _collectives(hlo: str) -> list[tuple[str, int]]:
    """Each collective operation of a program, and how many numbers it yields on a device."""
    found = []
    for match in _COLLECTIVE.finditer(hlo):
        shapes = re.findall(r"\w+\[([\d,]*)\]", match["type"])
        sizes = [prod(map(int, shape.split(","))) if shape else 1 for shape in shapes]
        found.append((match["name"], sum(sizes)))
    return found


@pytest.fixture(scope="module")
def folder(ranks: Ranks, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `jax_devices.py` writes."""
    path = tmp_path_factory.mktemp("jax")
    (done,) = ranks(HERE / "jax_devices.py", path, env=EIGHT, timeout=100)
    (path / "memory.txt").write_text(done.out)
    return path


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_only_the_size_of_the_batch_travels(folder: Path, case: Case) -> None:
    rows = SHAPE[0] // {BATCH: 8, VOCABULARY: 1}.get(case.spec, 2)
    for kind in ("value", "gradient"):
        found = _collectives((folder / f"{case.name}-{kind}.hlo").read_text())
        assert {name for name, _ in found} <= {"all-reduce"}
        assert all(size <= 4 * rows for _, size in found)
        if case.spec == BATCH:  # the loss alone
            assert found == ([] if kind == "value" else [("all-reduce", 1)])
        else:
            assert 0 < sum(size for _, size in found) <= 20 * rows


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_values_and_gradients_are_those_of_one_device(folder: Path, case: Case) -> None:
    p, q, mask, g = inputs(case)
    limit = 8 * float(np.finfo(case.dtype).eps)
    with np.load(folder / f"{case.name}.npz") as found:
        wide = [x.astype(np.float64) for x in (p, q)]
        expected = unikl.kl_divergence(*wide, given=given(case), where=mask, validate=False)
        if "," in case.form:  # the rounding of one logarithm
            limit *= 10
        for value in (found["kl"], found["again"]):
            assert value.dtype == case.dtype
            np.testing.assert_allclose(value, expected, rtol=limit)
        for row in (0, 5):
            exact = _exact(case, row, p, q, mask)
            mine = found["kl"][row], found["dp"][row] / g[row], found["dq"][row] / g[row]
            for one, other in zip(mine, exact, strict=True):
                error = np.linalg.norm(np.asarray(one, np.float64) - other)
                assert error <= limit * np.linalg.norm(other)
        assert np.isfinite(found["dp"]).all()
        assert np.isfinite(found["dq"]).all()


def _exact(case: Case, row: int, p: Any, q: Any, mask: Any) -> tuple[Any, Any, Any]:
    """KL of one row, and its gradients, in 50 digits."""
    on = np.ones(SHAPE[1], bool) if mask is None else mask[row]
    forms = case.form.split(",")[0], case.form.split(",")[-1]
    with mpmath.workdps(50):
        x, y = ([mpmath.mpf(float(v)) for v in t[row]] for t in (p, q))
        w, dw = _normalised(forms[0], x, on)
        z, dz = _normalised(forms[1], y, on)
        tiny = mpmath.mpf(float(np.finfo(case.dtype).smallest_normal))
        # At p = 0 < q the derivative in p as at the smallest normal number; where q = 0 too, 0.
        logs = [mpmath.log((u or tiny * dw) / v) if v else 0 for u, v in zip(w, z, strict=True)]
        kl = mpmath.fsum([u * log for u, log in zip(w, logs, strict=True)])
        linear = [form in ("probs", "counts") for form in forms]
        dp = [(log - kl) * (dw if linear[0] else u) for u, log in zip(w, logs, strict=True)]
        dq = [
            ((1 - u / v if v else 1) * dz if linear[1] else v - u)
            for u, v in zip(w, z, strict=True)
        ]
        # What is masked out has no derivative.
        return float(kl), np.where(on, dp, 0).astype(float), np.where(on, dq, 0).astype(float)


def _normalised(form: str, x: list[Any], on: Any) -> tuple[list[Any], Any]:
    """The weights, and one over their sum."""
    if form in ("logits", "log_probs"):
        x = [mpmath.exp(v) for v in x]
    x = [v if here else mpmath.mpf(0) for v, here in zip(x, on, strict=True)]
    unit = 1 / mpmath.fsum(x)
    return [v * unit for v in x], unit


# -- and what they do not --------------------------------------------------------------------------


def test_the_probe_sees_what_travels(ranks: Ranks, tmp_path: Path) -> None:
    (done,) = ranks(HERE / "jax_control.py", tmp_path, env=EIGHT)
    gathered, mismatched = (
        _collectives((tmp_path / f"{name}.hlo").read_text()) for name in ("gathered", "mismatched")
    )
    assert ("all-gather", 64 * 512) in gathered
    # Auto axes take one argument to where the other one is, silently.
    assert [size for name, size in mismatched if name == "all-to-all" and size >= 64 * 512 // 8]
    # Explicit axes refuse, and what docs/scale/jax.md recommends is right.
    told = done.out.splitlines()
    assert [line.partition(": ")[0] for line in told] == [
        *("eager ShardingTypeError", "jit ShardingTypeError", "resharded", "replicated"),
    ]
    for line in told[:2]:
        assert "f32[64@x,512], f32[64,512@x] produces an illegally sharded result" in line
    assert all(line.endswith(": right") for line in told[2:])


_LINE = "  %x = (f32[64]{0}, s32[2,3]{1,0}) {}(%a, %b), channel_id=1"


@pytest.mark.parametrize("name", ["all-gather", "all-to-all", "all-gather-start", "all-reduce"])
def test_every_spelling_is_read(name: str) -> None:
    plain = name.removesuffix("-start")
    assert _collectives(_LINE.replace("{}(", f"{name}(")) == [(plain, 70)]
    assert _collectives(f"  ROOT %y = f32[] {name}(%a)") == [(plain, 1)]


def test_a_mesh_of_one_device() -> None:
    """As on a laptop: neither the fused kernels nor blocks of rows may take a typed array."""
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    p, q = (np.random.default_rng(k).dirichlet(np.ones(1024), (2, 256)) for k in range(2))
    expected = unikl.kl_divergence(p, q)
    both = jax.jit(jax.value_and_grad(_mean, argnums=(0, 1), has_aux=True))
    for types, spec in (("Explicit", ("x",)), ("Explicit", (None, None, "x")), ("Auto", ("x",))):
        mesh = jax.make_mesh((1,), ("x",), axis_types=(AxisType[types],))
        sharding = NamedSharding(mesh, PartitionSpec(*spec))
        on = [jax.device_put(x.astype(np.float32), sharding) for x in (p, q)]
        (_, kl), gradients = both(*on)
        np.testing.assert_allclose(kl, expected, rtol=1e-6)
        assert unikl.kl_divergence(*on).sharding == kl.sharding
        for gradient in gradients:
            assert gradient.sharding.is_equivalent_to(sharding, 3)


def _mean(p: Any, q: Any) -> Any:
    kl = unikl.kl_divergence(p, q)
    return kl.mean(), kl


# -- two processes ---------------------------------------------------------------------------------


def test_two_processes_with_one_device_each(ranks: Ranks, free_port: int) -> None:
    done = ranks(HERE / "jax_processes.py", free_port, "live", world=2, timeout=100)
    assert [each.out.count("ok") for each in done] == [4, 4]


def test_a_killed_process_is_an_error(ranks: Ranks, free_port: int) -> None:
    script = HERE / "jax_processes.py"
    left, gone = ranks(script, free_port, "die", world=2, timeout=100, check=False)
    assert gone.code == -9
    assert left.code != 0
    assert not left.stopped, "the process that was left waited for ever"
    assert left.out == "", "a number without the other half of the data"
    assert "another task died" in left.err or "peer" in left.err


# -- the page --------------------------------------------------------------------------------------


def test_the_page(ranks: Ranks) -> None:
    assert PAGE.read_text().count(">>> ") > 10
    ranks("-m", "doctest", PAGE, env=EIGHT)


def test_a_wrong_page_fails(ranks: Ranks, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(">>> 1 + 1\n3\n")
    (done,) = ranks("-m", "doctest", page, check=False)
    assert done.code == 1
