"""Files of a bundle: written without a pickle, the manifest last, and checked byte by byte before any is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from headstart.errors import BundleError
from headstart.storage import (
    file_bytes,
    hash_file,
    hash_json,
    json_bytes,
    parsed_json,
    replacing,
    write_bytes,
    write_json,
)
from headstart.version import __version__

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

BUNDLE_FORMAT: Final = 10  # of several heads, one of which tells unlike images
MANIFEST: Final = "manifest.json"
DESCRIPTION: Final = "model.json"
BACKBONE: Final = "backbone.safetensors"
HEAD: Final = "head.safetensors"
NETWORK: Final = "network.safetensors"
PREPARATION: Final = "preparation.safetensors"
NOVELTY: Final = "novelty.safetensors"
_CONTENT: Final = (DESCRIPTION, BACKBONE, HEAD)
_PLAIN_FORMAT: Final = 4  # of a bundle whose preparation learned nothing, which older versions read too
_FITTED_FORMAT: Final = 5  # of one whose preparation learned something
_BLOCKS_FORMAT: Final = 6  # of one with feature blocks
_ENSEMBLE_FORMAT: Final = 7  # of an ensemble
_NOVELTY_FORMAT: Final = 8  # of one head that tells unlike images
_ORDER_FORMAT: Final = 9  # of ordered classes or a rule of classes
MEMBER_PREFIX: Final = "member-"
"""Start of the names of files that only further members of an ensemble need."""


def write_bundle(
    folder: Path,
    description: Mapping[str, Any],
    *,
    backbone: Mapping[str, torch.Tensor],
    head: Mapping[str, NDArray[Any]],
    network: bytes | None = None,
    preparation: Mapping[str, NDArray[Any]] | None = None,
    has_blocks: bool = False,
    has_order: bool = False,
    members: Mapping[str, bytes] | None = None,
    novelty: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Write a bundle; the manifest is written last, so a half-written bundle is never taken for a whole one.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    description : Mapping
        Content of ``model.json``.
    backbone, head : Mapping
        Tensors of the network and arrays of the head.
    network : bytes, optional
        The quantised network of an int8 engine.
    preparation : Mapping, optional
        What the preparation of the images learned; empty or None where nothing of it is fitted.
    has_blocks : bool
        The head takes other features than the pooled output of the last stage.
    has_order : bool
        The classes are ordered, or a rule decides on the class.
    members : Mapping, optional
        Content of the files of an ensemble's further members, by names that begin with `MEMBER_PREFIX`; None where
        there are none.
    novelty : Mapping, optional
        Arrays by which images unlike the training images are told; None where they are not.

    Raises
    ------
    StorageError
        When the disk refuses.
    """
    from safetensors.numpy import save as save_numpy
    from safetensors.torch import save as save_torch

    write_json(folder / DESCRIPTION, dict(description))
    for name, content in ((BACKBONE, save_torch(dict(backbone))), (HEAD, save_numpy(dict(head)))):
        with replacing(folder / name) as handle:
            handle.write(content)
    names: tuple[str, ...] = _CONTENT
    if network is not None:
        write_bytes(folder / NETWORK, network)
        names = (*_CONTENT, NETWORK)
    if preparation:
        write_bytes(folder / PREPARATION, save_numpy(dict(preparation)))
        names = (*names, PREPARATION)
    for name, kept in (members or {}).items():
        write_bytes(folder / name, kept)
        names = (*names, name)
    if novelty is not None:
        write_bytes(folder / NOVELTY, save_numpy(dict(novelty)))
        names = (*names, NOVELTY)
    hashes = {name: hash_file(folder / name) for name in names}
    version = _BLOCKS_FORMAT if has_blocks else _FITTED_FORMAT if preparation else _PLAIN_FORMAT
    if members is not None:
        version = _ENSEMBLE_FORMAT
    if novelty is not None:
        version = _NOVELTY_FORMAT
    if has_order:
        version = _ORDER_FORMAT
    if novelty is not None and members is not None:
        version = BUNDLE_FORMAT
    manifest = {"format": version, "headstart": __version__, "files": hashes}
    write_json(folder / MANIFEST, {**manifest, "sha256": hash_json(manifest)})


def find_bundle(path: Path) -> Path:
    """Folder of the bundle at a path: itself, or that of the run folder that holds one."""
    inner = path / "model"
    return inner if not (path / MANIFEST).is_file() and (inner / MANIFEST).is_file() else path


def check_manifest(folder: Path) -> None:
    """Refuse a bundle unless every file is there with the bytes that were written, in a format this version knows.

    Raises
    ------
    BundleError
        Naming the file that is missing or changed, or the newer version that wrote it.
    """
    for name, sha256 in check_file_list(folder).items():
        if hash_file(folder / name) != sha256:
            raise BundleError(
                f"{folder / name}: the content was changed or damaged. Fit the model again or take a whole copy."
            )


def check_file_list(folder: Path) -> dict[str, str]:
    """Hash that every file of a bundle was written with; their content is not read, so that this takes no time.

    Raises
    ------
    BundleError
        When the manifest is missing, damaged or of a newer version, or a file that it names is not there.
    """
    if not (folder / MANIFEST).is_file():
        raise BundleError(f"{folder} holds no model ({MANIFEST} is missing). Give RUN/model of a finished run.")
    manifest = read_json(folder / MANIFEST)
    if type(manifest.get("format")) is int and manifest["format"] > BUNDLE_FORMAT:
        raise BundleError(
            f"{folder / MANIFEST}: made by headstart {manifest.get('headstart')}, whose bundles (format "
            f"{manifest['format']}) are newer than this version ({__version__}, format {BUNDLE_FORMAT}) reads. "
            "Install a newer headstart."
        )
    if not _is_as_written(folder / MANIFEST, manifest):
        raise BundleError(f"{folder / MANIFEST}: the file was changed. Fit the model again or take a whole copy.")
    for name in manifest["files"]:
        if not (folder / name).is_file():
            raise BundleError(f"{folder / name}: the file is missing. Fit the model again or take a whole copy.")
    return dict(manifest["files"])


def _is_as_written(path: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether a manifest carries its own hash, names the right files and has the bytes that `write_bundle` writes."""
    signed = {name: value for name, value in manifest.items() if name != "sha256"}
    try:
        whole = file_bytes(path) == json_bytes(manifest) and manifest.get("sha256") == hash_json(signed)
    except ValueError:  # NaN, a lone surrogate, nesting without end
        return False
    files, known = manifest.get("files"), type(manifest.get("format")) is int
    if not (whole and known and isinstance(files, dict)):
        return False
    own = {name for name in files if not name.startswith(MEMBER_PREFIX)}
    return own - {NETWORK, PREPARATION, NOVELTY} == set(_CONTENT) and all(Path(name).name == name for name in files)


def read_json(path: Path) -> dict[str, Any]:
    """Content of a JSON file of a bundle.

    Raises
    ------
    BundleError
        When it cannot be read or is not an object.
    """
    try:
        content = parsed_json(file_bytes(path).decode())
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error}). Fit the model again or take a whole copy.") from error
    if not isinstance(content, dict):
        raise BundleError(f"{path}: is not an object. Fit the model again or take a whole copy.")
    return content
