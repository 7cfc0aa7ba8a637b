"""Tensors of torch as arrays with their channels last; torch is never imported for it."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

_COLOURS = (1, 2, 3, 4)


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def array_of(tensor: Any, *, is_one: bool, max_channels: int) -> NDArray[Any]:
    """Array with channels last, (height, width[, channels]) or (n, height, width, channels), of a tensor.

    Torch has channels first. So three axes are (channels, height, width), one picture, and four are a batch; two are
    one grey picture.

    Parameters
    ----------
    tensor : torch.Tensor
        On any device, with or without a gradient.
    is_one : bool
        Whether it is known to be one picture, which then may have more than four channels.
    max_channels : int

    Raises
    ------
    ValueError
        In a clause with the remedy, when its channels do not stand first or it cannot be an array.
    """
    shape = tuple(tensor.shape)
    if len(shape) not in (2, 3, 4) or (is_one and len(shape) == 4):
        raise ValueError(
            f"a tensor of shape {shape}; expected (channels, height, width)"
            + ("" if is_one else " or (n_images, channels, height, width)")
        )
    if len(shape) > 2:
        _check_channels(shape, max_channels if is_one or len(shape) == 4 else max(_COLOURS))
    try:
        plain = tensor.detach().cpu()
        if plain.dtype.is_floating_point and plain.dtype.itemsize < 4:
            plain = plain.float()  # numpy has no bfloat16, and half is exact in 32 bits
        values = np.asarray(plain.numpy())
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"a tensor that is no plain array ({str(error).splitlines()[0]:.80})") from error
    return values if len(shape) == 2 else np.moveaxis(values, -3, -1)


def _check_channels(shape: tuple[int, ...], most: int) -> None:
    if 1 <= shape[-3] <= most:
        return
    if shape[-1] in _COLOURS:
        order = (2, 0, 1) if len(shape) == 3 else (0, 3, 1, 2)
        remedy = f"its channels stand last and torch has them first: tensor.permute{order}, or tensor.numpy()"
    elif len(shape) == 3:
        remedy = f"torch has channels first, here {shape[0]}; a batch of grey pictures is tensor.unsqueeze(1)"
    else:
        remedy = f"torch has channels first, here {shape[-3]}, and at most {most} are taken"
    raise ValueError(f"a tensor of shape {shape}; {remedy}")
