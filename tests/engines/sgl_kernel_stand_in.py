"""Stands where SGLang expects its CUDA kernels, so that it falls back to plain torch on a CPU.

`scripts/engine-envs` puts it into SGLang's environment as `sgl_kernel`. A kernel that is called all the same raises
NotImplementedError with its name.
"""

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

__version__ = "0.4.10"  # what SGLang 0.5.23 asks for
__path__: list[str] = []


def _kernel(name: str) -> Callable[..., Any]:
    def absent(*_arguments: object, **_options: object) -> None:
        raise NotImplementedError(f"sgl_kernel.{name} is a CUDA kernel, and there is none here")

    return absent


def _attribute(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    return _kernel(name)


__getattr__ = _attribute


class _Submodules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Any `sgl_kernel.x` can be imported, but `scalar_type`: SGLang asks whether that one exists."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith("sgl_kernel.") or fullname.endswith(".scalar_type"):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """The default one."""

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []
        module.__dict__["__getattr__"] = _attribute


sys.meta_path.insert(0, _Submodules())
