"""Scratch memory for work on one clip after another."""

import math
import threading

import numpy as np


class KeptBuffers(threading.local):
    """Scratch arrays that are allocated once per thread and name, and reused for every clip.

    The first touch of fresh memory costs more than the arithmetic on it; kept buffers avoid it.
    """

    def array(self, name, shape, dtype):
        """Return an uninitialised array, valid until the same name is asked for again.

        Parameters
        ----------
        name : str
            Name of the buffer.
        shape : tuple of int
            Shape of the array.
        dtype : dtype
            Type of the array.

        Returns
        -------
        ndarray of that shape and type
        """
        size = math.prod(shape)
        flat = self.__dict__.get(name)
        if flat is None or flat.dtype != dtype or flat.size < size:
            flat = self.__dict__[name] = np.empty(size, dtype)
        return flat[:size].reshape(shape)
