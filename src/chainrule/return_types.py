"""torch.return_types: tuples with named fields, which operations with several results return."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

_FIELDS = {
    "_lu_with_info": "LU pivots info",
    "aminmax": "min max",
    "cummax": "values indices",
    "cummin": "values indices",
    "frexp": "mantissa exponent",
    "geqrf": "a tau",
    "histogram": "hist bin_edges",
    "histogramdd": "hist bin_edges",
    "kthvalue": "values indices",
    "linalg_cholesky_ex": "L info",
    "linalg_eig": "eigenvalues eigenvectors",
    "linalg_eigh": "eigenvalues eigenvectors",
    "linalg_inv_ex": "inverse info",
    "linalg_ldl_factor": "LD pivots",
    "linalg_ldl_factor_ex": "LD pivots info",
    "linalg_lstsq": "solution residuals rank singular_values",
    "linalg_lu": "P L U",
    "linalg_lu_factor": "LU pivots",
    "linalg_lu_factor_ex": "LU pivots info",
    "linalg_qr": "Q R",
    "linalg_slogdet": "sign logabsdet",
    "linalg_solve_ex": "result info",
    "linalg_svd": "U S Vh",
    "lu_unpack": "P L U",
    "max": "values indices",
    "median": "values indices",
    "min": "values indices",
    "mode": "values indices",
    "nanmedian": "values indices",
    "qr": "Q R",
    "slogdet": "sign logabsdet",
    "sort": "values indices",
    "svd": "U S V",
    "topk": "values indices",
    "triangular_solve": "solution cloned_coefficient",
}


def _repr(self) -> str:
    lines = ",\n".join(f"{name}={value!r}" for name, value in zip(self.__match_args__, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{lines})"


def _make(name: str, fields: tuple[str, ...]) -> type:
    """A tuple class, made from one sequence, whose fields are attributes."""
    body: dict[str, Any] = {field: property(itemgetter(i)) for i, field in enumerate(fields)}
    body |= {
        "__slots__": (),
        "__match_args__": fields,
        "__module__": "torch.return_types",
        "__repr__": _repr,
        "__reduce__": lambda self: (globals()[name], (tuple(self),)),
        "n_fields": len(fields),
        "n_sequence_fields": len(fields),
        "n_unnamed_fields": 0,
    }
    return type(name, (tuple,), body)


__all__ = sorted(_FIELDS)


def __getattr__(name: str) -> type:
    """Makes a class when it is first used."""
    if name not in _FIELDS:
        raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}")
    made = globals()[name] = _make(name, tuple(_FIELDS[name].split()))
    return made
