"""Recordings of many channels as pictures of their windows.

What needs heavy libraries is imported only when it is used.
"""
