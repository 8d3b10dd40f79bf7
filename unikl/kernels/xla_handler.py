"""The row kernels as a handler of XLA's foreign-function interface, on the CPU.

XLA calls a handler with the ``XLA_FFI_CallFrame`` of its C interface (``xla/ffi/api/c_api.h``,
which comes with jaxlib): versioned structs of 8-byte words, each with its size in front.  The one
here is compiled by Numba; it takes no lock of Python's and raises nothing.  A call that is not as
expected becomes an error of XLA's, and a version that XLA does not speak is refused when the
handler is registered.

Large calls are shared with XLA's own threads, and no thread ever waits for another: the handler
hands out helpers and takes blocks of rows itself, and whoever does the last block completes the
future that XLA waits for.  A helper that comes late finds no block left.
"""

import threading
from typing import Any

import numpy as np
from llvmlite import binding as llvm
from numba import types

from . import threads
from .c_words import (
    Words,
    address_of,
    allocate,
    call_c,
    enum,
    enum_at,
    fetch_add,
    plain,
    stack_words,
    text_address,
    within,
    words_at,
    words_of_symbol,
)
from .xla_worker import (
    ARRAYS,
    BLOCK,
    COLUMNS,
    FUTURE,
    LEFT,
    NEXT,
    ROWS,
    SET_FUTURE,
    STATE_SIZE,
    USERS,
    compiled,
)
from .xla_worker import worker as worker_of

__all__ = ["TARGET", "handler_address", "load", "number_of"]

TARGET = "unikl_rows"

# The versions of the interface that the places below were compared with.
_MAJOR, _OLDEST, _NEWEST = 0, 1, 3

# Places in the structs of c_api.h, in words.
_SIZE, _FRAME_EXTENSION, _FRAME_API, _FRAME_CONTEXT, _FRAME_STAGE = range(5)
_ARGS, _RETS, _ATTRS, _FRAME_FUTURE = 5, 10, 15, 21  # the first three are structs
_COUNT, _TYPES, _POINTERS, _ATTR_POINTERS = 2, 3, 4, 5
_BUFFER_DTYPE, _BUFFER_DATA, _BUFFER_RANK, _BUFFER_DIMS = range(2, 6)
_API_VERSION, _ERROR_CREATE, _ERROR_DESTROY = 4, 6, 8
_SCHEDULE, _NUM_THREADS, _FUTURE_CREATE, _SET_AVAILABLE = range(17, 21)
# Sizes of structs, in bytes; what is called a size there ends with the last field that counts.
_FRAME_BYTES, _ARGS_BYTES, _ATTRS_BYTES, _BUFFER_BYTES = 168, 40, 48, 48
_METADATA_BYTES, _EXTENSION_BYTES, _VERSION_BYTES = 36, 32, 24
# Members of enums: an extension, a stage, attribute and data types, codes of errors.
_METADATA, _EXECUTE, _BUFFER, _SCALAR, _S64, _F32, _F64 = 1, 3, 1, 3, 5, 11, 12
_INVALID, _NOT_FOUND, _EXHAUSTED = 3, 5, 8

_PARALLEL = 150_000  # elements, from which on threads pay
_BLOCK_SIZE = 65_536  # elements


# Addresses of the workers by number, then the most threads to use.
_table = np.zeros(17, np.int64)
_LIMIT, _SYMBOL = 16, "unikl_xla_handler_table"
llvm.add_symbol(_SYMBOL, _table.ctypes.data)


# -- the handler -----------------------------------------------------------------------------------


@plain
def _error(api, text, code):  # type: ignore[no-untyped-def]
    arguments = stack_words(4)
    arguments[0], arguments[1], arguments[2], arguments[3] = 28, 0, text, code
    return call_c(api[_ERROR_CREATE], address_of(arguments))


@plain
def _failed(api, error):  # type: ignore[no-untyped-def]
    """Whether there is an error; it is dropped, because one thread can do it all."""
    if error == 0:
        return False
    arguments = stack_words(3)
    arguments[0], arguments[1], arguments[2] = 24, 0, error
    call_c(api[_ERROR_DESTROY], address_of(arguments))
    return True


@plain
def _describe(extension, api):  # type: ignore[no-untyped-def]
    """Tell XLA which version of its interface this is, as near as is known to its own.

    XLA decides, and refuses one that it does not know: also 0.0, where this says nothing because
    the question is of another version.  The oldest XLA asks without its API.
    """
    metadata = words_at(words_at(extension)[3])
    if words_at(extension)[_SIZE] < _EXTENSION_BYTES or metadata[_SIZE] < _METADATA_BYTES:
        return 0
    version = _MAJOR | (_OLDEST << 32)
    if api != 0:
        runtime, newest = words_at(api)[_API_VERSION], _MAJOR | (_NEWEST << 32)
        version = runtime if enum(runtime) == _MAJOR and runtime < newest else newest
    metadata[1], metadata[2], metadata[3] = _VERSION_BYTES, 0, version
    metadata[4] = 0  # traits
    return 0


@plain
def _is_matrix(struct, k, dtype, rows, columns):  # type: ignore[no-untyped-def]
    """Is operand or result k a matrix of this dtype and shape?"""
    if enum_at(struct[_TYPES], k) != _BUFFER:
        return False
    buffer = words_at(words_at(struct[_POINTERS])[k])
    if buffer[_SIZE] < _BUFFER_BYTES or enum(buffer[_BUFFER_DTYPE]) != dtype:
        return False
    dims = words_at(buffer[_BUFFER_DIMS])
    return buffer[_BUFFER_RANK] == 2 and dims[0] == rows and dims[1] == columns


@plain
def _kernel_attribute(frame):  # type: ignore[no-untyped-def]
    """The one attribute; -1 if it is not that of `unikl.kernels.ffi`."""
    attrs = within(frame, _ATTRS)
    if attrs[_SIZE] < _ATTRS_BYTES or attrs[_COUNT] != 1:
        return -1
    scalar = words_at(words_at(attrs[_ATTR_POINTERS])[0])
    if enum_at(attrs[_TYPES], 0) != _SCALAR or enum(scalar[0]) != _S64:
        return -1
    kernel = words_at(scalar[1])[0]
    return kernel if 0 <= kernel < 8 else -1


@plain
def _number(frame):  # type: ignore[no-untyped-def]
    """The worker that the call is for; -1 if the call is not as `unikl.kernels.ffi` makes it."""
    args, rets, kernel = within(frame, _ARGS), within(frame, _RETS), _kernel_attribute(frame)
    if enum(frame[_FRAME_STAGE]) != _EXECUTE or kernel < 0 or args[_COUNT] != 2:
        return -1
    if args[_SIZE] < _ARGS_BYTES or rets[_SIZE] < _ARGS_BYTES:
        return -1
    p = words_at(words_at(args[_POINTERS])[0])
    dtype = enum(p[_BUFFER_DTYPE])
    if (dtype != _F32 and dtype != _F64) or p[_BUFFER_RANK] != 2:
        return -1
    rows, columns = words_at(p[_BUFFER_DIMS])[0], words_at(p[_BUFFER_DIMS])[1]
    gradients = (kernel & 1) + (kernel >> 1 & 1)
    good = rets[_COUNT] == 1 + gradients
    good = good and _is_matrix(args, 0, dtype, rows, columns)
    good = good and _is_matrix(args, 1, dtype, rows, columns)
    good = good and _is_matrix(rets, 0, dtype, 3, rows)
    for k in range(gradients):
        good = good and _is_matrix(rets, 1 + k, dtype, rows, columns)
    return 2 * kernel + (dtype == _F64) if good else -1


@plain
def _data(struct, k):  # type: ignore[no-untyped-def]
    return words_at(words_at(struct[_POINTERS])[k])[_BUFFER_DATA]


@plain
def _fill(state, frame, number):  # type: ignore[no-untyped-def]
    """The state for one thread; how many blocks there are."""
    args, rets = within(frame, _ARGS), within(frame, _RETS)
    dims = words_at(words_at(words_at(args[_POINTERS])[0])[_BUFFER_DIMS])
    state[ROWS], state[COLUMNS] = dims[0], dims[1]
    state[BLOCK] = max(1, _BLOCK_SIZE // max(1, dims[1]))
    blocks = (dims[0] + state[BLOCK] - 1) // state[BLOCK]
    state[NEXT], state[LEFT], state[USERS] = 0, blocks, 1
    state[FUTURE], state[SET_FUTURE] = 0, 0
    state[ARRAYS], state[ARRAYS + 1] = _data(args, 0), _data(args, 1)
    state[ARRAYS + 2], last = _data(rets, 0), rets[_COUNT] - 1
    if number & 4:
        state[ARRAYS + 3] = _data(rets, 1)
    if number & 2:
        state[ARRAYS + 4] = _data(rets, last)
    return blocks


@plain
def _helpers(frame, api, blocks):  # type: ignore[no-untyped-def]
    """How many of XLA's threads can help."""
    arguments = stack_words(5)
    arguments[0], arguments[1], arguments[2] = 32, 0, frame[_FRAME_CONTEXT]
    arguments[3], arguments[4] = address_of(arguments) + 32, 0
    if _failed(api, call_c(api[_NUM_THREADS], address_of(arguments))):
        return 0
    return min(arguments[4], words_of_symbol(_SYMBOL)[_LIMIT], blocks) - 1


@plain
def _share(state, frame, api, worker, helpers):  # type: ignore[no-untyped-def]
    """Hand out helpers to XLA's threads, with a future for the last of all blocks."""
    future = stack_words(3)
    future[0], future[1], future[2] = 16, 0, 0
    if _failed(api, call_c(api[_FUTURE_CREATE], address_of(future))):
        return
    frame[_FRAME_FUTURE] = state[FUTURE] = future[2]
    state[SET_FUTURE] = api[_SET_AVAILABLE]
    task = stack_words(5)
    task[0], task[1], task[2], task[3] = 40, 0, frame[_FRAME_CONTEXT], worker
    task[4] = address_of(state)
    fetch_add(state, USERS, helpers)
    for _ in range(helpers):
        if _failed(api, call_c(api[_SCHEDULE], address_of(task))):
            fetch_add(state, USERS, -1)


def _handle(frame):  # type: ignore[no-untyped-def]
    """The XLA_FFI_Handler."""
    extension = frame[_FRAME_EXTENSION]
    if (
        frame[_SIZE] == _FRAME_BYTES
        and extension != 0
        and enum(words_at(extension)[1]) == _METADATA
    ):
        return _describe(extension, frame[_FRAME_API])
    api = words_at(frame[_FRAME_API])
    if frame[_SIZE] != _FRAME_BYTES or api[_SIZE] < 8 * (_SET_AVAILABLE + 1):
        return _error(api, text_address("unikl: a call frame of another version"), _INVALID)
    number = _number(frame)
    if number < 0:
        return _error(api, text_address("unikl: unexpected operands or results"), _INVALID)
    worker = words_of_symbol(_SYMBOL)[number]
    if worker == 0:
        text = text_address("unikl: the kernel is not loaded in this process")
        return _error(api, text, _NOT_FOUND)
    memory = allocate(8 * STATE_SIZE)
    if memory == 0:
        return _error(api, text_address("unikl: out of memory"), _EXHAUSTED)
    state = words_at(memory)
    blocks = _fill(state, frame, number)
    if blocks > 1 and state[ROWS] * state[COLUMNS] >= _PARALLEL:
        helpers = _helpers(frame, api, blocks)
        if helpers > 0:
            _share(state, frame, api, worker, helpers)
    call_c(worker, memory)
    return 0


# -- for Python ------------------------------------------------------------------------------------

_lock = threading.Lock()
_kept: dict[int, Any] = {}  # XLA may call this code as long as the process lives
_HANDLER = -1


def handler_address() -> int:
    """The address of the handler, compiled or taken from disk at the first time."""
    with _lock:
        if _HANDLER not in _kept:
            _kept[_HANDLER] = compiled(types.int64(Words), _handle)
        return int(_kept[_HANDLER].address)


def number_of(linear: bool, wanted: tuple[bool, bool]) -> int:
    """The attribute ``kernel`` of a call: weights or logarithms, and the wanted gradients."""
    return 4 * (not linear) + 2 * wanted[0] + wanted[1]


def load(kernel: int, dtype: Any) -> None:
    """Make a kernel ready, once, and take the limit of threads from the environment."""
    number = 2 * kernel + (np.dtype(dtype) == np.float64)
    with _lock:
        _table[_LIMIT] = threads.available(np.iinfo(np.int32).max)
        if number not in _kept:
            _kept[number] = worker_of(number)
            _table[number] = _kept[number].address
