"""How the kernels are compiled, and LLVM instructions that Python has no word for.

What keeps a loop vectorised (a missed inline costs a factor of six, silently, so a test reads
the machine code):

* no libm: series, and integer operations on the bits for powers of two;
* no branches: `where` is LLVM's select;
* ``forceinline`` on every formula, and ``error_model="numpy"``, or divisions are checked;
* ``contract`` alone (fused multiply-add) inside formulas; ``reassoc`` only where a loop adds its
  terms up, because it would delete differences like ``x - (x - y)``.
"""

import zlib
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

_PLAIN: Any = {"nogil": True, "error_model": "numpy"}
# For formulas; for loops that add up; for what calls the loops.
formula: Any = njit(forceinline=True, fastmath={"contract"}, **_PLAIN)
loop: Any = njit(fastmath={"contract", "reassoc", "nsz"}, **_PLAIN)
inner: Any = njit(**_PLAIN)


def checksum() -> str:
    """Of the sources beside this one.

    Numba knows compiled code on disk by the name of a function and the date of its own file;
    what that function calls is part of the code, so all sources go into the name.
    """
    files = sorted(Path(__file__).parent.glob("*.py"))
    return f"{zlib.crc32(b''.join([file.read_bytes() for file in files])):08x}"


_CHECKSUM = checksum()


def kernel(function: Any) -> Any:
    """Compiled once for each dtype, and kept on disk where there is a place for it."""
    function.__qualname__ = f"{function.__name__}_{_CHECKSUM}"
    try:
        return njit(cache=True, **_PLAIN)(function)
    except RuntimeError:  # no writable directory: compiled again in each process
        return njit(**_PLAIN)(function)


_MANTISSA = {types.float32: 23, types.float64: 52}


def _integer(context: Any, kind: Any) -> Any:
    return ir.IntType(kind.bitwidth)


@intrinsic
def where(typingctx: Any, condition: Any, x: Any, y: Any) -> Any:
    """X if the condition holds, else y: both are computed, nothing branches."""
    return x(condition, x, x), lambda context, builder, sig, args: builder.select(*args)


@intrinsic
def polynomial(typingctx: Any, coefficients: Any, x: Any) -> Any:
    """c[0] + c[1] x + ..., by Horner, unrolled."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        (c, x), flags = args, ("contract",)
        total = builder.extract_value(c, len(sig.args[0]) - 1)
        for k in reversed(range(len(sig.args[0]) - 1)):
            product = builder.fmul(total, x, flags=flags)
            total = builder.fadd(product, builder.extract_value(c, k), flags=flags)
        return total

    return x(coefficients, x), codegen


@intrinsic
def nearest_power(typingctx: Any, z: Any, p: Any) -> Any:
    """(k, z / 2^k) with z / 2^k within a factor 1.5 of p, for positive normal numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, mantissa = sig.args[0], _MANTISSA[sig.args[0]]
        integer = _integer(context, kind)
        z, p = (builder.bitcast(x, integer) for x in args)
        shift = ir.Constant(integer, mantissa)
        rounding = ir.Constant(integer, 1 << (mantissa - 1))
        k = builder.ashr(builder.add(builder.sub(z, p), rounding), shift)
        scaled = builder.bitcast(builder.sub(z, builder.shl(k, shift)), args[0].type)
        return context.make_tuple(
            builder, sig.return_type, (builder.sitofp(k, args[0].type), scaled)
        )

    return types.UniTuple(z, 2)(z, z), codegen


@intrinsic
def power_of_two(typingctx: Any, n: Any) -> Any:
    """2^n for a whole number n in the range of normal numbers."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind, mantissa = sig.args[0], _MANTISSA[sig.args[0]]
        integer = _integer(context, kind)
        bias = ir.Constant(integer, (1 << (kind.bitwidth - mantissa - 2)) - 1)
        whole = builder.add(builder.fptosi(args[0], integer), bias)
        return builder.bitcast(builder.shl(whole, ir.Constant(integer, mantissa)), args[0].type)

    return n(n), codegen


@intrinsic
def head(typingctx: Any, x: Any) -> Any:
    """X without the lower half of its digits, so that products of heads are exact."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        integer, cut = _integer(context, sig.args[0]), _MANTISSA[sig.args[0]] // 2 + 1
        bits = builder.and_(builder.bitcast(args[0], integer), ir.Constant(integer, -(1 << cut)))
        return builder.bitcast(bits, args[0].type)

    return x(x), codegen


@intrinsic
def ordered_bits(typingctx: Any, x: Any) -> Any:
    """An integer that grows with x: LLVM vectorises the maximum of integers, not of floats."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = builder.bitcast(args[0], _integer(context, sig.args[0]))
        return _flip(builder, bits)

    return (types.int32 if x == types.float32 else types.int64)(x), codegen


@intrinsic
def from_ordered_bits(typingctx: Any, bits: Any) -> Any:
    """The number whose `ordered_bits` these are."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kind = context.get_value_type(sig.return_type)
        return builder.bitcast(_flip(builder, args[0]), kind)

    return (types.float32 if bits == types.int32 else types.float64)(bits), codegen


def _flip(builder: Any, bits: Any) -> Any:
    """All bits but the sign, if the sign is set; its own inverse."""
    width = bits.type.width
    sign = builder.ashr(bits, ir.Constant(bits.type, width - 1))
    mask = builder.and_(sign, ir.Constant(bits.type, (1 << (width - 1)) - 1))
    return builder.xor(bits, mask)
