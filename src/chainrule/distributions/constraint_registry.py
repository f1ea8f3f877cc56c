"""`biject_to` and `transform_to`: for a constraint, a transform from unconstrained numbers into it."""

from __future__ import annotations

from collections.abc import Callable

from . import constraints, transforms
from .constraints import Constraint
from .transforms import Transform
from .utils import is_number

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """Makes transforms for constraints, by factories that were registered for classes of constraints."""

    def __init__(self) -> None:
        self._registry: dict[type[Constraint], Callable[..., Transform]] = {}

    def register(self, constraint, factory: Callable[..., Transform] | None = None):
        """Registers a factory for a class of constraints, or that of an instance; without `factory`, a decorator."""
        if factory is None:
            return lambda given: self.register(constraint, given)
        if isinstance(constraint, Constraint):
            constraint = type(constraint)
        if not isinstance(constraint, type) or not issubclass(constraint, Constraint):
            raise TypeError(f"Expected constraint to be either a Constraint subclass or instance, but got {constraint}")
        self._registry[constraint] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        """The transform into a constraint; NotImplementedError where none was registered."""
        factory = self._registry.get(type(constraint))
        if factory is None:
            raise NotImplementedError(f"Cannot transform {type(constraint).__name__} constraints")
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()
_both = (biject_to, transform_to)


def _in_both(constraint, factory) -> None:
    for registry in _both:
        registry.register(constraint, factory)


def _into_interval(constraint):
    if is_number(constraint.lower_bound) and (constraint.lower_bound, constraint.upper_bound) == (0, 1):
        return transforms.SigmoidTransform()
    width = constraint.upper_bound - constraint.lower_bound
    return transforms.ComposeTransform(
        [transforms.SigmoidTransform(), transforms.AffineTransform(constraint.lower_bound, width)]
    )


def _above(constraint):
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.lower_bound, 1)]
    )


def _below(constraint):
    return transforms.ComposeTransform(
        [transforms.ExpTransform(), transforms.AffineTransform(constraint.upper_bound, -1)]
    )


_in_both(constraints.real, lambda constraint: transforms.identity_transform)
_in_both(constraints.greater_than, _above)
_in_both(constraints.greater_than_eq, _above)
_in_both(constraints.less_than, _below)
_in_both(constraints.interval, _into_interval)
_in_both(constraints.half_open_interval, _into_interval)
_in_both(constraints.corr_cholesky, lambda constraint: transforms.CorrCholeskyTransform())
biject_to.register(constraints.simplex, lambda constraint: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda constraint: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda constraint: transforms.LowerCholeskyTransform())
transform_to.register(constraints.positive_definite, lambda constraint: transforms.PositiveDefiniteTransform())
transform_to.register(constraints.positive_semidefinite, lambda constraint: transforms.PositiveDefiniteTransform())


def _register_made_of_others(registry: ConstraintRegistry) -> None:
    registry.register(
        constraints.independent,
        lambda c: transforms.IndependentTransform(registry(c.base_constraint), c.reinterpreted_batch_ndims),
    )
    registry.register(
        constraints.cat, lambda c: transforms.CatTransform([registry(part) for part in c.cseq], c.dim, c.lengths)
    )
    registry.register(
        constraints.stack, lambda c: transforms.StackTransform([registry(part) for part in c.cseq], c.dim)
    )


for _registry in _both:
    _register_made_of_others(_registry)
