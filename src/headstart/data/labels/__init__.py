"""Labels with more than one class per image: soft labels and the labels of several raters."""
