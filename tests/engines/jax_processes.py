"""Two processes that hold one sharded array: ``python jax_processes.py PORT live`` or ``die``."""

import os
import signal
import sys
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import unikl

SHAPE = (64, 16384)  # large enough for blocks of rows on one device


def main(port: int, mode: str) -> None:
    """Compute in all shardings, or die before that in rank 1."""
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    patience: Any = {"heartbeat_timeout_seconds": 5} if mode == "die" else {}
    jax.distributed.initialize(f"127.0.0.1:{port}", world, rank, **patience)
    assert jax.device_count() == world * jax.local_device_count()
    mesh = jax.make_mesh((jax.device_count(),), ("x",))
    if mode == "die" and rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)

    rng = np.random.default_rng(0)
    a = rng.normal(size=SHAPE)
    logits = a, a + 0.1 * rng.normal(size=SHAPE)
    probs = [np.exp(x) / np.exp(x).sum(-1, keepdims=True) for x in logits]
    for given, arrays in (("logits", logits), ("probs", probs)):
        for spec in (("x", None), (None, "x")):
            p, q = (x.astype(np.float32) for x in arrays)
            print(given, spec, _check(mesh, spec, p, q, given))


def _check(mesh: Any, spec: Any, p: Any, q: Any, given: Any) -> str:
    """Value and gradient of the mean, each process looking at what it holds."""
    sharding = NamedSharding(mesh, PartitionSpec(*spec))
    on = [jax.make_array_from_callback(SHAPE, sharding, x.__getitem__) for x in (p, q)]

    def loss(p: Any, q: Any) -> Any:
        kl = unikl.kl_divergence(p, q, given=given)
        return kl.mean(), kl

    (mean, kl), gradients = jax.jit(jax.value_and_grad(loss, (0, 1), has_aux=True))(*on)
    w, z = (x.astype(np.longdouble) for x in (p, q))
    if given == "logits":
        w, z = np.exp(w), np.exp(z)
    mass_p, mass_q = w.sum(-1, keepdims=True), z.sum(-1, keepdims=True)
    w, z = w / mass_p, z / mass_q
    log = np.log(w / z)
    expected = (w * log).sum(-1)
    linear = given == "probs"
    exact = [
        (log - expected[:, None]) * (1 / mass_p if linear else w),
        (1 - w / z) / mass_q if linear else z - w,
    ]
    wrong = _error(kl, expected) + sum(
        _error(d, e / SHAPE[0]) for d, e in zip(gradients, exact, strict=True)
    )
    assert wrong < 24, wrong
    assert abs(float(mean) / float(expected.mean()) - 1) < 1e-6
    return "ok"


def _error(found: Any, expected: Any) -> float:
    """In eps, norm-wise, of the largest of the shards here."""
    errors = []
    for shard in found.addressable_shards:
        e = expected[shard.index]
        errors.append(np.linalg.norm(np.asarray(shard.data, np.float64) - e) / np.linalg.norm(e))
    return float(max(errors)) * 2.0**23


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
