"""`import torch` means chainrule: an import hook for the process of one program.

Each `torch.…` module is the very object of the `chainrule.…` module of the same name, and a name that chainrule lacks
is an error that says so, never a module of an installed PyTorch.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

ALIAS = "torch"
PLACES = {ALIAS: "", "functorch": ".func"}  # where in the package these are; functorch is torch.func's older name


def install(package: str = "chainrule") -> None:
    """Makes later imports of `torch` and its submodules in this process give `package` and its submodules."""
    for name in list(sys.modules):
        if name.partition(".")[0] in PLACES:
            del sys.modules[name]
    sys.meta_path.insert(0, AliasFinder(package))
    sys.meta_path.append(MissingFinder(package))


class AliasFinder:
    """First of the finders: answers for `torch` and everything below it, and for `functorch`."""

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        head, dot, rest = fullname.partition(".")
        if head not in PLACES:
            return None
        real = find(self.package + PLACES[head] + dot + rest)
        if real is not None:
            loader = AliasLoader(self.package, real.name)
            is_package = real.submodule_search_locations is not None
            return ModuleSpec(fullname, loader, origin=real.origin, is_package=is_package)
        if called_by_a_search():
            return None
        raise missing_module(fullname)


class AliasLoader(Loader):
    """Puts the real module in the place of the new one that the import system made."""

    def __init__(self, package: str, real: str) -> None:
        self.package = package
        self.real = real

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        sys.modules[module.__name__] = real = importlib.import_module(self.real)
        if self.real == self.package:
            follow_version(real)
        explain_missing_names(self.package)


class MissingFinder:
    """Last of the finders: a submodule of the package that none of them knew.

    `from torch import name` ends here as `package.name`: Python takes a name that is no attribute for a submodule.
    """

    def __init__(self, package: str) -> None:
        self.package = package

    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:
        head, _, rest = fullname.partition(".")
        if head == self.package and rest and not called_by_a_search():
            raise missing_module(f"{ALIAS}.{rest}")


def follow_version(package: ModuleType) -> None:
    """Gives `package` the version of the PyTorch that it follows: programs choose by `torch.__version__` what to call."""
    if find(f"{package.__name__}.version") is not None:
        from chainrule.torch_version import TorchVersion

        followed = importlib.import_module(f"{package.__name__}.version").__version__
        package.__version__ = TorchVersion(followed)  # type: ignore[attr-defined]


def find(name: str) -> ModuleSpec | None:
    """Where the module `name` comes from, or None if there is none."""
    if name in sys.modules:
        return sys.modules[name].__spec__ or ModuleSpec(name, None)
    try:
        return importlib.util.find_spec(name)
    except ModuleNotFoundError:  # what should hold it is no package, or is not there itself
        return None


def called_by_a_search() -> bool:
    """Whether the finder that asks was called by `importlib.util.find_spec`, which wants an answer and no error."""
    return sys._getframe(3).f_globals.get("__name__") == "importlib.util"


def missing_module(name: str) -> ModuleNotFoundError:
    return ModuleNotFoundError(f"chainrule has no {name} yet", name=name)


def explain_missing_names(package: str) -> None:
    """Lets every loaded module of `package` say which name it lacks, when asked by attribute or by `from`."""
    for name, module in list(sys.modules.items()):
        if name == package or (name.startswith(f"{package}.") and not name.startswith(__package__)):
            own = vars(module).get("__getattr__")
            if own is None or own.__module__ != __name__:
                vars(module)["__getattr__"] = lookup(module, ALIAS + name.removeprefix(package), own)
            # Python looks for a submodule, and so asks MissingFinder, only where there is a path to look in.
            vars(module).setdefault("__path__", [])


def lookup(module: ModuleType, alias: str, own: Callable[[str], object] | None) -> Callable[[str], object]:
    """A `__getattr__` for `module`, which the program knows as `alias`; it asks the module's own first."""

    def __getattr__(name: str) -> object:
        if own is not None:
            try:
                return own(name)
            except AttributeError as error:
                assert error.__traceback__ is not None and error.__traceback__.tb_next is not None
                if error.__traceback__.tb_next.tb_next is not None:
                    raise  # it does not come from `own` itself: what it imported or called has failed
        raise AttributeError(f"chainrule has no {alias}.{name} yet", name=name, obj=module)

    return __getattr__
