"""TensorFlow and Keras: eager, in a tf.function, and compiled by XLA."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from typing import Any

# Whatever imports triton after TensorFlow aborts the process; first is fine.
with contextlib.suppress(ImportError):
    import triton  # noqa: F401
import tensorflow as tf

import unikl
from benchmarks.peers import Call, Candidate, installed
from benchmarks.workloads import Form, Task
from unikl.losses import kl_standard_normal

PACKAGES = ("unikl", "tensorflow", "keras", "numba")
DTYPES = ("float32", "float64")
MODES = ("eager", "tf.function", "XLA")


def candidates() -> list[Candidate]:
    ours = Candidate(
        "unikl",
        "unikl",
        "eager",
        {
            "probs": lambda p, q: tf.reduce_mean(unikl.kl_divergence(p, q)),
            "logits": lambda a, b: tf.reduce_mean(unikl.kl_divergence(a, b, given="logits")),
            "vae": lambda m, s: tf.reduce_mean(kl_standard_normal(m, log_std=s)),
        },
        computes="normalised",
        curves=True,
    )
    by_hand = Candidate(
        "p log(p / q)", "by hand", "eager", {"probs": _probs, "logits": _logits, "vae": _vae}
    )
    read = Candidate(
        "sum of both arrays",
        "ceiling",
        "eager",
        dict.fromkeys(("probs", "logits", "vae"), lambda p, q: tf.reduce_sum(p) + tf.reduce_sum(q)),
        tasks=("forward",),
        computes="nothing",
    )
    everyone = [ours, *([_keras()] if installed("keras") else []), by_hand]
    return [*(_in_mode(mode, each) for mode in MODES for each in everyone), read]


def _in_mode(mode: str, candidate: Candidate) -> Candidate:
    curves = candidate.curves and mode != "tf.function"
    return dataclasses.replace(candidate, mode=mode, curves=curves)


def _keras() -> Candidate:
    from keras.losses import kl_divergence

    return Candidate(
        "keras kl_divergence",
        "library",
        "eager",
        {
            "probs": lambda p, q: tf.reduce_mean(kl_divergence(p, q)),
            "logits": lambda a, b: tf.reduce_mean(
                kl_divergence(tf.nn.softmax(a), tf.nn.softmax(b))
            ),
        },
        curves=True,
    )


def _probs(p: Any, q: Any) -> Any:
    return tf.reduce_mean(tf.reduce_sum(p * tf.math.log(p / q), -1))


def _logits(a: Any, b: Any) -> Any:
    log_p, log_q = tf.nn.log_softmax(a), tf.nn.log_softmax(b)
    return tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), -1))


def _vae(mean: Any, log_std: Any) -> Any:
    terms = 1 + 2 * log_std - mean * mean - tf.exp(2 * log_std)
    return -0.5 * tf.reduce_mean(tf.reduce_sum(terms, -1))


def start(dtype: str, /) -> None:
    pass


def array(x: Any, dtype: str, /) -> Any:
    return tf.convert_to_tensor(x)


def bind(candidate: Candidate, form: Form, task: Task, p: Any, q: Any, /) -> Call:
    loss = candidate.losses[form]

    def run(p: Any, q: Any) -> tuple[Any, ...]:
        if task == "forward":
            return (loss(p, q),)
        wanted = (p, q) if task == "both" else (q,)
        with tf.GradientTape() as tape:
            for each in wanted:
                tape.watch(each)
            value = loss(p, q)
        return (value, *tape.gradient(value, wanted))

    if candidate.mode != "eager":
        run = tf.function(run, jit_compile=candidate.mode == "XLA")
    return lambda: run(p, q)


def to_numpy(x: Any, /) -> Any:
    return x.numpy().astype("float64")


def threads() -> str:
    chosen = tf.config.threading.get_intra_op_parallelism_threads()
    return f"TensorFlow {chosen or os.cpu_count()}"
