"""Types that public signatures share."""

import os
from typing import Any, TypeAlias

ArrayLike: TypeAlias = Any
"""All that NumPy makes an array of: arrays, lists, columns of tables. No type of NumPy or pandas names them all."""

PathName: TypeAlias = str | os.PathLike[str]
