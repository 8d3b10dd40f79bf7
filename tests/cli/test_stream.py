"""``unikl kl`` on files larger than memory: the same numbers, in bounded memory, or none."""

from __future__ import annotations

import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import unikl
from unikl.cli import kl, stored
from unikl.cli.stream import Merger, make_plan

Run = Callable[..., tuple[int, str, str]]  # the fixture `cli`
ROOT = Path(unikl.__file__).parents[1]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 64 elements (8 of categories), rows of up to 30 whole."""
    monkeypatch.setattr(kl, "_BLOCK", 64)
    monkeypatch.setattr(kl, "_LONG", 30)


def _arrays(shape: tuple[int, ...], q_shape: tuple[int, ...], form: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=shape), rng.normal(size=q_shape)
    a.ravel()[::7], b.ravel()[::7] = -np.inf, -np.inf
    b[np.isinf(b)] = -9.0
    return (a, b) if form == "logits" else (np.exp(a), np.exp(b))


_SHAPES = [
    ((7, 20), (7, 20), "-1"),  # row blocks
    ((7, 20), (20,), "-1"),
    ((500,), (500,), "0"),  # parts of one distribution
    ((5, 70), (5, 70), "-1"),  # of each row
    ((5, 70), (70,), "-1"),
    ((70,), (5, 70), "-1"),
    ((5, 70), (1, 70), "-1"),
    ((70, 5), (70, 5), "0"),  # of columns
    ((70, 5), (70, 1), "0"),
    ((12, 9), (12, 9), "all"),
    ((3, 12, 9), (12, 9), "1,2"),
    ((3, 12, 9), (3, 12, 9), "1"),
    ((2, 3, 80), (3, 80), "-1"),
]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("p_shape", "q_shape", "axis"), _SHAPES)
@pytest.mark.parametrize(("form", "kind"), [("counts", "npz"), ("logits", "npy")])
def test_parts_give_the_same_numbers(
    cli: Run, tmp_path: Path, p_shape: Any, q_shape: Any, axis: str, form: Any, kind: str
) -> None:
    p, q = _arrays(p_shape, q_shape, form)
    for name, array in (("p", p), ("q", q)):
        if kind == "npz":
            np.savez_compressed(tmp_path / f"{name}.npz", array)
        else:
            np.save(tmp_path / f"{name}.npy", np.asfortranarray(array) if name == "q" else array)
    argv = ("kl", tmp_path / f"p.{kind}", tmp_path / f"q.{kind}", "--given", form)
    code, out, err = cli(*argv, "--axis", axis, "--base", "2", "--out", tmp_path / "out.npy")
    assert (code, err) == (0, "")
    axes: Any = None if axis == "all" else tuple(map(int, axis.split(",")))
    expected = unikl.kl_divergence(p, q, given=form, axis=axes, base=2)
    found = np.load(tmp_path / "out.npy")
    shape = np.broadcast_shapes(p_shape, q_shape)
    plan = make_plan(shape, kl.read_axes(axis, len(shape)), 64, 30)
    assert len(plan) > 1
    np.testing.assert_allclose(found, expected, rtol=8 * 2.0**-52 if plan.parts else 0, strict=True)
    # The summary has seen each number once.
    if form == "counts":
        assert f"zeros {(p == 0).sum()} {(q == 0).sum()}" in " ".join(out.split())
        total = " to ".join(f"{x:.7g}" for x in _range(p.sum(axis=_fit(axes, shape))))
        assert f"row sums {total}" in " ".join(out.split())


def _fit(axes: Any, shape: tuple[int, ...]) -> Any:
    return axes if axes is None else tuple(a - len(shape) if a >= 0 else a for a in axes)


def _range(sums: Any) -> list[float]:
    return sorted({float(np.min(sums)), float(np.max(sums))})


@pytest.mark.usefixtures("small")
def test_long_rows_are_validated(cli: Run, tmp_path: Path) -> None:
    p, q = (np.random.default_rng(k).dirichlet(np.ones(70), 5) for k in range(2))
    np.save(tmp_path / "q.npy", q)
    for k, (bad, told) in enumerate(
        [
            (2 * p[3], "rows of p sum to between 2 and 2"),
            (0 * p[3] + np.nan, "the divergence is NaN"),
        ]
    ):
        p[3] = bad
        np.save(tmp_path / f"p{k}.npy", p)
        argv = ("kl", tmp_path / f"p{k}.npy", tmp_path / "q.npy", "--out", tmp_path / "out.npy")
        code, out, err = cli(*argv)
        assert (code, out) == (2, "")
        assert told in err
        assert "in row 3" in err
        assert not (tmp_path / "out.npy").exists()
    p[3] = 2 / 70
    np.save(tmp_path / "p.npy", p)
    code, _, err = cli("kl", tmp_path / "p.npy", tmp_path / "q.npy", "--no-validate")
    assert (code, err) == (0, "")


@pytest.mark.usefixtures("small")
def test_every_backend_takes_parts(cli: Run, tmp_path: Path) -> None:
    p, q = (np.random.default_rng(k).dirichlet(np.ones(500)) for k in range(2))
    np.savez(tmp_path / "both.npz", p=p, q=q)
    both = tmp_path / "both.npz"
    options = ("--backend", "numpy", "--backend", "torch", "--out", tmp_path / "out.npz")
    code, _, err = cli("kl", f"{both}:p", f"{both}:q", *options)
    assert (code, err) == (0, "")
    for value in np.load(tmp_path / "out.npz").values():
        np.testing.assert_allclose(value, unikl.kl_divergence(p, q), rtol=4 * 2.0**-52)


def test_the_merger_is_a_tree() -> None:
    p, q = (np.random.default_rng(k).dirichlet(np.ones(1000)) for k in range(2))
    merger, depth = Merger(), 0
    for k in range(1000):
        merger.add(unikl.KLState.from_arrays(p[k : k + 1], q[k : k + 1]))
        depth = max(depth, len(merger._states))
    assert depth <= 10
    np.testing.assert_allclose(merger.result(None), unikl.kl_divergence(p, q), rtol=8 * 2.0**-52)


# -- damaged files ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("compressed", [False, True])
def test_a_damaged_archive_gives_no_number(cli: Run, tmp_path: Path, compressed: bool) -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(20), 50)
    (np.savez_compressed if compressed else np.savez)(tmp_path / "p.npz", p)
    np.save(tmp_path / "q.npy", p)
    data = bytearray((tmp_path / "p.npz").read_bytes())
    assert cli("kl", tmp_path / "p.npz", tmp_path / "q.npy")[0] == 0
    data[len(data) // 2] ^= 1
    (tmp_path / "p.npz").write_bytes(data)
    code, out, err = cli("kl", tmp_path / "p.npz", tmp_path / "q.npy", "--given", "counts")
    assert (code, out) == (2, "")
    assert "cannot read" in err


def test_a_file_that_shrinks_gives_no_number(tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.ones((50, 20)))
    source = stored.open_npy(tmp_path / "p.npy")
    assert source[slice(40, 50),].shape == (10, 20)
    with (tmp_path / "p.npy").open("r+b") as file:
        file.truncate(2000)
    assert source[slice(0, 5),].sum() == 100
    with pytest.raises(EOFError, match="too early"):
        source[slice(40, 50),]


def test_what_an_archive_cannot_give_by_rows(
    cli: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    p = np.asfortranarray(np.random.default_rng(0).dirichlet(np.ones(20), 50))
    np.savez(tmp_path / "p.npz", p)
    assert cli("kl", tmp_path / "p.npz", tmp_path / "p.npz")[0] == 0
    monkeypatch.setattr(stored, "_WHOLE", 1000)
    code, _, err = cli("kl", tmp_path / "p.npz", tmp_path / "p.npz")
    assert code == 2
    assert "numpy.ascontiguousarray" in err


# -- memory ----------------------------------------------------------------------------------------

# Runs the command with other limits, and says how much memory it took.  (ru_maxrss would count
# the process that started it.)
_MEASURE = """
import sys
from pathlib import Path
from unikl.__main__ import main
from unikl.cli import kl
kl._BLOCK, kl._LONG = int(sys.argv[1]), int(sys.argv[2])
code = main(sys.argv[3:])
peak = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
print(code, int(peak[0].split()[1]) // 1024)
"""


def _sparse(path: Path, shape: tuple[int, ...]) -> None:
    """Zeros, as logits, which take no room on the disk; the first of each row is 1."""
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for row in range(shape[0] if len(shape) > 1 else 1):
            file.seek(start + row * shape[-1] * 4)
            file.write(np.float32(1).tobytes())
        file.truncate(start + 4 * int(np.prod(shape)))


def _megabytes(p: Path, q: Path, block: int = kl._BLOCK, long: int = kl._LONG) -> tuple[str, int]:
    words = [str(block), str(long), "kl", str(p), str(q), "--given", "logits"]
    argv = [sys.executable, "-c", _MEASURE, *words]
    env = {"PYTHONPATH": str(ROOT), "UNIKL_KERNELS": "numpy", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env, timeout=200)
    *lines, last = done.stdout.splitlines()
    code, megabytes = last.split()
    assert code == "0", done.stderr
    return "\n".join(lines), int(megabytes)


_FILE = 128  # MB of each file
_COUNT = _FILE << 18
_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="/proc says how much it took")


@_LINUX
@pytest.mark.parametrize("shape", [(_COUNT >> 12, 1 << 12), (_COUNT,)])
def test_memory_is_bounded(tmp_path: Path, shape: tuple[int, ...]) -> None:
    for name in "pq":
        _sparse(tmp_path / f"{name}.npy", shape)
    p, q = tmp_path / "p.npy", tmp_path / "q.npy"
    text, megabytes = _megabytes(p, q)
    assert megabytes < 1.25 * _FILE
    # Control: in one piece it takes more than the files, and gives the same.
    whole, much = _megabytes(p, q, _COUNT, _COUNT)
    assert much > 2 * _FILE
    assert text == whole


@_LINUX
@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_is_not_read_whole(tmp_path: Path, kind: int) -> None:
    _sparse(tmp_path / "p.npy", (_COUNT >> 12, 1 << 12))
    with zipfile.ZipFile(tmp_path / "p.npz", "w", kind, compresslevel=1) as archive:
        archive.write(tmp_path / "p.npy", "p.npy")
    assert _megabytes(tmp_path / "p.npz", tmp_path / "p.npy")[1] < 1.25 * _FILE


# -- interruption ----------------------------------------------------------------------------------

_INTERRUPTED = """
import os, signal, sys
from unikl.__main__ import main
from unikl.cli import kl, summary
update, calls, which = summary.Summary.update, [], int(sys.argv.pop(1))
def count(*arguments):
    calls.append(1)
    if len(calls) == 5:
        os.kill(os.getpid(), which)
    return update(*arguments)
summary.Summary.update, kl._BLOCK, kl._LONG = count, 64, 30
sys.exit(main())
"""


@pytest.mark.parametrize("shape", [(40, 20), (500,)])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_an_interrupted_command_gives_no_number(
    tmp_path: Path, shape: tuple[int, ...], sent: signal.Signals, code: int
) -> None:
    for name in "pq":
        np.save(tmp_path / f"{name}.npy", np.ones(shape))
    words = [str(tmp_path / "p.npy"), str(tmp_path / "q.npy"), "--given", "counts"]
    argv = [sys.executable, "-c", _INTERRUPTED, str(int(sent)), "kl", *words]
    argv += ["--out", str(tmp_path / "out.npy")]
    env = {"PYTHONPATH": str(ROOT), "UNIKL_KERNELS": "numpy", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert (done.returncode, done.stdout) == (code, "")
    assert not (tmp_path / "out.npy").exists()
    if sent == signal.SIGINT:
        blocks = 14 if len(shape) == 2 else 63
        told = f"unikl: interrupted after 2 of {blocks} blocks: no result, and nothing is written\n"
        assert done.stderr == told
