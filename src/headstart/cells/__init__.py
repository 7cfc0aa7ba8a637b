"""Micrographs: cells found in them, measured and cut out as a data set of images.

Nothing is trained here: what classifies the crops is trained by `headstart.fit` as on any other images.
"""
