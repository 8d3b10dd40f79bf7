"""Arrays that stay in their .npy or .npz file: parts of them are read when they are asked for."""

from __future__ import annotations

import math
import os
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from unikl.cli.errors import CliError

__all__ = ["Index", "Stored", "is_single", "open_npy", "open_npz"]

Index = tuple[int | slice, ...]  # of the first axes; a slice is the last one

_MAGIC = b"\x93NUMPY"
_WHOLE = 1 << 30  # bytes: above, what cannot be read in parts is an error
_SKIPPED = 1 << 20  # bytes at a time


class Stored:
    """An array in row-major order in a file, or in a member of an archive.

    Parts are read, not mapped: pages of a memory map stay in memory, and a member may be
    compressed.  A member is read from its beginning on, which costs nothing where parts are asked
    for in order, and its checksum is compared at the end.
    """

    def __init__(self, path: Path, member: str | None) -> None:
        self.path, self.member = path, member
        with self._open() as file:
            self.shape, self.fortran, self.dtype = _read_header(file)
            self._start = file.tell()
        self._stream: IO[bytes] | None = None  # of a member, where the last part ended
        if member is None and self._start + self._size > os.path.getsize(path):
            raise ValueError("it ends too early")

    @property
    def _size(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        """The part that an `Index` names, or all for ``...``."""
        if index is ...:
            index = ()
        shape, first = list(self.shape), 0
        for axis, one in enumerate(index):
            inner = math.prod(self.shape[axis + 1 :])
            start, stop, _ = one.indices(shape[axis]) if isinstance(one, slice) else (one, 0, 0)
            first += start * inner
            shape[axis] = stop - start if isinstance(one, slice) else -1
        shape = [n for n in shape if n >= 0]
        data = bytearray(math.prod(shape) * self.dtype.itemsize)
        self._read(self._start + first * self.dtype.itemsize, data)
        return np.ndarray(shape, self.dtype, data)

    def _read(self, first: int, data: bytearray) -> None:
        """Fill `data` with what is `first` bytes from the beginning."""
        if self.member is None:
            with self._open() as file:
                file.seek(first)
                _fill(file, memoryview(data))
            return
        if self._stream is None or self._stream.tell() > first:
            self._stream = self._open()
        while ahead := first - self._stream.tell():  # a seek would leave out the checksum
            _fill(self._stream, memoryview(bytearray(min(ahead, _SKIPPED))))
        _fill(self._stream, memoryview(data))
        if first + len(data) == self._start + self._size:
            self._stream.read(1)  # the end, where the checksum is compared

    def _open(self) -> IO[bytes]:
        if self.member is None:
            return open(self.path, "rb")
        with zipfile.ZipFile(self.path) as archive:
            return archive.open(self.member)  # which keeps the archive open


def _fill(file: IO[bytes], view: memoryview) -> None:
    while view:
        read = file.readinto(view)  # type: ignore[attr-defined]
        if not read:
            raise EOFError("it ends too early")
        view = view[read:]


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise ValueError(f"its format version is {version}, which only arrays of records need")
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which unikl does not load")
    return tuple(shape), bool(fortran), dtype


def is_single(path: Path) -> bool:
    """Is this a .npy file, whatever its name?"""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def open_npy(path: Path) -> Stored | npt.NDArray[Any]:
    """The array of a .npy file."""
    array = Stored(path, None)
    return np.load(path, mmap_mode="r", allow_pickle=False) if array.fortran else array


def open_npz(path: Path, key: str) -> Stored | npt.NDArray[Any]:
    """An array of a .npz archive, compressed or not."""
    with zipfile.ZipFile(path) as archive:
        member = f"{key}.npy" if f"{key}.npy" in archive.namelist() else key
    array = Stored(path, member)
    if not array.fortran:
        return array
    size = math.prod(array.shape) * array.dtype.itemsize
    if size > _WHOLE:
        raise CliError(
            f"{path}:{key} has {size / 2**30:.1f} GiB in Fortran order, which an archive cannot be "
            "read by rows in: write it with numpy.ascontiguousarray, or as a .npy file"
        )
    with np.load(path, allow_pickle=False) as arrays:
        whole: npt.NDArray[Any] = arrays[key]
    return whole
