"""The libraries' own divergences, each called as its documentation says.

All that `unikl.compat` has, from the library itself, and `unikl.kl_divergence` beside them.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

import unikl

__all__ = ["FUNCTIONS", "LIBRARIES", "Arrays", "Function", "Library"]


@dataclass(frozen=True)
class Library:
    """An array library, with the functions that turn one form into another.

    Attributes
    ----------
    asarray, softmax, log_softmax, log : callable
        Of the library; over the last axis.
    device : str
        Where `asarray` puts its arrays.
    float64 : callable
        A context in which float64 stays float64.
    """

    asarray: Callable[[Any], Any]
    softmax: Callable[[Any], Any]
    log_softmax: Callable[[Any], Any]
    log: Callable[[Any], Any]
    device: str = "cpu"
    float64: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True)
class Arrays:
    """A pair of distributions, (1, n), in whatever form a function wants it.

    From logits the library's own softmax makes probabilities and log-probabilities, as in a
    model; from probabilities its logarithm makes the others.
    """

    library: Library
    given: str
    first: Any
    second: Any

    @property
    def p(self) -> Any:
        return self._probs(self.first)

    @property
    def q(self) -> Any:
        return self._probs(self.second)

    @property
    def log_p(self) -> Any:
        return self._log_probs(self.first)

    @property
    def log_q(self) -> Any:
        return self._log_probs(self.second)

    @property
    def logits_p(self) -> Any:
        return self.first if self.given == "logits" else self.library.log(self.first)

    @property
    def logits_q(self) -> Any:
        return self.second if self.given == "logits" else self.library.log(self.second)

    def _probs(self, x: Any) -> Any:
        return self.library.softmax(x) if self.given == "logits" else x

    def _log_probs(self, x: Any) -> Any:
        return self.library.log_softmax(x) if self.given == "logits" else self.library.log(x)


@dataclass(frozen=True)
class Function:
    """One function of one library.

    Attributes
    ----------
    name : str
        As its documentation has it, with the options that matter.
    package : str
        The module to import.
    distribution : str
        What is installed to have it.
    library : str
        Whose arrays it takes: a key of `LIBRARIES`.
    call : callable
        Of the imported module and the arrays, to one number.
    quantity : str
        What it computes: a key of `truth.TRUTHS`.
    """

    name: str
    package: str
    distribution: str
    library: str
    call: Callable[[Any, Arrays], Any]
    quantity: str = "KL"

    @property
    def installed(self) -> bool:
        """Whether the library can be found here."""
        return find_spec(self.package.partition(".")[0]) is not None

    def load(self) -> Any:
        """The module, and first what it must not come before."""
        if find_spec("triton") is not None:  # aborts the process if TensorFlow came first
            importlib.import_module("triton")
        return importlib.import_module(self.package)


def _numpy() -> Library:
    from scipy import special

    return Library(
        asarray=np.asarray,
        softmax=lambda x: special.softmax(x, axis=-1),
        log_softmax=lambda x: special.log_softmax(x, axis=-1),
        log=np.log,
    )


def _torch() -> Library:
    import torch

    return Library(
        asarray=torch.as_tensor,
        softmax=lambda x: torch.softmax(x, -1),
        log_softmax=lambda x: torch.log_softmax(x, -1),
        log=torch.log,
    )


def _jax() -> Library:
    import jax

    return Library(
        asarray=jax.numpy.asarray,
        softmax=jax.nn.softmax,
        log_softmax=jax.nn.log_softmax,
        log=jax.numpy.log,
        device=jax.default_backend(),
        float64=lambda: jax.enable_x64(True),
    )


def _tensorflow() -> Library:
    import tensorflow as tf

    gpu = tf.config.list_logical_devices("GPU")
    return Library(
        asarray=tf.convert_to_tensor,
        softmax=tf.nn.softmax,
        log_softmax=tf.nn.log_softmax,
        log=tf.math.log,
        device="gpu" if gpu else "cpu",
    )


LIBRARIES: Mapping[str, Callable[[], Library]] = {
    "numpy": _numpy,
    "torch": _torch,
    "jax": _jax,
    "tensorflow": _tensorflow,
}


def _categorical(tf: Any, x: Arrays) -> Any:
    distributions = tf.compat.v1.distributions
    p, q = (distributions.Categorical(probs=probs) for probs in (x.p, x.q))
    return distributions.kl_divergence(p, q)


def _with_logits(tf: Any, x: Arrays) -> Any:
    cross_entropy, p = tf.nn.softmax_cross_entropy_with_logits, tf.nn.softmax(x.logits_p)
    return tf.reduce_sum(cross_entropy(p, x.logits_q) - cross_entropy(p, x.logits_p))


def _unikl(module: Any, x: Arrays) -> Any:
    return unikl.kl_divergence(x.first, x.second, given=x.given, validate=False)  # type: ignore[arg-type]


_TORCH = ("torch.nn.functional", "torch", "torch")
_SPECIAL = ("scipy.special", "scipy", "numpy")
_JAX = ("jax.scipy.special", "jax", "jax")
_OPTAX = ("optax.losses", "optax", "jax")
_METRICS = ("torchmetrics.functional", "torchmetrics", "torch")
_TENSORFLOW = ("tensorflow", "tensorflow", "tensorflow")

FUNCTIONS = (
    Function("unikl.kl_divergence", "unikl", "unikl", "numpy", _unikl),
    Function(
        'torch.nn.functional.kl_div(reduction="sum")',
        *_TORCH,
        lambda f, x: f.kl_div(x.log_q, x.p, reduction="sum"),
    ),
    Function(
        'torch.nn.functional.kl_div(reduction="sum", log_target=True)',
        *_TORCH,
        lambda f, x: f.kl_div(x.log_q, x.log_p, reduction="sum", log_target=True),
    ),
    Function(
        "keras.losses.kl_divergence",
        *("keras.losses", "keras", "numpy"),
        lambda losses, x: losses.kl_divergence(x.p, x.q),
    ),
    Function("scipy.special.rel_entr, summed", *_SPECIAL, lambda f, x: f.rel_entr(x.p, x.q).sum()),
    Function("scipy.special.kl_div, summed", *_SPECIAL, lambda f, x: f.kl_div(x.p, x.q).sum()),
    Function(
        "scipy.stats.entropy(axis=-1)",
        *("scipy.stats", "scipy", "numpy"),
        lambda f, x: f.entropy(x.p, x.q, axis=-1),
    ),
    Function(
        "scipy.spatial.distance.jensenshannon(axis=-1)",
        *("scipy.spatial.distance", "scipy", "numpy"),
        lambda f, x: f.jensenshannon(x.p, x.q, axis=-1),
        "Jensen-Shannon distance",
    ),
    Function("jax.scipy.special.rel_entr, summed", *_JAX, lambda f, x: f.rel_entr(x.p, x.q).sum()),
    Function("jax.scipy.special.kl_div, summed", *_JAX, lambda f, x: f.kl_div(x.p, x.q).sum()),
    Function("optax.losses.kl_divergence", *_OPTAX, lambda f, x: f.kl_divergence(x.log_q, x.p)),
    Function(
        "optax.losses.kl_divergence_with_log_targets",
        *_OPTAX,
        lambda f, x: f.kl_divergence_with_log_targets(x.log_q, x.log_p),
    ),
    Function(
        "optax.losses.generalized_kl_divergence",
        *_OPTAX,
        lambda f, x: f.generalized_kl_divergence(x.log_q, x.p),
    ),
    Function(
        "torchmetrics.functional.kl_divergence",
        *_METRICS,
        lambda f, x: f.kl_divergence(x.p, x.q),
    ),
    Function(
        "torchmetrics.functional.kl_divergence(log_prob=True)",
        *_METRICS,
        lambda f, x: f.kl_divergence(x.log_p, x.log_q, log_prob=True),
    ),
    Function(
        "ot.backend.NumpyBackend().kl_div",
        *("ot.backend", "POT", "numpy"),
        lambda backend, x: backend.NumpyBackend().kl_div(x.p, x.q),
    ),
    Function(
        "tf.nn.softmax_cross_entropy_with_logits",
        *_TENSORFLOW,
        lambda tf, x: tf.nn.softmax_cross_entropy_with_logits(x.p, x.logits_q),
        "cross-entropy",
    ),
    Function("tf.compat.v1.distributions.kl_divergence (Categorical)", *_TENSORFLOW, _categorical),
    Function(
        "tf.nn.softmax_cross_entropy_with_logits, the difference of two",
        *_TENSORFLOW,
        _with_logits,
    ),
    Function(
        "tf.reduce_sum(p * tf.math.log(p / q))",
        *_TENSORFLOW,
        lambda tf, x: tf.reduce_sum(x.p * tf.math.log(x.p / x.q)),
    ),
)
