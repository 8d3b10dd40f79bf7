"""How many vector and scalar operations the kernels' machine code holds, as JSON."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import numpy as np
from numba import njit

from unikl.kernels import cpu

_OPERATION = r"\bv(?:f[n]?m(?:add|sub)\d+|mul|add|sub|div)"


def count(kernel: Any, dtype: type, gradients: bool) -> dict[str, int]:
    """Packed and scalar arithmetic of one kernel, compiled here and now."""
    x: Any = np.full((2, 50), 0.02, dtype)
    grads = (np.empty_like(x), np.empty_like(x)) if gradients else (None, None)
    if "_logs" in kernel.py_func.__name__:
        grads = (None, grads[1])  # there is no gradient in the weights
    fresh = njit(nogil=True, error_model="numpy")(kernel.py_func)
    if kernel.py_func.__name__.endswith("_gradients"):
        fresh(x, x.copy(), np.ones((2, cpu.SAVED)), np.ones(2, dtype), *grads)
    else:
        fresh(x, x.copy(), np.empty(2, dtype), None, None, *grads, None)
    code = "".join(fresh.inspect_asm().values())
    suffix = "s" if dtype is np.float32 else "d"
    return {kind: len(re.findall(_OPERATION + kind + suffix, code)) for kind in ("p", "s")}


if __name__ == "__main__":
    result = {}
    for name in sys.argv[1:]:
        kernel, dtype, gradients = name.split("-")
        result[name] = count(getattr(cpu, kernel), getattr(np, dtype), gradients == "gradients")
    print(json.dumps(result))
