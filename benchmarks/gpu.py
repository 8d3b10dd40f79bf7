"""KL from bfloat16 logits on one GPU, beside PyTorch and Liger: ``python -m benchmarks.gpu``.

Times are medians by CUDA events, the candidates in turn, several rounds.  The share is that of
the bytes that must move (each logit read once for a value; twice, and one gradient written, for
a value with the student's gradient) over the time, in units of what a copy moves on this device.
The error is that of the mean of a few rows, against float64.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

SHAPES = ((8192, 32768), (4096, 131072), (2048, 262144))
BYTES = {"value": 4, "value and gradient": 10}  # for each pair of logits
NOISE = {"far": 3.0, "near": 0.02}  # of the student, around the teacher
_ROWS = 8  # that the error is measured on
_WARM, _TIMED = 25, 200  # milliseconds

Kl = Callable[
    [torch.Tensor, torch.Tensor], torch.Tensor
]  # of teacher and student, one for each row


class Candidate(NamedTuple):
    """A library's way: the value, and the value with the student's gradient."""

    name: str
    value: Kl
    both: Callable[[torch.Tensor, torch.Tensor], Any]


class Result(NamedTuple):
    """One line of the table."""

    shape: tuple[int, int]
    data: str
    what: str
    name: str
    milliseconds: float
    share: float
    error: float


def kl_div(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """As one writes it."""
    log_w, log_z = F.log_softmax(teacher, -1), F.log_softmax(student, -1)
    return F.kl_div(log_z, log_w, reduction="none", log_target=True).sum(-1)


def kl_div_float(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
    """The same in float32: a value of three digits in bfloat16 is no fair peer."""
    return kl_div(teacher.float(), student.float())


def with_gradient(kl: Kl) -> Callable[[torch.Tensor, torch.Tensor], Any]:
    """The value and the student's gradient of its sum, by autograd."""

    def both(teacher: torch.Tensor, student: torch.Tensor) -> Any:
        leaf = student.detach().requires_grad_()
        value = kl(teacher, leaf)
        return value, torch.autograd.grad(value.sum(), leaf)[0]

    return both


def candidates() -> Iterator[Candidate]:
    """Ours first, then those that are installed."""
    from unikl.kernels import cuda

    def fused(teacher: torch.Tensor, student: torch.Tensor, wanted: bool = False) -> Any:
        found = cuda.fused("logits", teacher, student, (False, wanted))
        if found is None:
            raise RuntimeError("the fused kernel does not take these arrays")
        return (found.kl[:, 0], found.grad_q) if wanted else found.kl[:, 0]

    yield Candidate("unikl", fused, lambda teacher, student: fused(teacher, student, True))
    yield Candidate("F.kl_div", kl_div, with_gradient(kl_div))
    yield Candidate("F.kl_div in float32", kl_div_float, with_gradient(kl_div_float))
    compiled = torch.compile(kl_div_float, dynamic=False)
    yield Candidate("torch.compile of it", compiled, with_gradient(compiled))
    try:
        from liger_kernel.transformers import LigerKLDIVLoss
    except ImportError:
        print("Liger is not installed: pip install liger-kernel", file=sys.stderr)
        return
    loss = LigerKLDIVLoss(reduction="batchmean", log_target=True)

    def liger(teacher: torch.Tensor, student: torch.Tensor) -> torch.Tensor:
        mean: torch.Tensor = loss(F.log_softmax(student, -1), F.log_softmax(teacher, -1))
        return mean

    yield Candidate("Liger", liger, with_gradient(liger))


def median_time(run: Callable[[], Any]) -> float:
    """In seconds, with the L2 emptied between the runs."""
    from triton.testing import do_bench

    return float(do_bench(run, warmup=_WARM, rep=_TIMED, return_mode="median")) / 1e3


def copy_bandwidth() -> float:
    """Bytes read and written in a second, by a copy of 2 GiB."""
    source = torch.empty(2**31, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    return 2 * source.numel() / median_time(lambda: target.copy_(source))


def error(kl: Kl, teacher: torch.Tensor, student: torch.Tensor) -> float:
    """The relative error of the mean of some rows, against float64."""
    teacher, student = teacher[:_ROWS].contiguous(), student[:_ROWS].contiguous()
    log_w, log_z = (torch.log_softmax(x.double(), -1) for x in (teacher, student))
    true = (log_w.exp() * (log_w - log_z)).sum(-1).mean()
    return abs(float(kl(teacher, student).double().mean() / true) - 1)


def measure(shape: tuple[int, int], data: str, bandwidth: float, rounds: int) -> Iterator[Result]:
    """Every candidate on one pair of arrays."""
    torch.manual_seed(0)
    teacher = 2 * torch.randn(shape, dtype=torch.bfloat16, device="cuda")
    student = teacher + NOISE[data] * torch.randn_like(teacher)
    chosen = list(candidates())
    for what, size in BYTES.items():
        times: dict[str, list[float]] = {one.name: [] for one in chosen}
        for _ in range(rounds):
            for one in chosen:
                run = one.value if what == "value" else one.both
                times[one.name].append(median_time(partial(run, teacher, student)))
        for one in chosen:
            seconds = statistics.median(times[one.name])
            share = size * teacher.numel() / seconds / bandwidth
            wrong = error(one.value, teacher, student)
            yield Result(shape, data, what, one.name, 1e3 * seconds, share, wrong)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("this benchmark needs a CUDA device, and PyTorch finds none", file=sys.stderr)
        return 1
    bandwidth = copy_bandwidth()
    print(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, bfloat16;")
    print(f"a copy moves {bandwidth / 1e12:.2f} TB/s\n")
    print("| shape | data | what | by | ms | share of the copy bandwidth | relative error |")
    print("|---|---|---|---|---:|---:|---:|")
    results = []
    for shape in SHAPES:
        for data in NOISE:
            for line in measure(shape, data, bandwidth, options.rounds):
                results.append(line)
                numbers = f"{line.milliseconds:.3f} | {line.share:.0%} | {line.error:.1e}"
                print(f"| {shape} | {data} | {line.what} | {line.name} | {numbers} |", flush=True)
    if options.json:
        head = {"device": torch.cuda.get_device_name(), "copy_bytes_per_second": bandwidth}
        table = [line._asdict() for line in results]
        options.json.write_text(json.dumps({**head, "results": table}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
