"""Compiles the CUDA kernels for an H100 or H200, which needs no GPU; prints what each one takes.

A script for a process of its own, started by test_cuda_interpreter.py.  The interpreter runs the
Python that Triton would compile; that it compiles is another matter.
"""

from __future__ import annotations

import json
from typing import Any

from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from unikl.kernels.triton_logits import logits_parts, logits_rows
from unikl.kernels.triton_probs import probs_parts, probs_rows, scale_rows

_BLOCK = {"TILES": 2, "LANES": 2048}
_WANT = {"WANT_P": True, "WANT_Q": True}
_POINTERS = {"upstream": "*fp32", "out": "*fp32", "state": "*fp32", "sums": "*fp32", "keep": "*u8"}
_ARRAYS = ("p", "q", "grad_p", "grad_q", "grad")

KERNELS: tuple[tuple[str, Any, dict[str, Any]], ...] = (
    ("value", logits_rows, {"MASKED": False, "EXACT": False, "WANT_P": False, "WANT_Q": False}),
    ("gradients", logits_rows, {"MASKED": True, "EXACT": True, **_WANT}),
    ("sweep of a part", logits_parts, {"MASKED": False, "PHASE": "sweep", "WRITE": True}),
    ("probs", probs_rows, {"MASKED": True, **_WANT}),
    ("sweep of a part of probs", probs_parts, {"MASKED": False, "WRITE": False, **_WANT}),
)


def compiled(kernel: Any, constants: dict[str, Any]) -> Any:
    """As for contiguous bfloat16 arrays."""
    signature: dict[str, Any] = {}
    fixed: dict[tuple[int, ...], Any] = {}
    aligned: list[tuple[int, ...]] = []
    for i, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name], fixed[i,] = "constexpr", constants[name]
        elif name == "steps":
            signature[name] = ("i32", "i32", "constexpr") * 3
            fixed |= {(i, k): 1 for k in (2, 5, 8)}
            aligned += [(i, k) for k in (0, 1, 3, 4, 6, 7)]
        else:
            scalar = "fp32" if name == "scale" else "i32"
            signature[name] = "*bf16" if name in _ARRAYS else _POINTERS.get(name, scalar)
            if signature[name].startswith("*") or name in ("n", "length"):
                aligned.append((i,))
    source = ASTSource(kernel, signature, fixed, {at: [["tt.divisibility", 16]] for at in aligned})
    options = {"num_warps": 8, "maxnreg": 128}
    return compile(source, target=GPUTarget("cuda", 90, 32), options=options)


if __name__ == "__main__":
    for name, kernel, constants in KERNELS:
        ptx = compiled(kernel, {**constants, **_BLOCK}).asm["ptx"]
        print(json.dumps({"kernel": name, "wide loads": "ld.global.v4.b32" in ptx}), flush=True)
    compiled(scale_rows, {"LANES": 1024})
