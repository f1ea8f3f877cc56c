"""torch.onnx: models are not exported. Every function raises NotImplementedError."""

from .unavailable import unavailable

__all__ = ["dynamo_export", "export"]

_REASON = "models are not written in the ONNX format"
export = unavailable("onnx.export", _REASON)
dynamo_export = unavailable("onnx.dynamo_export", _REASON)


def is_in_onnx_export() -> bool:
    """False: nothing is exported."""
    return False
