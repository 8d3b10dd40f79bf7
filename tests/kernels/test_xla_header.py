"""The handler's view of XLA's C interface beside the header that comes with jaxlib."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest.importorskip("numba")
jax = pytest.importorskip("jax")

from unikl.kernels import xla_handler as h  # noqa: E402

_SIZES = {"size_t": 8, "int64_t": 8, "int": 4, "int32_t": 4, "uint32_t": 4}


def _header() -> str:
    path = Path(jax.ffi.include_dir(), "xla", "ffi", "api", "c_api.h")
    return re.sub(r"//[^\n]*", "", path.read_text())


def _layout(header: str, name: str) -> tuple[dict[str, int], int]:
    """Offset of each field of a struct, and the size up to the field that is named the last."""
    body = re.search(rf"struct {name} {{(.*?)\n}}", header, re.DOTALL)
    assert body, name
    offsets: dict[str, int] = {}
    sizes: dict[str, int] = {}
    end = 0
    for declaration in body[1].split(";"):
        words = re.findall(r"\w+|\*", declaration)
        if not words:
            continue
        function = re.match(r"\s*_XLA_FFI_API_STRUCT_FIELD\((\w+)\)", declaration)
        field = function[1] if function else words[-1]
        size = 8 if function or "*" in words else _size(header, words[-2])
        step = min(size, 8)
        offsets[field] = -(-end // step) * step
        sizes[field] = size
        end = offsets[field] + size
    last = re.search(rf"XLA_FFI_DEFINE_STRUCT_TRAITS\({name}, (\w+)\)", header)
    return offsets, offsets[last[1]] + sizes[last[1]] if last else end


def _size(header: str, kind: str) -> int:
    if not re.search(rf"struct {kind} {{", header):
        return _SIZES.get(kind, 4)  # a number, or an enum
    return -(-_layout(header, kind)[1] // 8) * 8


def _disagreements(header: str) -> list[str]:
    """Where the handler's constants are not those of the header."""
    words = {
        ("XLA_FFI_CallFrame", "extension_start"): h._FRAME_EXTENSION,
        ("XLA_FFI_CallFrame", "api"): h._FRAME_API,
        ("XLA_FFI_CallFrame", "ctx"): h._FRAME_CONTEXT,
        ("XLA_FFI_CallFrame", "stage"): h._FRAME_STAGE,
        ("XLA_FFI_CallFrame", "args"): h._ARGS,
        ("XLA_FFI_CallFrame", "rets"): h._RETS,
        ("XLA_FFI_CallFrame", "attrs"): h._ATTRS,
        ("XLA_FFI_CallFrame", "future"): h._FRAME_FUTURE,
        ("XLA_FFI_Args", "size"): h._COUNT,
        ("XLA_FFI_Args", "types"): h._TYPES,
        ("XLA_FFI_Args", "args"): h._POINTERS,
        ("XLA_FFI_Rets", "size"): h._COUNT,
        ("XLA_FFI_Rets", "types"): h._TYPES,
        ("XLA_FFI_Rets", "rets"): h._POINTERS,
        ("XLA_FFI_Attrs", "size"): h._COUNT,
        ("XLA_FFI_Attrs", "types"): h._TYPES,
        ("XLA_FFI_Attrs", "attrs"): h._ATTR_POINTERS,
        ("XLA_FFI_Scalar", "value"): 1,
        ("XLA_FFI_Buffer", "dtype"): h._BUFFER_DTYPE,
        ("XLA_FFI_Buffer", "data"): h._BUFFER_DATA,
        ("XLA_FFI_Buffer", "rank"): h._BUFFER_RANK,
        ("XLA_FFI_Buffer", "dims"): h._BUFFER_DIMS,
        ("XLA_FFI_Extension_Base", "type"): 1,
        ("XLA_FFI_Metadata_Extension", "metadata"): 3,
        ("XLA_FFI_Metadata", "api_version"): 1,
        ("XLA_FFI_Metadata", "traits"): 4,
        ("XLA_FFI_Api_Version", "major_version"): 2,
        ("XLA_FFI_Api", "XLA_FFI_Error_Create"): h._ERROR_CREATE,
        ("XLA_FFI_Api", "XLA_FFI_Error_Destroy"): h._ERROR_DESTROY,
        ("XLA_FFI_Api", "XLA_FFI_ThreadPool_Schedule"): h._SCHEDULE,
        ("XLA_FFI_Api", "XLA_FFI_ThreadPool_NumThreads"): h._NUM_THREADS,
        ("XLA_FFI_Api", "XLA_FFI_Future_Create"): h._FUTURE_CREATE,
        ("XLA_FFI_Api", "XLA_FFI_Future_SetAvailable"): h._SET_AVAILABLE,
        ("XLA_FFI_Error_Create_Args", "message"): 2,
        ("XLA_FFI_Error_Create_Args", "errc"): 3,
        ("XLA_FFI_Error_Destroy_Args", "error"): 2,
        ("XLA_FFI_Future_Create_Args", "future"): 2,
        ("XLA_FFI_Future_SetAvailable_Args", "future"): 2,
        ("XLA_FFI_ThreadPool_Schedule_Args", "ctx"): 2,
        ("XLA_FFI_ThreadPool_Schedule_Args", "task"): 3,
        ("XLA_FFI_ThreadPool_Schedule_Args", "data"): 4,
        ("XLA_FFI_ThreadPool_NumThreads_Args", "ctx"): 2,
        ("XLA_FFI_ThreadPool_NumThreads_Args", "num_threads"): 3,
    }
    sizes = {
        "XLA_FFI_CallFrame": h._FRAME_BYTES,
        "XLA_FFI_Args": h._ARGS_BYTES,
        "XLA_FFI_Rets": h._ARGS_BYTES,
        "XLA_FFI_Attrs": h._ATTRS_BYTES,
        "XLA_FFI_Buffer": h._BUFFER_BYTES,
        "XLA_FFI_Metadata": h._METADATA_BYTES,
        "XLA_FFI_Metadata_Extension": h._EXTENSION_BYTES,
        "XLA_FFI_Api_Version": h._VERSION_BYTES,
        "XLA_FFI_Error_Create_Args": 28,
        "XLA_FFI_Error_Destroy_Args": 24,
        "XLA_FFI_Future_Create_Args": 16,
        "XLA_FFI_Future_SetAvailable_Args": 24,
        "XLA_FFI_ThreadPool_Schedule_Args": 40,
        "XLA_FFI_ThreadPool_NumThreads_Args": 32,
    }
    enums = {
        "XLA_FFI_Extension_Metadata": h._METADATA,
        "XLA_FFI_ExecutionStage_EXECUTE": h._EXECUTE,
        "XLA_FFI_ArgType_BUFFER": h._BUFFER,
        "XLA_FFI_RetType_BUFFER": h._BUFFER,
        "XLA_FFI_AttrType_SCALAR": h._SCALAR,
        "XLA_FFI_DataType_S64": h._S64,
        "XLA_FFI_DataType_F32": h._F32,
        "XLA_FFI_DataType_F64": h._F64,
        "XLA_FFI_Error_Code_INVALID_ARGUMENT": h._INVALID,
        "XLA_FFI_Error_Code_NOT_FOUND": h._NOT_FOUND,
        "XLA_FFI_Error_Code_RESOURCE_EXHAUSTED": h._EXHAUSTED,
    }
    wrong = [f"{s}.{f}" for (s, f), k in words.items() if _layout(header, s)[0].get(f) != 8 * k]
    wrong += [name for name, size in sizes.items() if _layout(header, name)[1] != size]
    return wrong + [n for n, k in enums.items() if not re.search(rf"\b{n} = {k}\b", header)]


def test_the_places_are_those_of_the_header() -> None:
    header = _header()
    assert _disagreements(header) == []
    assert re.search(r"XLA_FFI_API_MAJOR (\d+)", header)[1] == str(h._MAJOR)  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("  int64_t rank;\n", "", "XLA_FFI_Buffer.dims"),
        ("(XLA_FFI_Error_Destroy);\n", "(XLA_FFI_Other);\n", "XLA_FFI_Api.XLA_FFI_Error_Destroy"),
        ("XLA_FFI_DataType_F64 = 12", "XLA_FFI_DataType_F64 = 13", "XLA_FFI_DataType_F64"),
        ("  XLA_FFI_ExecutionStage stage;\n", "", "XLA_FFI_CallFrame.args"),
    ],
)
def test_a_changed_header_is_noticed(old: str, new: str, found: str) -> None:
    header = _header()
    assert old in header
    assert found in _disagreements(header.replace(old, new))
