"""Instance normalization as modules."""

from __future__ import annotations

from .. import functional as F
from .batchnorm import _NormBase

__all__ = ["InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d"]


class _InstanceNorm(_NormBase):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device=None,
        dtype=None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input):
        self._check_input_dim(input)
        batched = self._dims[1]
        if input.size(input.dim() - batched + 1) != self.num_features:
            if self.affine:
                raise ValueError(
                    f"expected input's size at dim={input.dim() - batched + 1} to match num_features "
                    f"({self.num_features}), but got: {input.size(input.dim() - batched + 1)}."
                )
            from ...warning import warn

            warn(
                f"input's size at dim={input.dim() - batched + 1} does not match num_features. You can silence this warning by "
                "not passing in num_features, which is not used because affine=False"
            )
        result = F.instance_norm(
            input if input.dim() == batched else input.unsqueeze(0),
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result if input.dim() == batched else result.squeeze(0)


class InstanceNorm1d(_InstanceNorm):
    """Normalizes each sample's channels of (N, C, L)."""

    _dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Normalizes each sample's channels of (N, C, H, W)."""

    _dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Normalizes each sample's channels of (N, C, D, H, W)."""

    _dims = (4, 5)
