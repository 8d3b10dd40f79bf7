"""The two autoencoders in Keras, on its TensorFlow backend.

KERAS_BACKEND=torch and jax work too, but there some of Keras' own operations round float64 to
float32, and the losses agree to 8 digits only.
"""

from typing import Any

import keras
from autoencoder_data import (
    LATENT,
    LEARNING_RATE,
    MOMENTUM,
    SPARSITY_TARGET,
    SPARSITY_WEIGHT,
    Dense,
    Setting,
    main,
)
from keras import layers, ops

from unikl.losses import kl_standard_normal
from unikl.losses.keras import KLSparsity

PIXELS = 64


class Sample(layers.Layer):  # type: ignore[misc]
    """A draw of the latent by the given noise; its KL term is a loss of this layer."""

    def call(self, mean: Any, log_std: Any, noise: Any) -> Any:
        self.add_loss(ops.mean(kl_standard_normal(mean, log_std=log_std)))
        return mean + ops.exp(log_std) * noise


def train(model: Any, loss: Any, weights: dict[str, Dense], batches: Any) -> list[float]:
    """One step for each batch; the loss of every step."""
    for name, layer in weights.items():
        model.get_layer(name).set_weights(layer)
    # Keras' losses are means over pixels; these are sums.
    optimizer = keras.optimizers.SGD(LEARNING_RATE, momentum=MOMENTUM)
    model.compile(optimizer, loss=loss, loss_weights=[PIXELS], jit_compile=False)
    curve = []
    for inputs, images in batches:
        model.reset_metrics()
        curve.append(model.train_on_batch(inputs, images))
    return curve


def train_vae(setting: Setting) -> list[float]:
    images, noise = keras.Input((PIXELS,)), keras.Input((LATENT,))
    hidden = layers.Dense(24, "tanh", name="hidden")(images)
    mean = layers.Dense(LATENT, name="mean")(hidden)
    log_std = layers.Dense(LATENT, name="log_std")(hidden)
    latent = Sample()(mean, log_std, noise)
    decoded = layers.Dense(24, "tanh", name="decode")(latent)
    model = keras.Model([images, noise], layers.Dense(PIXELS, name="logits")(decoded))
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    batches = [([setting.images, each], setting.images) for each in setting.noise]
    return train(model, loss, setting.vae, batches)


def train_sparse(setting: Setting) -> list[float]:
    sparsity = KLSparsity(SPARSITY_TARGET, weight=SPARSITY_WEIGHT)
    model = keras.Sequential(
        [
            keras.Input((PIXELS,)),
            layers.Dense(32, "sigmoid", activity_regularizer=sparsity, name="hidden"),
            layers.Dense(PIXELS, name="image"),
        ]
    )
    batches = [(setting.images, setting.images) for _ in setting.noise]
    return train(model, keras.losses.MeanSquaredError(), setting.sparse, batches)


if __name__ == "__main__":
    keras.config.set_floatx("float64")
    main(train_vae, train_sparse)
