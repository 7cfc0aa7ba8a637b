"""Engines and precisions of this machine, and the one place where OpenVINO is first imported."""

from __future__ import annotations

import functools
import importlib.metadata
import platform
import shutil
import sys
from pathlib import Path
from typing import Any, Literal

import torch

_TELEMETRY = "openvino_telemetry"
INSTALL = 'pip install "headstart[fast]"'


def import_openvino() -> Any:
    """OpenVINO with its telemetry shut off.

    OpenVINO and nncf report their use to their makers through the package ``openvino_telemetry`` unless that cannot be
    imported, which is what they are made to believe here. Where the calling program has imported it before, its sender
    is made to send nothing.

    Raises
    ------
    ImportError
        When OpenVINO is not installed or cannot load.
    """
    silence_telemetry()
    import openvino

    return openvino


def silence_telemetry() -> None:
    """Make sure that neither OpenVINO nor nncf can report anything."""
    if sys.modules.setdefault(_TELEMETRY, None) is None:  # type: ignore[arg-type]  # None: import raises ImportError
        return
    from openvino_telemetry.utils.sender import TelemetrySender

    TelemetrySender.send = _send_nothing


def _send_nothing(*arguments: object) -> None:
    """Takes the place of the telemetry's sender."""


@functools.cache
def openvino_absence() -> str:
    """Why OpenVINO cannot be used here; empty when it can."""
    try:
        openvino = import_openvino()
        devices = openvino.Core().available_devices
    except (ImportError, OSError, RuntimeError) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == "openvino"
        return f"OpenVINO is not installed ({INSTALL})" if missing else f"OpenVINO cannot be loaded ({error})"
    return "" if "CPU" in devices else "OpenVINO finds no CPU that it can use"


@functools.cache
def openvino_precisions() -> tuple[str, ...]:
    """Precisions that OpenVINO computes on this CPU in hardware; none where it is absent."""
    if openvino_absence():
        return ()
    found = {str(name) for name in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")}
    names = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}
    return tuple(name for name, theirs in names.items() if theirs in found)


@functools.cache
def torch_precisions(device: str) -> tuple[str, ...]:
    """Precisions that torch computes on a device in hardware."""
    if device == "cuda":
        return ("fp32", "bf16", "fp16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp32", "fp16")
    if device == "mps" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return ("fp32",)
    return ("fp32", "bf16") if _has_bf16_instructions() else ("fp32",)


def onednn_computes_bf16() -> bool:
    """Whether oneDNN computes in bf16 here, be it by emulation, as on any processor with AVX-512."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _has_bf16_instructions() -> bool:
    """Whether the CPU multiplies bf16 numbers itself."""
    if not onednn_computes_bf16():
        return False
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return True
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def processor_instructions() -> dict[str, bool]:
    """Instructions of this CPU that decide how fast networks run, by name; on another architecture none is there."""
    return {
        "AVX2": bool(torch.cpu._is_avx2_supported()),
        "AVX-512": bool(torch.cpu._is_avx512_supported()),
        "AVX-512 VNNI (int8)": bool(torch.cpu._is_vnni_supported()),
        "AVX-512 bf16": bool(torch.cpu._is_avx512_bf16_supported()),
        "AMX": bool(torch.cpu._is_amx_tile_supported()),
    }


def training_precision(device: str) -> Literal["fp32", "bf16"]:
    """Precision in which a network is trained unless one is named: bf16 where the hardware has it, otherwise fp32.

    A rule, not a trial: what a clock decides differs from run to run, and with it every digit (docs/speed.md).

    Parameters
    ----------
    device : {"cpu", "cuda", "mps"}
        A number after a colon does not matter.

    Returns
    -------
    {"fp32", "bf16"}
    """
    return "bf16" if "bf16" in torch_precisions(device.partition(":")[0]) else "fp32"


def has_compiler() -> bool:
    """Whether there is a C++ compiler, which ``torch.compile`` needs."""
    return any(shutil.which(name) for name in ("g++", "clang++", "c++"))


@functools.cache
def build_facts(name: str, device: str) -> dict[str, Any]:
    """Versions and instructions that decide the last bit of what a library computes on a device."""
    facts: dict[str, Any] = {"torch": torch.__version__, "instructions": torch.backends.cpu.get_cpu_capability()}
    if device == "cuda":
        cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
        facts |= {"cuda": torch.version.cuda, "cudnn": cudnn, "gpu": torch.cuda.get_device_name()}
    if name == "openvino":
        facts |= {"openvino": importlib.metadata.version("openvino"), "cpu": processor_name()}
    return facts


@functools.cache
def processor_name() -> str:
    """The processor by name, as OpenVINO reads it; its kernels depend on its caches too."""
    if openvino_absence():
        return _name_by_the_system() or platform.processor() or platform.machine()
    return str(import_openvino().Core().get_property("CPU", "FULL_DEVICE_NAME")).strip()


def _name_by_the_system() -> str:
    """The processor as Linux names it; empty where it does not."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
