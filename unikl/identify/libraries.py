"""The functions of the libraries, as `Call`s.  To add a library, add its rows.

Those that `unikl.compat` has are called from there; for the others stands a formula of the same
value.
"""

from .calls import Call

__all__ = ["LIBRARIES"]

_JENSEN_SHANNON = "the Jensen-Shannon divergence"
_DISTANCE = "the Jensen-Shannon distance, the root of the divergence"
_GENERALISED = "the generalised divergence, with - p + q"


def _call(
    code: str, name: str, arguments: str, gives: str, what: str = "", where: str = "right"
) -> Call:
    """`code` and `name` without their closing parenthesis, which take the same arguments."""
    costs = {_JENSEN_SHANNON: 2, _GENERALISED: 2, _DISTANCE: 3}
    symmetric = what in (_JENSEN_SHANNON, _DISTANCE)
    cost = costs.get(what, 1)
    return Call(f"{code}{arguments})", gives, f"{name}{arguments})", what, cost, where, symmetric)


_TORCH = tuple(
    Call(
        f'compat.torch.kl_div({{log_q}}, {target}, reduction="{reduction}"{option})',
        gives,
        f"torch F.kl_div({{log_q}}, {target}{option}) with reduction='{reduction}'",
    )
    for target, option in (("{p}", ""), ("{log_p}", ", log_target=True"))
    for reduction, gives in (
        ("mean", "element mean"),
        ("batchmean", "first-axis mean"),
        ("sum", "sum"),
        ("none", "elements"),
    )
)

_KERAS = tuple(
    Call(
        f"compat.keras.kl_divergence({{p}}, {{q}}){mean}",
        gives,
        f"keras.losses.{name}({{p}}, {{q}})",
        "clips p and q to [1e-7, 1]",
    )
    for name, mean, gives in (("kl_divergence", "", "rows"), ("KLDivergence()", ".mean()", "mean"))
)

_WEIGHTS, _COUNTS = "{p}, {q}", "{p_counts}, {q_counts}"
_SCIPY_DISTANCE = "scipy.spatial.distance.jensenshannon("
_SCIPY = (
    _call("compat.scipy.rel_entr(", "scipy.special.rel_entr(", _WEIGHTS, "cells"),
    _call("compat.scipy.kl_div(", "scipy.special.kl_div(", _WEIGHTS, "cells", _GENERALISED),
    _call("compat.scipy.entropy(", "scipy.stats.entropy(", f"{_COUNTS}, axis=-1", "rows"),
    _call("compat.scipy.entropy(", "scipy.stats.entropy(", _COUNTS, "columns"),
    _call("compat.scipy.jensenshannon(", _SCIPY_DISTANCE, f"{_COUNTS}, axis=-1", "rows", _DISTANCE),
    _call("compat.scipy.jensenshannon(", _SCIPY_DISTANCE, _COUNTS, "columns", _DISTANCE),
    _call("compat.jax.rel_entr(", "jax.scipy.special.rel_entr(", _WEIGHTS, "cells"),
    _call("compat.jax.kl_div(", "jax.scipy.special.kl_div(", _WEIGHTS, "cells", _GENERALISED),
)

_TENSORFLOW = (
    Call(
        "compat.tensorflow.categorical_kl_divergence({p_counts}, {q_counts})",
        "rows",
        "tf.compat.v1.distributions.kl_divergence(Categorical(probs={p_counts}), "
        "Categorical(probs={q_counts}))",
        "NaN at a zero of p",
        where="weights",
    ),
    Call(
        "compat.tensorflow.kl_divergence({p}, {q})",
        "sum",
        "tf.reduce_sum({p} * tf.math.log({p} / {q}))",
        "NaN at a zero of p",
        where="right",
    ),
    Call(
        "compat.tensorflow.kl_divergence_with_logits({p_logits}, {q_logits})",
        "sum",
        "tf.reduce_sum of the difference of tf.nn.softmax_cross_entropy_with_logits, "
        "logits {q_logits} less logits {p_logits}",
    ),
    Call(
        "compat.tensorflow.softmax_cross_entropy_with_logits({p}, {q_logits})",
        "rows",
        "tf.nn.softmax_cross_entropy_with_logits({p}, {q_logits})",
        "the cross-entropy: the divergence plus the entropy of p",
        cost=2,
    ),
)

_OPTAX = (
    _call(
        "compat.optax.kl_divergence(",
        "optax.losses.kl_divergence(",
        "{log_q}, {p}",
        "rows",
        where="any",
    ),
    _call(
        "compat.optax.kl_divergence_with_log_targets(",
        "optax.losses.kl_divergence_with_log_targets(",
        "{log_q}, {log_p}",
        "rows",
        where="any",
    ),
    _call(
        "compat.optax.generalized_kl_divergence(",
        "optax.losses.generalized_kl_divergence(",
        "{log_q}, {p}",
        "rows",
        _GENERALISED,
    ),
)

_MEAN_LOG = "np.log(({p} + {q}) / 2)"
_LOG_KL = "compat.optax.kl_divergence_with_log_targets"
_TORCHMETRICS = (
    _call(
        "compat.torchmetrics.kl_divergence(",
        "torchmetrics kl_divergence(",
        "{p_2d}, {q_2d}",
        "mean",
        where="any",
    ),
    _call(
        "compat.torchmetrics.kl_divergence(",
        "torchmetrics kl_divergence(",
        "{log_p_2d}, {log_q_2d}, log_prob=True",
        "mean",
        where="any",
    ),
    Call(
        "jensen_shannon({p_counts}, {q_counts}).mean()",
        "mean",
        "torchmetrics jensen_shannon_divergence({p_2d}, {q_2d})",
        _JENSEN_SHANNON,
        2,
        "right",
        True,
    ),
    Call(
        f"(({_LOG_KL}({_MEAN_LOG}, {{log_p}}) + {_LOG_KL}({_MEAN_LOG}, {{log_q}})) / 2).mean()",
        "mean",
        "torchmetrics jensen_shannon_divergence({log_p_2d}, {log_q_2d}, log_prob=True)",
        _JENSEN_SHANNON,
        2,
        "right",
        True,
    ),
    Call(
        "infolm({p}, {q})",
        "rows",
        "torchmetrics infolm(information_measure='kl_divergence')",
        "the divergence with the sign reversed, NaN made 0 and infinity 3.4e38",
        4,
        "right",
    ),
)

_POT = (
    _call("compat.pot.kl_div(", "POT Backend.kl_div(", "{p}, {q}", "sum", "adds 1e-16 to p / q"),
    _call("compat.pot.kl_div(", "POT Backend.kl_div(", "{p}, {q}, mass=True", "sum", _GENERALISED),
)


_NORMALISED = {
    "probs": 'kl_divergence({p_counts}, {q_counts}, given="counts", validate=False)',
    "logits": 'kl_divergence({p_logits}, {q_logits}, given="logits", validate=False)',
}


def _objects(name: str, form: str, code: str = "", what: str = "") -> Call:
    """The divergence of two objects, given by probabilities or by logits."""
    p, q = ("{p_counts}", "{q_counts}") if form == "probs" else ("{p_logits}", "{q_logits}")
    kind = name.rpartition(" ")[2]
    name = f"{name.rpartition(' ')[0]}({kind}({form}={p}), {kind}({form}={q}))"
    where = "weights" if form == "probs" else "logs"
    return Call(code or _NORMALISED[form], "rows", name, what, where=where)


_TORCH_KL = "torch.distributions.kl_divergence Categorical"
_TFP_KL = "tfp.distributions.kl_divergence"
_LOG = "np.log(normalise({0}))"
_DISTRIBUTIONS = (
    _objects(
        _TORCH_KL,
        "probs",
        "torch_categorical({p_counts}, {q_counts})",
        "clamps probabilities to [2.2e-16, 1 - 2.2e-16] in float64 (validate_args=False)",
    ),
    _objects(
        _TORCH_KL,
        "probs",
        "torch_categorical({p_counts}, {q_counts}, eps=2.0**-23)",
        "clamps probabilities to [1.2e-7, 1 - 1.2e-7] in float32 (validate_args=False)",
    ),
    _objects(_TORCH_KL, "logits"),
    _objects(f"{_TFP_KL} Categorical", "probs"),
    _objects(f"{_TFP_KL} Categorical", "logits"),
    _objects(
        f"{_TFP_KL} OneHotCategorical",
        "probs",
        f"{_LOG_KL}({_LOG.format('{q_counts}')}, {_LOG.format('{p_counts}')})",
        "NaN at a zero of p",
    ),
    _objects("distrax kl_divergence Categorical", "probs"),
    _objects("distrax kl_divergence Categorical", "logits"),
    _objects("numpyro.distributions.kl_divergence Categorical", "probs")._replace(
        where="distributions"
    ),
    Call(
        "(compat.scipy.rel_entr({p}, {q}).sum(-1) / np.log(2))",
        "rows",
        "dit.divergences.kullback_leibler_divergence({p}, {q})",
        "in bits",
        cost=3,
        where="weights",
    ),
)

_LIGER = (
    *(
        Call(
            f"{code}.{reduction}()",
            gives,
            f"LigerKLDIVLoss(reduction='{reduction}'{option})({{log_q}}, {target})",
            what,
            where="right",
        )
        for code, option, target, what in (
            ("liger_kl_div({log_q}, {p})", "", "{p}", "floors p by 1e-10 in its logarithm"),
            (
                'compat.torch.kl_div({log_q}, {log_p}, reduction="none", log_target=True)',
                ", log_target=True",
                "{log_p}",
                "",
            ),
        )
        for reduction, gives in (("mean", "element mean"), ("sum", "sum"))
    ),
    *(
        Call(
            f"liger_jsd({{log_q}}, {{log_p}}, beta={beta}).sum(-1).mean()",
            "mean",
            f"LigerJSD(beta={beta})({{log_q}}, {{log_p}})",
            what,
            2,
            "right",
        )
        for beta, what in ((0.5, _JENSEN_SHANNON), (0.0, "KL({p} || {q})"), (1.0, "KL({q} || {p})"))
    ),
)

LIBRARIES = (
    *_TORCH,
    *_KERAS,
    *_SCIPY,
    *_TENSORFLOW,
    *_OPTAX,
    *_TORCHMETRICS,
    *_POT,
    *_DISTRIBUTIONS,
    *_LIGER,
)
