"""The handler without XLA: what it computes, with which threads, and what it refuses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba")

from unikl.kernels import xla_handler as h
from unikl.kernels.xla_worker import FUTURE, LEFT, NEXT, USERS

# -- calls -----------------------------------------------------------------------------------------

_Function = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)


def _words(address: int) -> Any:
    return ctypes.cast(address, ctypes.POINTER(ctypes.c_int64))


class FakeXla:
    """The functions of XLA that the handler calls, and a call frame for one call."""

    def __init__(self, p: Any, q: Any, gradients: int = 0, kernel: int = 0, threads: int = 1):
        self.errors: list[tuple[str, int]] = []
        self.destroyed: list[int] = []
        self.completed: list[int] = []
        self.tasks: list[tuple[int, int]] = []
        self.threads, self.refuse, self.kept = threads, False, []  # type: ignore[var-annotated]
        self.out = np.full((3, len(p)), -1.0, p.dtype)
        self.gradients = [np.full_like(p, -1.0) for _ in range(gradients)]
        self.api = self.array([8 * 24, 0, 24, 0, h._MAJOR | h._NEWEST << 32, 0, *[0] * 18])
        for place, function in {
            h._ERROR_CREATE: self._create,
            h._ERROR_DESTROY: self._destroy,
            h._SCHEDULE: self._schedule,
            h._NUM_THREADS: self._count,
            h._FUTURE_CREATE: self._future,
            h._SET_AVAILABLE: self._complete,
        }.items():
            self.api[place] = self.function(function)
        self.operands = [self.buffer(x) for x in (p, q)]
        self.results = [self.buffer(x) for x in (self.out, *self.gradients)]
        self.attribute = self.array([kernel])
        self.scalar = self.array([h._S64, self.attribute.ctypes.data])
        words = [h._FRAME_BYTES, 0, self.api.ctypes.data, 77, h._EXECUTE]
        words += [h._ARGS_BYTES, 0, *self.pointers(self.operands, h._BUFFER)]
        words += [h._ARGS_BYTES, 0, *self.pointers(self.results, h._BUFFER)]
        words += [h._ATTRS_BYTES, 0, *self.pointers([self.scalar], h._SCALAR, names=True), 0]
        self.frame = self.array(words)

    def array(self, numbers: Any, dtype: Any = np.int64) -> Any:
        self.kept.append(np.array(numbers, dtype))
        return self.kept[-1]

    def function(self, function: Callable[[int], int]) -> int:
        self.kept.append(_Function(function))
        address = ctypes.cast(self.kept[-1], ctypes.c_void_p).value
        assert address
        return address

    def buffer(self, x: Any) -> Any:
        dtype = {"f": h._F32, "d": h._F64}.get(x.dtype.char, h._S64)
        dims = self.array(x.shape)
        self.kept.append(x)
        words = [h._BUFFER_BYTES, 0, dtype, x.ctypes.data, x.ndim, dims.ctypes.data]
        return self.array(words)

    def pointers(self, structs: list[Any], kind: int, names: bool = False) -> list[int]:
        kinds = self.array([kind] * len(structs), np.int32)
        addresses = self.array([x.ctypes.data for x in structs])
        middle = [0] if names else []
        return [len(structs), kinds.ctypes.data, *middle, addresses.ctypes.data]

    def _create(self, arguments: int) -> int:
        args = _words(arguments)
        text = ctypes.string_at(args[2]).decode()
        self.errors.append((text, args[3] & 0xFFFFFFFF))
        return 12345

    def _destroy(self, arguments: int) -> int:
        self.destroyed.append(_words(arguments)[2])
        return 0

    def _count(self, arguments: int) -> int:
        assert _words(arguments)[2] == 77
        _words(_words(arguments)[3])[0] = self.threads
        return 0

    def _future(self, arguments: int) -> int:
        _words(arguments)[2] = 999
        return 0

    def _schedule(self, arguments: int) -> int:
        if self.refuse:
            return 54321
        self.tasks.append((_words(arguments)[3], _words(arguments)[4]))
        return 0

    def _complete(self, arguments: int) -> int:
        self.completed.append(_words(arguments)[2])
        return 0

    def call(self) -> int:
        return int(_Function(h.handler_address())(self.frame.ctypes.data))


def _distributions(rows: int, columns: int, dtype: Any = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(rows)
    p, q = rng.dirichlet(np.ones(columns), (2, rows))
    return p.astype(dtype), q.astype(dtype)


def _expected(p: Any, q: Any) -> Any:
    return (p * np.log(p / q)).sum(-1)


@pytest.fixture(autouse=True)
def _loaded() -> None:
    h.load(0, np.float64)


def test_a_call_computes() -> None:
    p, q = _distributions(5, 40)
    xla = FakeXla(p, q)
    assert xla.call() == 0
    np.testing.assert_allclose(xla.out[0], _expected(p, q), rtol=1e-14)
    np.testing.assert_allclose(xla.out[1:], 1, rtol=1e-14)
    assert (xla.errors, xla.tasks, xla.completed) == ([], [], [])
    assert xla.frame[h._FRAME_FUTURE] == 0


def _set(name: str, place: int, value: int) -> Callable[[FakeXla], None]:
    def change(xla: FakeXla) -> None:
        target = getattr(xla, name)
        (target[0] if isinstance(target, list) else target)[place] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _set("frame", 0, 160),
        _set("frame", 0, 176),
        _set("frame", h._FRAME_STAGE, 0),
        _set("frame", h._ARGS + h._COUNT, 3),
        _set("frame", h._ARGS, 32),
        _set("frame", h._RETS + h._COUNT, 2),
        _set("frame", h._ATTRS + h._COUNT, 0),
        _set("attribute", 0, 8),
        _set("attribute", 0, -1),
        _set("attribute", 0, 3),  # gradients without results for them
        _set("scalar", 0, h._F64),
        _set("operands", h._BUFFER_DTYPE, h._S64),
        _set("operands", h._BUFFER_DTYPE, h._F32),  # not that of the others
        _set("operands", h._BUFFER_RANK, 1),
        _set("results", h._BUFFER_RANK, 3),
        _set("results", 0, 40),
        _set("api", 0, 8 * h._SET_AVAILABLE),
    ],
)
def test_an_unexpected_call_is_an_error(change: Callable[[FakeXla], None]) -> None:
    xla = FakeXla(*_distributions(5, 40))
    change(xla)
    assert xla.call() == 12345
    ((text, code),) = xla.errors
    assert text.startswith("unikl: ")
    assert code == h._INVALID
    assert (xla.out == -1).all()


def test_a_kernel_that_is_not_loaded_is_an_error() -> None:
    address, h._table[1] = h._table[1], 0
    xla = FakeXla(*_distributions(5, 40))
    assert xla.call() == 12345
    h._table[1] = address
    assert xla.call() == 0
    assert xla.errors == [("unikl: the kernel is not loaded in this process", h._NOT_FOUND)]


_VERSIONS = [((0, 1), (0, 1)), ((0, 3), (0, 3)), ((0, 9), (0, 3)), ((1, 0), (0, 3)), (None, (0, 1))]


@pytest.mark.parametrize(("runtime", "said"), _VERSIONS)
def test_the_version_is_the_runtimes_as_far_as_it_is_known(
    runtime: tuple[int, int] | None, said: tuple[int, int]
) -> None:
    xla = FakeXla(*_distributions(5, 40))
    if runtime is None:  # as jaxlib 0.8 asks
        xla.frame[h._FRAME_API] = 0
    else:
        xla.api[h._API_VERSION] = runtime[0] | runtime[1] << 32
    metadata = xla.array([h._METADATA_BYTES, *[-1] * 5])
    extension = xla.array([h._EXTENSION_BYTES, h._METADATA, 0, metadata.ctypes.data])
    xla.frame[h._FRAME_EXTENSION] = extension.ctypes.data
    assert xla.call() == 0
    assert metadata.tolist() == [h._METADATA_BYTES, 24, 0, said[0] | said[1] << 32, 0, -1]
    metadata[:] = [h._METADATA_BYTES - 8, 0, 0, 0, 0, 0]  # a question of another version
    assert xla.call() == 0
    assert metadata[3] == 0


# -- threads ---------------------------------------------------------------------------------------


def _large(**options: Any) -> tuple[FakeXla, Any]:
    p, q = _distributions(400, 1000)
    return FakeXla(p, q, **options), _expected(p, q)


@pytest.mark.parametrize("early", [0, 1, 3])
def test_helpers_early_and_late(early: int) -> None:
    """Some tasks run when they are handed out, the others after the call is over."""
    xla, expected = _large(threads=4)
    hand_out = xla._schedule

    def schedule(arguments: int) -> int:
        hand_out(arguments)
        if len(xla.tasks) <= early:
            task, data = xla.tasks[-1]
            _Function(task)(data)
        return 0

    xla.api[h._SCHEDULE] = xla.function(schedule)
    assert xla.call() == 0
    np.testing.assert_allclose(xla.out[0], expected, rtol=1e-14)
    assert len(xla.tasks) == 3
    assert xla.completed == [999]
    assert xla.frame[h._FRAME_FUTURE] == 999
    xla.out[:] = 5
    for task, data in xla.tasks[early:]:
        state = _words(data)
        assert state[LEFT] == 0
        assert state[USERS] > 0
        assert state[NEXT] >= 7
        assert state[FUTURE] == 999
        _Function(task)(data)
    assert (xla.out == 5).all()
    assert xla.completed == [999]


def test_without_helpers_one_thread_does_all() -> None:
    xla, expected = _large(threads=4)
    xla.refuse = True
    assert xla.call() == 0
    np.testing.assert_allclose(xla.out[0], expected, rtol=1e-14)
    assert xla.destroyed == [54321] * 3
    assert xla.completed == [999]


@pytest.mark.parametrize(("limit", "helpers"), [("1", 0), ("2", 1), ("99", 6)])
def test_the_number_of_threads(monkeypatch: pytest.MonkeyPatch, limit: str, helpers: int) -> None:
    monkeypatch.setenv("UNIKL_NUM_THREADS", limit)
    h.load(0, np.float64)
    xla, expected = _large(threads=64)  # and seven blocks
    assert xla.call() == 0
    np.testing.assert_allclose(xla.out[0], expected, rtol=1e-14)
    assert len(xla.tasks) == helpers
    assert xla.completed == [999] * (helpers > 0)
    for task, data in xla.tasks:
        _Function(task)(data)
    monkeypatch.delenv("UNIKL_NUM_THREADS")
    h.load(0, np.float64)
