"""torch.onnx: models as ONNX files, which other programs run.

A model is run on its example (runs.py) while every operation is recorded (recording.py), and each recorded call becomes
operators of ONNX (graph.py, by the table of translations.py).
"""

from .errors import OnnxExporterError
from .exporting import ONNXProgram, TrainingMode, export, is_in_onnx_export

__all__ = ["ONNXProgram", "OnnxExporterError", "TrainingMode", "export", "is_in_onnx_export"]
