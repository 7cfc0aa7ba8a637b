"""Pictures that a caller has in memory or at hand, of any kind: the one way in for all of them.

`pictures.py` says what one picture may be, `collection.py` what a collection of them may be, `columns.py` what
libraries of tables and data sets bring along with their pictures.
"""
