"""The lesion in a dermoscopic image, found without training, and numbers measured in it."""
