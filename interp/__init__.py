"""Look inside recurrent networks.

The public names are listed in ``__init__.pyi``. Each is loaded on first use, so that ``import interp`` loads neither
torch nor xarray nor holoviews.
"""

from importlib import import_module
from types import ModuleType

import lazy_loader

from interp._version import __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]


class _Package(ModuleType):
    """Module type that keeps ``interp.capture`` a function, even after ``interp/capture.py`` was imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in __all__):
            super().__setattr__(name, value)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        """Pickle the module by name, so that functions of a notebook that use it can be sent to other processes."""
        return import_module, (self.__name__,)


sys.modules[__name__].__class__ = _Package
