"""Ways to run the frozen part of a backbone: torch on the CPU, CUDA and MPS, OpenVINO on the CPU."""

from headstart.engines.protocol import Runner, make_runner

__all__ = ["Runner", "make_runner"]
