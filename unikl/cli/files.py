"""Arrays from files: .npy, .npz, .csv and .safetensors, read in blocks."""

from __future__ import annotations

import re
import warnings
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unikl.cli.errors import CliError
from unikl.cli.stored import Index, Stored, is_single, open_npy, open_npz

_SPEC = re.compile(r"(?P<path>.*\.(?P<kind>npy|npz|csv|safetensors))(?::(?P<key>.*))?", re.I | re.S)
_UNREADABLE = (OSError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class Source:
    """One array of a file.

    Attributes
    ----------
    spec : str
        What the user wrote: ``file`` or ``file:key``.
    shape : tuple of int
    dtype : str
        Name of the dtype in the file.
    data : object
        Anything that numpy indexing reads: an array, a slice of a safetensors file, or an array
        that stays in its file.
    """

    spec: str
    shape: tuple[int, ...]
    dtype: str
    data: Any

    def read(self, index: Index | None, dtype: str | None) -> npt.NDArray[Any]:
        """Copy a part (all for None) to memory, as floats in the native byte order."""
        try:
            block = np.array(self.data[index or ...], order="C")  # rows in a piece
        except _UNREADABLE as error:
            raise CliError(f"cannot read {self.spec}: {error}") from error
        return block.astype(dtype or _float_dtype(block.dtype, self.spec), copy=False)


def open_source(spec: str) -> Source:
    """Find the array that `spec`, ``file`` or ``file:key``, names; large ones are not read yet."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise CliError(f"{spec}: unknown file type; want .npy, .npz, .csv or .safetensors")
    path, key = Path(match["path"]), match["key"]
    if not path.is_file():
        raise CliError(f"{path}: {'is a directory' if path.is_dir() else 'no such file'}")
    kind = match["kind"].lower()
    if kind in ("csv", "npy") and key is not None:
        raise CliError(f"{spec}: a .{kind} file holds one array and has no keys")
    try:
        if kind == "csv":
            source = _of_array(spec, _read_csv(path))
        elif kind == "safetensors":
            source = _open_safetensors(spec, path, key)
        elif kind == "npz":
            source = _open_npz(spec, path, key)
        else:
            source = _of_array(spec, open_npy(path))
    except _UNREADABLE as error:
        raise CliError(f"cannot read {path}: {error}") from error
    return source


def _of_array(spec: str, array: npt.NDArray[Any] | Stored) -> Source:
    _float_dtype(array.dtype, spec)
    return Source(spec, array.shape, array.dtype.name, array)


def _open_npz(spec: str, path: Path, key: str | None) -> Source:
    if is_single(path):
        raise ValueError("it is no archive but a single array; call it .npy")
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
    return _of_array(spec, open_npz(path, _choose(path, key, names)))


def _open_safetensors(spec: str, path: Path, key: str | None) -> Source:
    try:
        import ml_dtypes  # noqa: F401  (so that numpy knows bfloat16)
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise CliError(f"{path} needs unikl[cli]: pip install 'unikl[cli]' ({error})") from error
    try:
        file = safe_open(path, framework="numpy")
        data = file.get_slice(_choose(path, key, list(file.keys())))
    except SafetensorError as error:
        raise CliError(f"cannot read {path}: {error}") from error
    return Source(spec, tuple(data.get_shape()), data.get_dtype().lower(), data)


def _choose(path: Path, key: str | None, keys: Sequence[str]) -> str:
    """The key asked for, or the only one."""
    listing = ", ".join(keys) or "nothing"
    if key is None and len(keys) == 1:
        return keys[0]
    if key is None:
        raise CliError(f"{path} holds {len(keys)} arrays; choose one as {path}:KEY from {listing}")
    if key not in keys:
        raise CliError(f"{path} has no array {key!r}; it holds {listing}")
    return key


def _read_csv(path: Path) -> npt.NDArray[np.float64]:
    """Comma-separated numbers; one row or one column is a vector.

    The first line is a header if nothing in it is a number.
    """
    with path.open(encoding="utf-8-sig") as lines:
        header = not any(_is_number(cell) for cell in lines.readline().split(","))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about no data: that is an error below
        array = np.loadtxt(path, delimiter=",", skiprows=int(header), ndmin=1, encoding="utf-8-sig")
    if array.size == 0:
        raise ValueError("it holds no numbers")
    return array


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _float_dtype(dtype: np.dtype[Any], spec: str) -> np.dtype[Any]:
    """The floating dtype, in native byte order, that holds what a file of `dtype` holds."""
    if dtype.kind in "biu":
        return np.dtype(np.float64)
    if dtype.kind == "f" and dtype.itemsize <= 8:
        return dtype.newbyteorder("=")
    # numpy knows these only with ml_dtypes, and float32 holds them all.
    if dtype.name.startswith(("bfloat16", "float8")):
        return np.dtype(np.float32)
    raise CliError(f"{spec} holds {dtype.name}; want real numbers of at most 64 bits")
