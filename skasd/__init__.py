"""Anomalous sound detection for machines, as scikit-learn estimators.

The names of the stub beside this file load on first use, so that ``import skasd`` costs next to nothing and torch is
not imported before an estimator that needs it is touched.
"""

import lazy_loader

__version__ = "0.1.0.dev0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ += ["__version__"]
