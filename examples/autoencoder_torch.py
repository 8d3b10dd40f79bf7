"""The two autoencoders in PyTorch."""

import torch
import torch.nn.functional as F
from autoencoder_data import (
    LEARNING_RATE,
    MOMENTUM,
    SPARSITY_TARGET,
    SPARSITY_WEIGHT,
    Dense,
    Setting,
    main,
)
from torch import Tensor, nn

from unikl.losses import kl_sparsity, kl_standard_normal


def layers(weights: dict[str, Dense]) -> nn.ModuleDict:
    """Linear layers with the given weights."""
    made = nn.ModuleDict()
    for name, (kernel, bias) in weights.items():
        made[name] = nn.utils.skip_init(nn.Linear, *kernel.shape, dtype=torch.float64)
        made[name].load_state_dict(
            {"weight": torch.from_numpy(kernel.T), "bias": torch.from_numpy(bias)}
        )
    return made


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)


def step(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def train_vae(setting: Setting) -> list[float]:
    model = layers(setting.vae)
    optimizer = sgd(model)
    images = torch.from_numpy(setting.images)

    def loss(noise: Tensor) -> Tensor:
        hidden = torch.tanh(model["hidden"](images))
        mean, log_std = model["mean"](hidden), model["log_std"](hidden)
        latent = mean + torch.exp(log_std) * noise
        logits = model["logits"](torch.tanh(model["decode"](latent)))
        error = F.binary_cross_entropy_with_logits(logits, images, reduction="none").sum(-1)
        kl: Tensor = kl_standard_normal(mean, log_std=log_std)
        return (error + kl).mean()

    return [step(optimizer, loss(noise)) for noise in torch.from_numpy(setting.noise)]


def train_sparse(setting: Setting) -> list[float]:
    model = layers(setting.sparse)
    optimizer = sgd(model)
    images = torch.from_numpy(setting.images)

    def loss() -> Tensor:
        hidden = torch.sigmoid(model["hidden"](images))
        error: Tensor = ((model["image"](hidden) - images) ** 2).sum(-1).mean()
        penalty: Tensor = kl_sparsity(hidden, target=SPARSITY_TARGET)
        return error + SPARSITY_WEIGHT * penalty

    return [step(optimizer, loss()) for _ in setting.noise]


if __name__ == "__main__":
    main(train_vae, train_sparse)
