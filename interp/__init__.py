"""Look inside recurrent networks.

The public names stand in ``__init__.pyi``; each is loaded when it is first used, so ``import interp``
loads neither torch nor xarray nor holoviews.
"""

import sys
from importlib import import_module
from types import ModuleType

import lazy_loader

from interp._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


class _Package(ModuleType):
    """Keeps ``interp.capture`` a function also after ``interp/capture.py`` was imported by another module."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Go to another process by name, with a function of a notebook that mentions it."""
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package
