"""What may have been computed of p and q: the formulas that people write themselves.

In the texts ``{p}`` and ``{log_q}`` and so on stand for the arrays as they were read (`Setting`).
"""

from typing import NamedTuple

__all__ = ["FORMULAS", "Call", "epsilon_calls"]


class Call(NamedTuple):
    """One thing to compute.

    Attributes
    ----------
    code : str
        An expression, in the names of `unikl.identify.formulas`.
    gives : str
        A value for each of the "cells", "rows" or "columns"; "elements", cells that nobody sums
        up; or one number, the "sum", "mean", "element mean" or "first-axis mean" of the cells.
    name : str
        The call in its library; nothing for a formula.
    what : str
        In words: the formula, or what is peculiar to the library's function.
    cost : int
        How far-fetched it is.
    where : {"any", "right", "weights", "logs", "distributions"}
        The readings to try it on: any, the right one, the right one of weights or of logarithms,
        the right one of rows that a strict library takes for distributions.
    symmetric : bool
        Whether it is the same for q and p.
    """

    code: str
    gives: str
    name: str = ""
    what: str = ""
    cost: int = 1
    where: str = "any"
    symmetric: bool = False


def _formula(code: str, gives: str, what: str, cost: int = 1, where: str = "any") -> Call:
    return Call(code, gives, "", what, cost, where)


def _symmetric(code: str, what: str, cost: int) -> Call:
    return Call(code, "rows", "", what, cost, "right", True)


FORMULAS = (
    _formula(
        'kl_divergence({p_counts}, {q_counts}, given="counts", validate=False)',
        "rows",
        "KL({p_counts} || {q_counts})",
        cost=0,
    ),
    _formula(
        "compat.scipy.rel_entr({p}, {q})",
        "cells",
        "the sum of P log(P / Q) with P = {p} and Q = {q}, neither normalised",
    ),
    _formula(
        "({p} * np.log({p} / {q}))",
        "cells",
        "the sum of {p} log({p} / {q}) as it stands, NaN at a zero of {p}",
        where="right",
    ),
    _formula(
        "compat.scipy.kl_div({p}, {q})",
        "cells",
        "the generalised divergence, the sum of P log(P / Q) - P + Q with P = {p} and Q = {q}",
        cost=2,
    ),
    _formula(
        "cross_entropy({p}, {log_q})",
        "rows",
        "the cross-entropy of {p} and {q}: the divergence plus the entropy of {p}",
        cost=2,
    ),
    _formula(
        "compat.scipy.entropy({p_counts}, axis=-1)",
        "rows",
        "the entropy of {p_counts} alone",
        cost=4,
        where="right",
    ),
    _symmetric("jensen_shannon({p_counts}, {q_counts})", "the Jensen-Shannon divergence", 2),
    _symmetric(
        "np.sqrt(jensen_shannon({p_counts}, {q_counts}))",
        "the Jensen-Shannon distance, the root of the divergence",
        3,
    ),
    _symmetric(
        "jeffreys({p_counts}, {q_counts})", "the Jeffreys divergence KL(p || q) + KL(q || p)", 2
    ),
    _symmetric(
        "(jeffreys({p_counts}, {q_counts}) / 2)", "the mean of KL(p || q) and KL(q || p)", 3
    ),
)


def epsilon_calls(eps: float) -> list[Call]:
    """The usual guards against zeros, with an epsilon of this size."""
    e = f"{eps:g}"
    kl = f'kl_divergence({{p}} + {e}, {{q}} + {e}, given="counts", validate=False)'
    codes = {
        f"({{p}} * np.log(({{p}} + {e}) / ({{q}} + {e})))": "added to both in the logarithm alone",
        f"compat.scipy.rel_entr({{p}} + {e}, {{q}} + {e})": "added to both",
        kl: "added to both, which are then normalised",
        f"compat.scipy.rel_entr({{p}}, {{q}} + {e})": "added to {q}",
        f"({{p}} * np.log({{p}} / {{q}} + {e}))": "added to {p} / {q}",
        f"compat.scipy.rel_entr(np.clip({{p}}, {e}, 1), np.clip({{q}}, {e}, 1))": "the least "
        "that either is clipped to",
    }
    return [
        _formula(
            code,
            "rows" if code == kl else "cells",
            f"the sum of {{p}} log({{p}} / {{q}}) with an epsilon of {e} {how}",
            cost=3,
            where="right",
        )
        for code, how in codes.items()
    ]
