"""Formats of raw samples."""

# as NumPy reads them; three bytes it does not know
FORMATS = {"u8": "u1", "s16le": "<i2", "s24le": None, "s32le": "<i4", "f32le": "<f4"}
