"""Look inside recurrent networks.

The public names are listed in ``__init__.pyi``. Each is loaded when it is first used, so ``import interp`` loads
neither torch nor xarray nor holoviews.
"""

import lazy_loader

from interp._version import __version__ as __version__

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
