"""Eight simulated devices: what each sharded program gives, and the HLO it became.

``python jax_devices.py FOLDER`` writes value, gradients and HLO of each case of `CASES`.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

SHAPE = (256, 2048)  # large enough for blocks of rows on one device
BATCH, VOCABULARY, BOTH = (("dp", "tp"), None), (None, ("dp", "tp")), ("dp", "tp")


@dataclass(frozen=True)
class Case:
    """A program: the mean divergence and its gradients, of arrays in this sharding."""

    form: str  # of p, and of q
    spec: tuple[Any, ...]
    dtype: str = "float32"
    types: str = "Explicit"  # of the mesh's axes
    where: bool = False

    @property
    def name(self) -> str:
        """Of its files."""
        where = {BATCH: "batch", VOCABULARY: "vocabulary", BOTH: "both"}[self.spec]
        mask = "-where" if self.where else ""
        return f"{self.form}-{where}-{self.dtype}-{self.types}{mask}"


CASES = [
    *[Case(form, spec) for form in ("logits", "probs") for spec in (BATCH, VOCABULARY, BOTH)],
    *[Case(form, BOTH, "float64", "Auto") for form in ("logits", "probs")],
    *[Case(form, VOCABULARY) for form in ("counts", "log_probs", "probs,logits")],
    Case("logits", VOCABULARY, where=True),
]


def inputs(case: Case) -> tuple[Any, ...]:
    """p, q, the mask or None, and an upstream gradient."""
    rng = np.random.default_rng(7)
    a = rng.normal(size=SHAPE)
    b = a + 0.1 * rng.normal(size=SHAPE)
    a[:, ::50], b[:, ::75] = -np.inf, -np.inf
    b[3, 1::50] = np.where(np.isinf(a[3, 1::50]), 0, b[3, 1::50])
    b[~np.isinf(a) & np.isinf(b)] = -5.0  # finite divergences, with empty categories in p alone
    given = case.form.split(",")
    arrays = [_as(form, x) for form, x in zip((given[0], given[-1]), (a, b), strict=True)]
    mask = rng.random(SHAPE) < 0.9 if case.where else None
    p, q = (x.astype(case.dtype) for x in arrays)
    return p, q, mask, rng.normal(size=SHAPE[:1]).astype(case.dtype)


def _as(form: str, x: Any) -> Any:
    if form == "logits":
        return x
    weights = np.exp(x) * (3 if form == "counts" else 1)
    if form != "counts":
        weights /= weights.sum(-1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(weights) if form == "log_probs" else weights


def given(case: Case) -> Any:
    """The argument of that name."""
    return tuple(case.form.split(",")) if "," in case.form else case.form


def main(folder: Path) -> None:
    """Run all cases."""
    import jax
    from jax.sharding import AxisType, NamedSharding, PartitionSpec

    import unikl

    jax.config.update("jax_enable_x64", True)
    assert jax.device_count() == 8

    for case in CASES:
        mesh = jax.make_mesh((2, 4), ("dp", "tp"), axis_types=(AxisType[case.types],) * 2)
        sharding = NamedSharding(mesh, PartitionSpec(*case.spec))
        rows = NamedSharding(mesh, PartitionSpec(case.spec[0]))
        p, q, mask, g = inputs(case)
        on = (jax.device_put(p, sharding), jax.device_put(q, sharding))
        more = {} if mask is None else {"where": jax.device_put(mask, sharding)}
        options: Any = {"given": given(case), **more}

        def loss(p: Any, q: Any, g: Any, options: Any = options) -> Any:
            kl = unikl.kl_divergence(p, q, **options)
            return (kl * g).sum(), kl

        value = jax.jit(lambda p, q, options=options: unikl.kl_divergence(p, q, **options))
        both = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        programs = [value.lower(*on).compile(), both.lower(*on, jax.device_put(g, rows)).compile()]
        kl = programs[0](*on)
        (_, again), gradients = programs[1](*on, jax.device_put(g, rows))
        for result, expected in ((kl, rows), (again, rows), *((d, sharding) for d in gradients)):
            assert result.sharding.is_equivalent_to(expected, result.ndim), (case, result.sharding)
        np.savez(folder / f"{case.name}.npz", kl=kl, again=again, dp=gradients[0], dq=gradients[1])
        for kind, program in zip(("value", "gradient"), programs, strict=True):
            (folder / f"{case.name}-{kind}.hlo").write_text(str(program.as_text()))
        memory: Any = programs[1].memory_analysis()
        print(case.name, memory.temp_size_in_bytes / (on[0].nbytes / 8))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
