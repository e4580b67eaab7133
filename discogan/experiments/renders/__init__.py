"""Rendered domains whose azimuth is known: things built from numbers, seen from chosen sides.

A kind of thing is a registered function from a random generator to a ``Mesh``. Things stand on z = 0 or
around it, look along +x, have +y on their own left and +z up. No PyTorch here.
"""
