"""Metadata of dermoscopic images: the ISIC archive's, those of PH2, plain tables; thickness as ordered classes."""
