"""Eight simulated devices: programs that do move the vocabulary, arguments that do not fit.

``python jax_control.py FOLDER`` writes their HLO, and prints what JAX says of the others.
"""

import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import unikl


def main(folder: Path) -> None:
    """Run all of them."""
    logits = jnp.arange(64.0 * 512).reshape(64, 512) % 7
    auto = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Auto,))
    rows, columns = (NamedSharding(auto, PartitionSpec(*s)) for s in (("x",), (None, "x")))

    def gathered(p: Any, q: Any) -> Any:
        whole = NamedSharding(auto, PartitionSpec())
        return unikl.kl_divergence(jax.lax.with_sharding_constraint(p, whole), q, given="logits")

    def plain(p: Any, q: Any) -> Any:
        return unikl.kl_divergence(p, q, given="logits")

    p, q = jax.device_put(logits, columns), jax.device_put(2 * logits, columns)
    across = jax.device_put(2 * logits, rows)
    expected = jax.jit(plain)(p, q)
    for name, function, other in (("gathered", gathered, q), ("mismatched", plain, across)):
        program = jax.jit(function).lower(p, other).compile()
        (folder / f"{name}.hlo").write_text(str(program.as_text()))
        assert jnp.allclose(program(p, other), expected, rtol=1e-6), name

    mesh = jax.make_mesh((8,), ("x",), axis_types=(AxisType.Explicit,))
    rows, columns = (NamedSharding(mesh, PartitionSpec(*s)) for s in (("x",), (None, "x")))
    p, across = jax.device_put(logits, columns), jax.device_put(2 * logits, rows)
    for name, call in (("eager", plain), ("jit", jax.jit(plain))):
        try:
            print(f"{name} {call(p, across)}")
        except Exception as error:  # JAX has no public name for it
            print(f"{name} {type(error).__name__}: {str(error).partition(chr(10))[0]}")
    whole = jax.device_put(2 * logits, NamedSharding(mesh, PartitionSpec(None, None)))
    for name, q in (("resharded", jax.reshard(across, columns)), ("replicated", whole)):
        found = jax.jit(plain)(p, q)
        print(f"{name}: {'right' if np.allclose(found, expected, rtol=1e-6) else found}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
