"""Threads and precision of a block, put back when it ends, however it ends."""

from __future__ import annotations

import pytest
import threadpoolctl
import torch

from headstart.runtime.precision import full_precision
from headstart.runtime.threads import single_blas_thread, single_thread, torch_threads


def n_blas_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}


def test_torch_has_its_threads_back_after_an_error() -> None:
    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="inside"), torch_threads(before + 1):
        assert torch.get_num_threads() == before + 1
        raise ValueError("inside")
    assert torch.get_num_threads() == before


def test_a_single_thread_holds_torch_and_blas() -> None:
    with torch_threads(2), threadpoolctl.threadpool_limits(2, user_api="blas"):
        assert n_blas_threads() == {2}
        with single_thread():
            assert torch.get_num_threads() == 1
            assert n_blas_threads() == {1}
        assert torch.get_num_threads() == 2 and n_blas_threads() == {2}


def test_blas_has_its_threads_back_after_work_that_had_threads_of_its_own() -> None:
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        with pytest.raises(ZeroDivisionError), single_blas_thread():
            assert n_blas_threads() == {1}
            raise ZeroDivisionError
        assert n_blas_threads() == {2}


def test_full_precision_shuts_tensor_floats_off_and_puts_them_back() -> None:
    matmul = torch.backends.cuda.matmul
    before, matmul.allow_tf32 = matmul.allow_tf32, True
    try:
        with full_precision():
            assert not matmul.allow_tf32
            assert not torch.backends.cudnn.allow_tf32
            assert torch.backends.cudnn.deterministic
        assert matmul.allow_tf32
    finally:
        matmul.allow_tf32 = before
