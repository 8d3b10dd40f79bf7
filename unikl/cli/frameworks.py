"""The frameworks that the command line can compute with, each imported when it is asked for."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unikl.cli.errors import CliError


@dataclass(frozen=True)
class Framework:
    """A framework as the commands need it.

    Attributes
    ----------
    name : str
        Of the module, and of the extra of unikl that installs it.
    asarray : callable
        From a NumPy array to the framework's own.
    device : callable
        The device that `asarray` puts arrays on, and others that are there.
    float64 : callable
        A context in which the framework keeps float64.
    """

    name: str
    asarray: Callable[[npt.NDArray[Any]], Any]
    device: Callable[[], str]
    float64: Callable[[], AbstractContextManager[object]] = contextlib.nullcontext

    @property
    def installed(self) -> bool:
        """Whether Python finds the framework, without importing it."""
        return importlib.util.find_spec(self.name) is not None

    @property
    def install(self) -> str:
        """The command that installs the framework."""
        return f"pip install 'unikl[{self.name}]'"

    def load(self) -> Any:
        """Import the framework."""
        if not self.installed:
            raise CliError(f"{self.name} is not installed: {self.install}")
        try:
            with _without_startup_notes():
                # torch.compile needs triton, which aborts the process if TensorFlow came first.
                if self.name == "tensorflow" and importlib.util.find_spec("triton"):
                    importlib.import_module("triton")
                module = importlib.import_module(self.name)
                self.device()  # TensorFlow speaks of a missing GPU when it first looks for one
                return module
        except ImportError as error:
            raise CliError(f"{self.name} is installed but cannot be imported: {error}") from error


@contextlib.contextmanager
def _without_startup_notes() -> Iterator[None]:
    """Drop what a library writes to the process's stderr; exceptions pass.

    TensorFlow 2.19 and later print half a page of notes on import, whatever the log level.
    """
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    sys.stderr.flush()
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _torch_array(array: npt.NDArray[Any]) -> Any:
    import torch

    return torch.from_numpy(array)


def _torch_device() -> str:
    import torch

    return f"cpu, cuda x {torch.cuda.device_count()}" if torch.cuda.is_available() else "cpu"


def _tensorflow_array(array: npt.NDArray[Any]) -> Any:
    import tensorflow as tf

    return tf.convert_to_tensor(array)


def _tensorflow_device() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return f"gpu x {len(gpus)}, cpu" if gpus else "cpu"


def _jax_array(array: npt.NDArray[Any]) -> Any:
    import jax

    return jax.numpy.asarray(array)


def _jax_device() -> str:
    import jax

    backend: str = jax.default_backend()
    return backend if backend == "cpu" else f"{backend} x {jax.device_count()}, cpu"


def _jax_float64() -> AbstractContextManager[object]:
    import jax

    enable: AbstractContextManager[object] = jax.enable_x64(True)
    return enable


FRAMEWORKS = {
    framework.name: framework
    for framework in (
        Framework("numpy", np.asarray, lambda: "cpu"),
        Framework("torch", _torch_array, _torch_device),
        Framework("tensorflow", _tensorflow_array, _tensorflow_device),
        Framework("jax", _jax_array, _jax_device, _jax_float64),
    )
}


def choose(names: Sequence[str]) -> list[Framework]:
    """The frameworks of the names, once each; ``all`` stands for every installed one."""
    chosen: dict[str, Framework] = {}
    for name in names:
        if name == "all":
            chosen |= {key: each for key, each in FRAMEWORKS.items() if each.installed}
        else:
            chosen[name] = FRAMEWORKS[name]
    return list(chosen.values())
