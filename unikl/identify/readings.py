"""How an array may have been read: as what it holds, or as something else."""

from typing import NamedTuple

__all__ = ["Argument", "Reading", "Setting", "settings"]

# What is done to an array, as a function of NumPy and as a method of PyTorch.
_FUNCTION = {
    "exp": "np.exp({0})",
    "log": "np.log({0})",
    "log_softmax": "log_softmax({0})",
    "log_softmax 0": "log_softmax({0}, axis=0)",
    "normalise": "normalise({0})",
    "softmax": "softmax({0})",
    "softmax 0": "softmax({0}, axis=0)",
}
_METHOD = {
    "exp": "{0}.exp()",
    "log": "{0}.log()",
    "log_softmax": "{0}.log_softmax(-1)",
    "log_softmax 0": "{0}.log_softmax(0)",
    "normalise": "({0} / {0}.sum(-1, keepdim=True))",
    "softmax": "{0}.softmax(-1)",
    "softmax 0": "{0}.softmax(0)",
}

_Steps = tuple[str, ...] | None  # None: there is no such array


class Reading(NamedTuple):
    """The weights, and the logarithms, that an array was made into; what is wrong with that."""

    weights: _Steps
    logs: _Steps
    mistake: str = ""
    cost: int = 0


# For each form the right reading, then the wrong ones.
_READINGS: dict[str, tuple[Reading, ...]] = {
    "probs": (
        Reading((), ("log",)),
        Reading(("exp",), (), "the log is missing, probabilities taken for log-probabilities", 3),
        Reading(("softmax",), ("log_softmax",), "softmax of what are probabilities already", 3),
        Reading(("log",), None, "log-probabilities in the place of probabilities", 4),
    ),
    "counts": (
        Reading(("normalise",), ("normalise", "log")),
        Reading((), ("log",), "counts taken for probabilities, not normalised", 1),
        Reading(("softmax",), ("log_softmax",), "counts taken for logits", 3),
        Reading(("exp",), (), "counts taken for log-probabilities", 4),
    ),
    "logits": (
        Reading(("softmax",), ("log_softmax",)),
        Reading((), ("log",), "the softmax is missing, logits taken for probabilities", 3),
        Reading(("exp",), (), "the log_softmax is missing, logits taken for log-probabilities", 3),
        Reading(("softmax", "softmax"), ("softmax", "log_softmax"), "softmax applied twice", 3),
        Reading(("softmax", "exp"), ("softmax",), "softmax in the place of log_softmax, no log", 4),
        Reading(("log_softmax",), None, "log_softmax in the place of softmax", 4),
        Reading(("softmax 0",), ("log_softmax 0",), "softmax over axis 0, across the rows", 4),
    ),
    "log_probs": (
        Reading(("exp",), ()),
        Reading((), ("log",), "the exp is missing, log-probabilities taken for probabilities", 3),
        Reading(("exp", "exp"), ("exp",), "probabilities in the place of log-probabilities", 3),
        Reading(
            ("exp", "softmax"),
            ("exp", "log_softmax"),
            "softmax of what are probabilities already",
            3,
        ),
    ),
}

# The usual temperatures of distillation.
_TEMPERATURES = (0.5, 2, 3, 4, 5, 8, 10, 20)


class Argument(NamedTuple):
    """An array, and how it was read."""

    array: str  # as code: p, q, or p / 4
    reading: Reading

    def text(self, steps: _Steps, methods: bool = False) -> str | None:
        """The array after these steps, as code."""
        if steps is None:
            return None
        quotient = methods and steps and not self.array.isidentifier()
        result = f"({self.array})" if quotient else self.array
        for step in steps:
            result = (_METHOD if methods else _FUNCTION)[step].format(result)
        return result

    def slots(self, letter: str, methods: bool = False) -> dict[str, str | None]:
        """Weights, logarithms, and what goes into a function that normalises either itself."""
        weights, logs = self.reading.weights, self.reading.logs
        counts = weights[:-1] if weights and weights[-1] == "normalise" else weights
        # Normalised, the exp is the softmax, and that is the likelier mistake.
        if self.reading.cost and weights and weights[-1] == "exp":
            counts = None
        logits = logs[:-1] if logs and logs[-1] == "log_softmax" else logs
        steps = {
            letter: weights,
            f"log_{letter}": logs,
            f"{letter}_counts": counts,
            f"{letter}_logits": logits,
        }
        return {name: self.text(each, methods) for name, each in steps.items()}


class Setting(NamedTuple):
    """What was taken for p and for q, before any divergence of the two."""

    p: Argument
    q: Argument
    given: tuple[str, str]
    swapped: bool = False
    temperature: float | None = None

    @property
    def right(self) -> bool:
        """Whether the arrays were taken for what they hold."""
        return not (self.p.reading.cost or self.q.reading.cost or self.temperature)

    @property
    def cost(self) -> int:
        """How far from right this is."""
        mistakes = {self.p.reading.mistake: self.p.reading.cost}
        mistakes[self.q.reading.mistake] = self.q.reading.cost
        swapped, tempered = 2 * self.swapped, 2 * bool(self.temperature)
        return sum(mistakes.values()) + swapped + tempered

    def clauses(self) -> list[str]:
        """The mistakes, in words."""
        found = ["the arguments swapped"] if self.swapped else []
        p, q = self.p.reading.mistake, self.q.reading.mistake
        if p and p == q:
            return [*found, f"{p} (p and q)"]
        pairs = ((p, self.p.array), (q, self.q.array))
        return [*found, *(f"{mistake} ({array})" for mistake, array in pairs if mistake)]

    def slots(self, methods: bool = False) -> dict[str, str | None]:
        """The arrays as they were read, as code, under the names that `Call` uses."""
        return self.p.slots("p", methods) | self.q.slots("q", methods)


def settings(given: tuple[str, str], batched: bool) -> list[Setting]:
    """Everything that p and q may have been taken for, right first."""
    readings = [
        [one for one in _READINGS[form] if batched or "softmax 0" not in (one.weights or ())]
        for form in given
    ]
    (right_p, *wrong_p), (right_q, *wrong_q) = readings
    pairs = [(right_p, right_q)]
    pairs += [(wrong, right_q) for wrong in wrong_p] + [(right_p, wrong) for wrong in wrong_q]
    if given[0] == given[1]:
        pairs += [(wrong, wrong) for wrong in wrong_p]
    found = [Setting(Argument("p", a), Argument("q", b), given) for a, b in pairs]
    if not {"probs", "counts"} & set(given):
        right, raw = _READINGS["logits"][:2]
        found += [
            Setting(Argument(f"p / {t:g}", one), Argument(f"q / {t:g}", one), given, False, t)
            for t in _TEMPERATURES
            for one in (right, raw)
        ]
    swapped = [one._replace(p=one.q, q=one.p, given=one.given[::-1], swapped=True) for one in found]
    return found + swapped
