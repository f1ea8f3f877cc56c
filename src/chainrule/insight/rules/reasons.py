"""The operations that have no rule, and why: they are shown by name, with numbers."""

from __future__ import annotations

_RANDOM = "a draw: what it gives does not depend on its input by a formula"
_ALGORITHM = "no formula for one element that is shorter than the algorithm"
_REFUSED = "backward refuses"

WITHOUT_RULE: dict[str, str] = {
    **dict.fromkeys(
        (
            "bernoulli", "bernoulli_float", "bernoulli_tensor", "cauchy", "exponential", "geometric", "log_normal", "normal",
            "normal_mean", "normal_mean_std", "normal_std", "poisson", "random", "uniform",
        ),
        _RANDOM,
    ),
    **dict.fromkeys(
        (
            "ctc_loss", "ctc_loss_gradient", "geqrf", "grid_sampler_2d", "grid_sampler_3d", "linalg_cofactors", "linalg_householder_product", "linalg_ldl_factor_ex", "linalg_ldl_solve",
            "linalg_second_cofactors", "scatter_product_gradient",
        ),
        _ALGORITHM,
    ),
    **dict.fromkeys([f"{name}_answers" for name in ("eq", "ne", "lt", "le", "gt", "ge")], "answers of a comparison: constant"),
    **dict.fromkeys(("bincount", "heaviside", "histogram", "histogramdd", "nextafter"), _REFUSED),
}  # fmt: skip
