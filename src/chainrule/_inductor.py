"""torch._inductor: nothing is compiled. Every function raises NotImplementedError."""

from .unavailable import unavailable

_REASON = "nothing is compiled, so there is no machine code to package"
aoti_compile_and_package = unavailable("_inductor.aoti_compile_and_package", _REASON)
aoti_load_package = unavailable("_inductor.aoti_load_package", _REASON)
aot_compile = unavailable("_inductor.aot_compile", _REASON)
