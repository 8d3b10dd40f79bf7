"""Memory and functions of C in Numba: words at an address, an atomic addition, a call.

What XLA's and Python's C interfaces need, and no more.  A word is an integer of 8 bytes.
"""

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "Words",
    "address_of",
    "allocate",
    "call_c",
    "enum",
    "enum_at",
    "fetch_add",
    "free",
    "memory_at",
    "plain",
    "stack_words",
    "text_address",
    "within",
    "words_at",
    "words_of_symbol",
]

Words = types.CPointer(types.int64)
plain: Any = njit(nogil=True, error_model="numpy")


def _cast(result: Any, argument: Any, instruction: str) -> Any:
    """A function that gives an address another type."""

    @intrinsic
    def function(typingctx: Any, x: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            return getattr(builder, instruction)(args[0], context.get_value_type(result))

        return result(argument), codegen

    return function


words_at = _cast(Words, types.int64, "inttoptr")
memory_at = _cast(types.voidptr, types.int64, "inttoptr")
_enums_at = _cast(types.CPointer(types.int32), types.int64, "inttoptr")
address_of = _cast(types.int64, Words, "ptrtoint")


@plain
def within(words, place):  # type: ignore[no-untyped-def]
    """The words from a place on."""
    return words_at(address_of(words) + 8 * place)


@plain
def enum_at(address, k):  # type: ignore[no-untyped-def]
    """Member k of an array of enums."""
    return _enums_at(address)[k]


@plain
def enum(word):  # type: ignore[no-untyped-def]
    """The four bytes of an enum in a word, without the padding behind them."""
    return word & 0xFFFFFFFF


@intrinsic
def call_c(typingctx: Any, function: Any, argument: Any) -> Any:
    """What the C function at an address returns for one pointer."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(word, [word]).as_pointer()
        return builder.call(builder.inttoptr(args[0], kind), [args[1]])

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def fetch_add(typingctx: Any, words: Any, place: Any, n: Any) -> Any:
    """Add to a word, atomically; what it was before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = builder.gep(args[0], [args[1]])
        return builder.atomic_rmw("add", word, args[2], "seq_cst")

    return types.int64(Words, types.int64, types.int64), codegen


def _python_memory(name: str, result: Any) -> Any:
    """One of the two functions for memory of Python's C interface that need no GIL."""

    @intrinsic
    def function(typingctx: Any, argument: Any) -> Any:
        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            void = result == types.void
            kind = ir.FunctionType(ir.VoidType() if void else ir.IntType(64), [ir.IntType(64)])
            value = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)
            return context.get_dummy_value() if void else value

        return result(types.int64), codegen

    return function


allocate = _python_memory("PyMem_RawMalloc", types.int64)
free = _python_memory("PyMem_RawFree", types.void)


@intrinsic(prefer_literal=True)
def stack_words(typingctx: Any, n: Any) -> Any:
    """Room for n (literal) words, until the function returns that this is called in."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return cgutils.alloca_once(builder, ir.IntType(64), n.literal_value)

    return Words(n), codegen


@intrinsic(prefer_literal=True)
def text_address(typingctx: Any, text: Any) -> Any:
    """The address of a literal text, with a zero at its end."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        constant = context.insert_const_string(builder.module, text.literal_value)
        return builder.ptrtoint(constant, ir.IntType(64))

    return types.int64(text), codegen


@intrinsic(prefer_literal=True)
def words_of_symbol(typingctx: Any, name: Any) -> Any:
    """The words that `llvmlite.binding.add_symbol` gave a name to.

    Code that holds an address itself cannot be kept on disk.
    """

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return cgutils.add_global_variable(builder.module, ir.IntType(64), name.literal_value)

    return Words(name), codegen
