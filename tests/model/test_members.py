"""Members of an ensemble as files of a bundle: shared networks are stored once, trained ones as a difference."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.numpy import load as load_numpy
from safetensors.torch import load as load_torch

from headstart.model.members import MemberTensors, store_members

HEAD = {"weights": np.ones(3, dtype=np.float32)}


def tensors(*, changed: float = 0.0, names: tuple[str, ...] = ("stem", "last")) -> dict[str, torch.Tensor]:
    found = {name: torch.arange(4, dtype=torch.float32) for name in names}
    return {**found, names[-1]: found[names[-1]] + changed}


def member(**parts: Any) -> MemberTensors:
    return MemberTensors(**({"backbone": tensors(), "head": HEAD, "preparation": {}} | parts))


def test_a_network_of_several_members_is_stored_once() -> None:
    stored = store_members([member(), member(), member()])
    assert sorted(stored.content) == ["member-1.head.safetensors", "member-2.head.safetensors"]
    assert all(one["backbone"] == ["backbone.safetensors"] for one in stored.places)
    assert all(one["network"] is None and one["preparation"] is None for one in stored.places)
    assert np.array_equal(load_numpy(stored.content["member-1.head.safetensors"])["weights"], HEAD["weights"])


def test_of_a_trained_network_the_difference_is_stored_and_of_another_one_everything() -> None:
    other = tensors(names=("stem", "middle", "last"))
    tuned = member(backbone=tensors(changed=1.0))
    stored = store_members([member(), tuned, member(backbone=other), tuned])
    first, second, third = (one["backbone"] for one in stored.places)
    assert first == third == ["backbone.safetensors", "member-1.backbone.safetensors"]
    assert second == ["member-2.backbone.safetensors"] and "member-3.backbone.safetensors" not in stored.content
    difference = load_torch(stored.content["member-1.backbone.safetensors"])
    assert list(difference) == ["last"] and torch.equal(difference["last"], tensors(changed=1.0)["last"])
    assert sorted(load_torch(stored.content["member-2.backbone.safetensors"])) == ["last", "middle", "stem"]


def test_quantised_networks_and_what_preparations_learned_are_kept() -> None:
    learned = {"mean": np.zeros(3, dtype=np.float32)}
    stored = store_members(
        [member(network=b"one"), member(network=b"one"), member(network=b"two", preparation=learned)]
    )
    assert [one["network"] for one in stored.places] == ["network.safetensors", "member-2.network.safetensors"]
    assert stored.content["member-2.network.safetensors"] == b"two"
    assert list(load_numpy(stored.content[stored.places[1]["preparation"]])) == ["mean"]
