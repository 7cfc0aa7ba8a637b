"""Readers of recordings: CSV, Parquet, NumPy archives, the `.ts` format, tables of intervals."""
