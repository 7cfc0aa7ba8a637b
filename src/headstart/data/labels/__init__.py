"""Labels that are more than one class an image: several raters, soft labels."""
