"""What one thread of an XLA call does: blocks of rows, by a kernel of `unikl.kernels.cpu`.

The threads of a call share a state of some words.  Each takes the next block until none is left;
whoever does the last block completes the future that XLA waits for, if there is one, and whoever
leaves last frees the state.  No thread waits for another.
"""

from types import FunctionType
from typing import Any

import numpy as np
from numba import carray, cfunc, types

from . import cpu, llvm
from .c_words import Words, address_of, call_c, fetch_add, free, memory_at, plain, stack_words

__all__ = [
    "ARRAYS",
    "BLOCK",
    "COLUMNS",
    "FUTURE",
    "LEFT",
    "NEXT",
    "ROWS",
    "SET_FUTURE",
    "STATE_SIZE",
    "USERS",
    "compiled",
    "worker",
]

# Places in the state: counters, then what they count, then the addresses of p, q, the three
# numbers of each row, and the gradients.
NEXT, LEFT, USERS, FUTURE, SET_FUTURE, BLOCK, ROWS, COLUMNS, ARRAYS = range(9)
STATE_SIZE = ARRAYS + 5


@plain
def _matrix(state, place, dtype):  # type: ignore[no-untyped-def]
    return carray(memory_at(state[ARRAYS + place]), (state[ROWS], state[COLUMNS]), dtype)


@plain
def _gradient(state, place, first, last, dtype):  # type: ignore[no-untyped-def]
    return _matrix(state, place, dtype)[first:last]


@plain
def _nothing(state, place, first, last, dtype):  # type: ignore[no-untyped-def]
    return None


@plain
def _complete(set_available, future):  # type: ignore[no-untyped-def]
    arguments = stack_words(3)
    arguments[0], arguments[1], arguments[2] = 24, 0, future
    call_c(set_available, address_of(arguments))


_kernel: Any = None  # these four are filled in by `worker`
_take_p: Any = None
_take_q: Any = None
_dtype: Any = None


def _work(state):  # type: ignore[no-untyped-def]
    """The XLA_FFI_Task."""
    p, q = _matrix(state, 0, _dtype), _matrix(state, 1, _dtype)
    kl, mass_p, mass_q = carray(memory_at(state[ARRAYS + 2]), (3, state[ROWS]), _dtype)
    while True:
        a = fetch_add(state, NEXT, 1) * state[BLOCK]
        if a >= state[ROWS]:
            break
        b = min(a + state[BLOCK], state[ROWS])
        dp, dq = _take_p(state, 3, a, b, _dtype), _take_q(state, 4, a, b, _dtype)
        _kernel(p[a:b], q[a:b], kl[a:b], mass_p[a:b], mass_q[a:b], dp, dq, None)
        if fetch_add(state, LEFT, -1) == 1 and state[FUTURE] != 0:
            _complete(state[SET_FUTURE], state[FUTURE])
    if fetch_add(state, USERS, -1) == 1:
        free(address_of(state))


def worker(number: int) -> Any:
    """The C function for a kernel, dtype and choice of gradients: 8, 1, and 4 and 2."""
    names = {
        "_kernel": cpu.logs if number & 8 else cpu.weights,
        "_take_p": _gradient if number & 4 else _nothing,
        "_take_q": _gradient if number & 2 else _nothing,
        "_dtype": np.float64 if number & 1 else np.float32,
    }
    work = FunctionType(_work.__code__, {**globals(), **names})
    work.__module__, work.__qualname__ = __name__, f"_work_{number}_{llvm.checksum()}"
    return compiled(types.void(Words), work)


def compiled(signature: Any, function: Any) -> Any:
    """A C function, kept on disk where there is a place for it."""
    try:
        return cfunc(signature, nopython=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # no writable directory: compiled again in each process
        return cfunc(signature, nopython=True, error_model="numpy")(function)
