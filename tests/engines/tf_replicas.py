"""Four replicas on logical CPUs: the mean divergence and its gradient, by (sum, count)."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from unikl import kl_divergence


def main(folder: Path) -> None:
    """Compute from the rows of `folder`/inputs.npz, of which each replica has another number."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 4)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{k}" for k in range(4)])
    assert strategy.num_replicas_in_sync == 4
    inputs = np.load(folder / "inputs.npz")
    parts = [0, 5, 6, 14, 20]  # unequal, so that a mean of means is wrong

    def of_replica(name: str) -> Any:
        def pick(context: Any) -> Any:
            k = context.replica_id_in_sync_group
            return tf.constant(inputs[name][parts[k] : parts[k + 1]])

        return strategy.experimental_distribute_values_from_function(pick)

    with strategy.scope():
        weights = tf.Variable(inputs["weights"])

    def step(x: Any, teacher: Any) -> tuple[Any, Any, Any]:
        with tf.GradientTape() as tape:
            student = tf.linalg.matmul(x, weights)
            kl = kl_divergence(teacher, student, given=("probs", "logits"))
            total = tf.reduce_sum(kl)
        gradient = tape.gradient(total, weights)
        context = tf.distribute.get_replica_context()
        count = tf.cast(tf.size(kl), total.dtype)
        return tuple(context.all_reduce("sum", [total, count, gradient]))

    for name, run in (("eager", strategy.run), ("graph", tf.function(strategy.run))):
        results = run(step, args=(of_replica("x"), of_replica("teacher")))
        replicas = [strategy.experimental_local_results(each) for each in results]
        for k, (total, count, gradient) in enumerate(zip(*replicas, strict=True)):
            np.savez(folder / f"{name}-{k}.npz", total=total, count=count, gradient=gradient)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
