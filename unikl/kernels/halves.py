"""float16 and bfloat16: their bits decoded to float32, and encoded again."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .llvm import loop


@intrinsic
def _decode_bfloat16(typingctx: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(32)
        wide = builder.shl(builder.zext(args[0], word), ir.Constant(word, 16))
        return builder.bitcast(wide, ir.FloatType())

    return types.float32(bits), codegen


@intrinsic
def _encode_bfloat16(typingctx: Any, x: Any) -> Any:
    """Rounded to nearest, ties to even (no NaN comes here)."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.bitcast(args[0], word)
        odd = builder.and_(builder.lshr(bits, ir.Constant(word, 16)), ir.Constant(word, 1))
        rounded = builder.add(builder.add(bits, ir.Constant(word, 0x7FFF)), odd)
        return builder.trunc(builder.lshr(rounded, ir.Constant(word, 16)), ir.IntType(16))

    return types.uint16(x), codegen


@intrinsic
def _decode_float16(typingctx: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(bits), codegen


@intrinsic
def _encode_float16(typingctx: Any, x: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.bitcast(builder.fptrunc(args[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(x), codegen


@loop
def decode(bits, brain, x):  # type: ignore[no-untyped-def]
    """x = the numbers with these bits, of bfloat16 (brain) or float16."""
    if brain:
        for i in range(x.shape[0]):
            x[i] = _decode_bfloat16(bits[i])
    else:
        for i in range(x.shape[0]):
            x[i] = _decode_float16(bits[i])


@loop
def encode(x, brain, bits):  # type: ignore[no-untyped-def]
    """The bits of x."""
    if brain:
        for i in range(x.shape[0]):
            bits[i] = _encode_bfloat16(x[i])
    else:
        for i in range(x.shape[0]):
            bits[i] = _encode_float16(x[i])
