"""torch.onnx.errors: what an export can fail with."""

from __future__ import annotations

from ..insight.source import Source, short_path

__all__ = ["OnnxExporterError", "SymbolicValueError", "UnsupportedOperatorError"]


class OnnxExporterError(RuntimeError):
    """A model could not be exported."""


class UnsupportedOperatorError(OnnxExporterError):
    """An operation has no translation to ONNX."""


class SymbolicValueError(OnnxExporterError):
    """An operation was called in a way that has no translation to ONNX."""


def at(position: tuple, message: str, kind: type[OnnxExporterError] = OnnxExporterError) -> OnnxExporterError:
    """The error, with the user's line."""
    source = Source(*position)
    text = f": {source.text}" if source.text else ""
    return kind(f"{message}\n  {short_path(source.file)}:{source.line}{text}")
