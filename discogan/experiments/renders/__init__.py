"""Rendered domains with known azimuths: objects built from random numbers, seen from chosen directions.

A kind of object is a registered function from a random generator to a ``Mesh``. The front of an object is in direction
+x, its own left +y and its top +z. No PyTorch here.
"""
