"""Backbones as chains of stages: equal to the library's own forward, cut in two, counted, and true to the papers."""

from __future__ import annotations

import copy
import doctest
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import helpers
import pytest
import torch
from torch import nn

from headstart.backbones.backbone import Backbone, load_backbone, restore_backbone
from headstart.backbones.build import build, pixels_of, staged
from headstart.backbones.complexity import count_multiply_adds, count_parameters
from headstart.backbones.describe import describe_backbone, list_backbones
from headstart.backbones.lazy_imports import import_timm, import_torchvision
from headstart.backbones.registry import ENTRIES, find_entry
from headstart.backbones.stages import StagedNetwork
from headstart.backbones.weights.hub_config import with_hub_config
from headstart.data import ImageDataset
from headstart.errors import InputError, WeightsError
from headstart.features.open import open_extractor
from headstart.workflow.job.sources import extraction_settings

GUIDE = Path(__file__).parents[2] / "docs" / "backbones.md"
SMALL_SIDE = {"inception_v3": 107, "inception_v4": 107, "inception_resnet_v2": 107, "xception": 96, "alexnet": 96}
DENSE = ("alexnet:fc", "vgg16:fc", "vgg19:fc")
TIMM = ("test_vit", "test_mambaout", "test_convnext", "test_nfnet", "mobilenetv3_small_050", "vit_tiny_patch16_224")


def noise(side: int, *, seed: int = 0, n_images: int = 1) -> torch.Tensor:
    return torch.randn(n_images, 3, side, side, generator=torch.Generator().manual_seed(seed))


def shaken(network: nn.Module, *, seed: int = 1) -> nn.Module:
    """The network with statistics of batch normalisation that are not those it was born with."""
    generator = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean.normal_(0, 0.1, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network


def filled(network: nn.Module) -> nn.Module:
    """The network with weights of a fitting size, others in every layer: to draw hundreds of millions takes seconds."""
    drawn = torch.randn(65_537, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        for number, (name, parameter) in enumerate(network.named_parameters()):
            if parameter.ndim < 2:
                parameter.fill_(float(name.endswith("weight")))
                continue
            scaled, flat = drawn.roll(number) * (2 / parameter[0].numel()) ** 0.5, parameter.view(-1)
            n_whole = len(flat) // len(drawn)
            flat[: n_whole * len(drawn)].view(n_whole, len(drawn)).copy_(scaled.expand(n_whole, -1))
            flat[n_whole * len(drawn) :] = scaled[: len(flat) % len(drawn)]
        for buffer in network.buffers():
            buffer.zero_()
    return network


# Equal to the library's own forward -----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=list(ENTRIES))
def built(request: pytest.FixtureRequest) -> Iterator[tuple[str, nn.Module]]:
    """One network after another, built once for all that is asked of it."""
    yield request.param, shaken(filled(build(find_entry(request.param), device="meta").to_empty(device="cpu")))


def test_chain_and_classifier_equal_the_network_bit_for_bit(built: tuple[str, nn.Module]) -> None:
    name, network = built
    images = noise(SMALL_SIDE.get(name, 64))
    kept = images.clone()
    chain = staged(network, find_entry(name))
    assert chain.natural
    with torch.inference_mode():
        expected = network(images)
        maps = chain.forward_features(images)
        outputs = []
        for stage in chain.stages:
            images = stage.module(images)
            outputs.append((images, images.clone()))
        assert torch.equal(chain.classifier(maps), expected)
    assert expected.shape == (1, 1000)
    assert float(expected.std()) > 0
    assert torch.equal(images, maps)
    assert all(torch.equal(output, copied) for output, copied in outputs), "a stage changed what it was given"
    assert torch.equal(kept, noise(SMALL_SIDE.get(name, 64)))


def test_every_parameter_belongs_to_one_stage_or_the_classifier(built: tuple[str, nn.Module]) -> None:
    name, network = built
    owners = [
        {id(parameter) for parameter in stage.module.parameters()} for stage in staged(network, find_entry(name)).stages
    ]
    everything = {id(parameter) for parameter in network.parameters()}
    assert sum(map(len, owners)) == len(set().union(*owners))
    left = [name for name, parameter in network.named_parameters() if id(parameter) not in set().union(*owners)]
    assert set().union(*owners) < everything
    dense = ("pre_logits.", "classifier.1.", "classifier.4.", "classifier.6.", "head.fc.")
    assert all(part.startswith((*dense, "classifier.", "fc.", "last_linear.", "classif.")) for part in left), left


def test_old_dense_layers_are_a_stage_of_their_own(built: tuple[str, nn.Module]) -> None:
    name, network = built
    if f"{name}:fc" not in DENSE:
        with pytest.raises(InputError, match="has no dense layers"):
            find_entry(f"{name}:fc")
        return
    entry = find_entry(f"{name}:fc")
    chain, images = staged(network, entry), noise(64)
    with torch.inference_mode():
        expected = network(images)
        features = chain.pool(chain.forward_features(images))
        assert torch.equal(chain.classifier(chain.forward_features(images)), expected)
        rest = network.classifier[6] if name == "alexnet" else network.head.fc
        assert torch.equal(rest(features), expected)
    assert chain.names[-1] == "fc"
    assert features.shape == (1, 4096) == (1, entry.feature_width)
    assert float(features.min()) == 0  # after the ReLU


def test_auxiliary_classifiers_take_no_part() -> None:
    models = import_torchvision().models
    timm = import_timm()
    google = shaken(models.googlenet(weights=None, aux_logits=True, init_weights=True, transform_input=True).eval())
    inception = shaken(timm.create_model("inception_v3", aux_logits=True).eval())
    for name, network, side in (("googlenet", google, 64), ("inception_v3", inception, 299)):
        chain, images = staged(network, find_entry(name)), noise(side)
        with torch.inference_mode():
            found, expected = chain.classifier(chain.forward_features(images)), network(images)
            assert torch.equal(found, expected[0] if name == "inception_v3" else expected), name
        assert [part for part in network.state_dict() if "aux" in part.lower()]
        chain.drop_classifier()
        assert not [part for part in network.state_dict() if "aux" in part.lower() or part.startswith("fc.")]


@pytest.mark.parametrize("name", TIMM)
def test_other_networks_of_timm_fall_into_their_parts(name: str) -> None:
    entry = find_entry(name)
    network = shaken(build(entry, seed=2))
    chain, images = staged(network, entry), noise(pixels_of(entry, network).input_size[0], n_images=2)
    with torch.inference_mode():
        expected, pooled = network(images), network.forward_head(network.forward_features(images), pre_logits=True)
        maps = images
        for stage in chain.stages:
            before = maps.clone()
            outputs = stage.module(maps)
            assert torch.equal(maps, before), f"{stage.name} changed what it was given"
            maps = outputs
        assert torch.equal(chain.forward_features(images), maps)
        assert torch.equal(chain.classifier(maps), expected)
        assert torch.equal(chain.pool(maps), pooled)
    assert chain.natural
    assert len(chain.stages) > 4


def test_rotations_reach_the_blocks_of_a_transformer_of_dinov3s_kind() -> None:
    """timm's Eva hands every block its rotations, also a mixed one's by depth and for an image of another size."""
    eva = import_timm().models.eva.Eva
    small = {"img_size": 64, "patch_size": 16, "embed_dim": 48, "depth": 3, "num_heads": 4, "num_classes": 7}
    for settings, side in (
        ({"use_rot_pos_emb": True, "dynamic_img_size": True, "use_abs_pos_emb": False}, 96),
        ({"use_rot_pos_emb": True}, 64),
        ({"use_rot_pos_emb": True, "rope_type": "mixed"}, 64),
        ({"use_rot_pos_emb": False}, 64),
    ):
        torch.manual_seed(0)
        network = eva(**small, **settings).eval()
        network.pretrained_cfg = {"input_size": (3, 64, 64)}
        chain = staged(network, find_entry("test_vit"))
        assert chain.names == ("embedding", "block1", "block2", "block3", "norm"), settings
        with torch.inference_mode():
            assert torch.equal(chain.classifier(chain.forward_features(noise(side))), network(noise(side)))


class Tangled(nn.Module):
    """Parts whose order is not the order of the forward pass."""

    pretrained_cfg = {"input_size": (3, 16, 16)}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.second, self.first, self.head = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1), nn.Linear(3, 5)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(images).relu())

    def forward_head(self, maps: torch.Tensor, pre_logits: bool = False) -> torch.Tensor:
        return maps.mean((2, 3)) if pre_logits else self.head(maps.mean((2, 3)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(images))


def test_parts_that_are_no_chain_are_not_taken_for_one() -> None:
    network = Tangled().eval()
    chain = staged(network, find_entry("test_vit"))
    assert (chain.names, chain.natural) == (("body",), False)
    with torch.inference_mode():
        assert torch.equal(chain.classifier(chain.forward_features(noise(16))), network(noise(16)))


class InPlace(Tangled):
    """A chain whose second part would change the output of the first."""

    def __init__(self) -> None:
        super().__init__()
        del self.second, self.first, self.head
        self.first, self.second, self.head = nn.Conv2d(3, 3, 1), nn.ReLU(inplace=True), nn.Linear(3, 5)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(images))


def test_a_stage_that_works_in_place_is_given_a_copy() -> None:
    network = InPlace().eval()
    chain = staged(network, find_entry("test_vit"))
    assert (chain.names, chain.natural) == (("first", "second"), True)
    with torch.inference_mode():
        first = chain.forward_features(noise(16), until="first")
        kept = first.clone()
        last = chain.stages[1].module(first)
        assert torch.equal(first, kept)
        assert torch.equal(last, network.forward_features(noise(16)))
    assert [name for name, _ in network.named_parameters()] == [
        "first.weight",
        "first.bias",
        "head.weight",
        "head.bias",
    ]


# Cut in two -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def chain() -> StagedNetwork:
    return staged(shaken(build(find_entry("resnet18"), seed=4)), find_entry("resnet18"))


@pytest.mark.parametrize("stage", [None, "stem", "layer2", "layer4"])
def test_frozen_then_trainable_equals_the_whole(chain: StagedNetwork, stage: str | None) -> None:
    frozen, trainable = chain.cut(stage)
    with torch.inference_mode():
        assert torch.equal(trainable(frozen(noise(64))), chain.forward_features(noise(64)))
    learning = {id(parameter) for parameter in chain.network.parameters() if parameter.requires_grad}
    assert learning == {id(parameter) for parameter in trainable.parameters()}
    assert not any(parameter.requires_grad for parameter in frozen.parameters())
    assert len(list(frozen.parameters())) + len(list(trainable.parameters())) + 2 == len(
        list(chain.network.parameters())
    )


def test_until_gives_the_output_of_a_stage(chain: StagedNetwork) -> None:
    frozen, _ = chain.cut("layer3")
    with torch.inference_mode():
        assert torch.equal(chain.forward_features(noise(64), until="layer3"), frozen(noise(64)))


def test_training_changes_the_trainable_part_alone(chain: StagedNetwork) -> None:
    frozen, trainable = chain.cut("layer3")
    frozen.train()
    trainable.train()
    before = copy.deepcopy(chain.network.state_dict())
    optimizer = torch.optim.SGD(trainable.parameters(), lr=0.1)
    trainable(frozen(noise(64, n_images=2))).square().mean().backward()
    optimizer.step()
    changed = {name for name, tensor in chain.network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("layer4.") for name in changed)
    assert not [name for name in changed if "running" in name or "tracked" in name]


def test_norms_learn_their_statistics_only_on_request(chain: StagedNetwork) -> None:
    frozen, trainable = chain.cut("layer3", update_norms=True)
    frozen.train()
    trainable.train()
    before = copy.deepcopy(chain.network.state_dict())
    trainable(frozen(noise(64, n_images=2)))
    changed = {name for name, tensor in chain.network.state_dict().items() if not torch.equal(tensor, before[name])}
    assert changed
    assert all(name.startswith("layer4.") and ("running" in name or "tracked" in name) for name in changed)


def test_unknown_stage_lists_the_close_matches(chain: StagedNetwork) -> None:
    with pytest.raises(InputError, match=r"Unknown stage 'layer5'\. Did you mean 'layer\d'"):
        chain.cut("layer5")
    with pytest.raises(InputError, match="Known: layer1, layer2, layer3, layer4, stem"):
        chain.forward_features(noise(32), until="block1")


# Facts of the registry ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def outlines() -> dict[str, nn.Module]:
    """Every named network without memory for its weights."""
    return {name: build(entry, device="meta") for name, entry in ENTRIES.items()}


@pytest.mark.parametrize("name", [*ENTRIES, *DENSE])
def test_facts_are_those_of_the_network(name: str, outlines: dict[str, nn.Module]) -> None:
    entry = find_entry(name)
    network = build(entry, device="meta") if entry.dense else outlines[name]
    images = torch.zeros(1, 3, entry.input_size, entry.input_size, device="meta")
    assert count_parameters(network) == entry.n_parameters
    assert count_multiply_adds(network, images)[0] == entry.multiply_adds
    assert pixels_of(entry, network).input_size == (entry.input_size, entry.input_size)
    chain = staged(network, entry)
    features = chain.pool(chain.forward_features(images))
    assert tuple(features.shape) == (1, entry.feature_width)


def test_facts_of_weights_are_those_of_the_libraries() -> None:
    timm = import_timm()
    models = import_torchvision().models
    for entry in ENTRIES.values():
        if entry.library == "timm":
            config = timm.get_pretrained_cfg(entry.library_name)
            assert entry.hub_id == config.hf_hub_id
            assert entry.licence == config.license or entry.package
            known = {config.url or None}
        else:
            assert entry.hub_id is None
            known = set()
        name = entry.library_name.partition(".")[0]
        if name in models.list_models():
            known |= {weights.url for weights in models.get_model_weights(name)}
        assert entry.weights_url in known, entry.name
        if entry.weights_url is not None:
            assert entry.weights_url.endswith(f"-{entry.sha256_prefix}.pth")
        assert entry.year
        assert "arXiv:" in entry.paper


def test_preprocessing_is_the_libraries_own() -> None:
    models = import_torchvision().models
    for name in ("alexnet", "googlenet"):
        transform = next(iter(models.get_model_weights(name))).transforms()
        pixels = pixels_of(find_entry(name), nn.Identity())
        assert pixels.input_size == (transform.crop_size[0],) * 2
        assert pixels.interpolation == transform.interpolation.value
        assert pixels.crop_fraction == transform.crop_size[0] / transform.resize_size[0]
    alexnet = pixels_of(find_entry("alexnet"), nn.Identity())
    assert (list(alexnet.mean), list(alexnet.std)) == (transform.mean, transform.std)


def test_normalisation_of_googlenet_is_what_torchvision_does_inside() -> None:
    """torchvision's weights of GoogLeNet are used with `transform_input`, which comes to mean and deviation of 0.5."""
    network = import_torchvision().models.googlenet(
        weights=None, transform_input=True, aux_logits=False, init_weights=True
    )
    pixels = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    mean, deviation = (
        torch.tensor(values).view(1, 3, 1, 1) for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    torch.testing.assert_close(network._transform_input((pixels - mean) / deviation), (pixels - 0.5) / 0.5)
    own = pixels_of(find_entry("googlenet"), network)
    assert own.mean == own.std == (0.5, 0.5, 0.5)


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from headstart.backbones.describe import list_backbones; list_backbones(); "
        "from headstart.backbones.registry import find_entry; "
        "find_entry('vgg19:fc'); print(sorted({'torch', 'timm', 'torchvision', 'numpy'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"
    assert {row["name"] for row in list_backbones()} == set(ENTRIES)


# The papers' facts ----------------------------------------------------------------------------------------------------


def layers(network: nn.Module, *kinds: type[nn.Module]) -> list[nn.Module]:
    return [module for module in network.modules() if isinstance(module, kinds)]


def test_alexnet_has_5_convolutional_and_3_dense_layers(outlines: dict[str, nn.Module]) -> None:
    network = outlines["alexnet"]
    assert (len(layers(network, nn.Conv2d)), len(layers(network, nn.Linear))) == (5, 3)
    assert round(ENTRIES["alexnet"].n_parameters / 1e6) == 61
    first = layers(network, nn.Conv2d)[0]
    assert (first.out_channels, first.groups) == (64, 1)  # the network of 2012: 96, in two columns


@pytest.mark.parametrize(("name", "n_layers", "millions"), [("vgg16", 16, 138), ("vgg19", 19, 144)])
def test_vgg_has_as_many_trainable_layers_as_its_name_says(
    outlines: dict[str, nn.Module], name: str, n_layers: int, millions: int
) -> None:
    assert len(layers(outlines[name], nn.Conv2d, nn.Linear)) == n_layers
    assert round(ENTRIES[name].n_parameters / 1e6) == millions


def test_the_134_million_of_the_paper_are_vgg16_without_its_last_layer() -> None:
    assert round((ENTRIES["vgg16"].n_parameters - 4096 * 1000 - 1000) / 1e6) == 134


def test_xception_has_36_convolutions_in_14_modules(outlines: dict[str, nn.Module]) -> None:
    """A separable convolution counts once, and the 1x1 convolutions beside a module not at all."""
    network = outlines["xception"]
    chain = staged(network, ENTRIES["xception"])
    assert chain.names == tuple(f"module{number}" for number in range(1, 15))
    separable = [name for name, module in network.named_modules() if type(module).__name__ == "SeparableConv2d"]
    plain = [name for name, module in network.named_modules() if name in {"conv1", "conv2"}]
    assert len(separable) + len(plain) == 36
    beside = [
        name for name, module in network.named_modules() if name.endswith("skip") and isinstance(module, nn.Conv2d)
    ]
    assert len(layers(network, nn.Conv2d)) == 2 * len(separable) + len(plain) + len(beside)


def test_resnet152_is_deeper_than_vgg19_yet_cheaper(outlines: dict[str, nn.Module]) -> None:
    network = outlines["resnet152"]
    weighted = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len([name for name in weighted if "downsample" not in name]) == 152
    assert ENTRIES["resnet152"].multiply_adds < 0.6 * ENTRIES["vgg19"].multiply_adds


def test_densenet121_has_blocks_of_6_12_24_16_layers(outlines: dict[str, nn.Module]) -> None:
    features = outlines["densenet121"].features
    assert [len(getattr(features, f"denseblock{number}")) for number in (1, 2, 3, 4)] == [6, 12, 24, 16]
    convolutions = layers(outlines["densenet121"], nn.Conv2d)
    assert len(convolutions) + 1 == 121


def test_googlenet_is_9_to_11_times_smaller_than_alexnet(outlines: dict[str, nn.Module]) -> None:
    """Szegedy et al. say 12 times fewer parameters than the winner of 2012; that needs 5 M, here are 6.6 M."""
    whole, alexnet = ENTRIES["googlenet"].n_parameters, ENTRIES["alexnet"].n_parameters
    base = whole - count_parameters(outlines["googlenet"].fc)
    assert round(alexnet / whole, 1) == 9.2
    assert round(alexnet / base, 1) == 10.9
    assert round(ENTRIES["vgg16"].n_parameters / whole, 1) == 20.9


# Counting -------------------------------------------------------------------------------------------------------------


def by_hooks(network: nn.Module, images: torch.Tensor) -> int:
    """Multiply-adds of convolutions and dense layers, added up one layer at a time."""
    counts: list[int] = []

    def convolution(module: nn.Conv2d, _: object, output: torch.Tensor) -> None:
        counts.append(output.numel() * module.weight[0].numel())

    def dense(module: nn.Linear, _: object, output: torch.Tensor) -> None:
        counts.append(output.numel() * module.in_features)

    for module in layers(network, nn.Conv2d):
        module.register_forward_hook(convolution)
    for module in layers(network, nn.Linear):
        module.register_forward_hook(dense)
    network(images)
    return sum(counts)


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "xception", "densenet121", "efficientnet_lite2"])
def test_multiply_adds_are_those_counted_layer_by_layer(name: str) -> None:
    entry = find_entry(name)
    images = torch.zeros(1, 3, entry.input_size, entry.input_size, device="meta")
    assert by_hooks(build(entry, device="meta"), images) == entry.multiply_adds


def test_attention_is_counted() -> None:
    """Beside its dense layers every block multiplies queries by keys and the result by values."""
    entry = find_entry("test_vit")
    network = build(entry)
    images = torch.zeros(1, 3, 160, 160)
    n_tokens, width, depth = 101, network.embed_dim, len(network.blocks)
    products = 2 * n_tokens**2 * width * depth
    stages = {info.name: info for info in staged(network, entry).describe((160, 160))}
    counted = sum(info.multiply_adds for info in stages.values()) + width * 1000
    assert counted == by_hooks(network, images) + products
    assert stages["block1"].output_shape == (n_tokens, width)
    assert stages["block1"].stride == 16
    assert stages["block1"].channels == width


def test_stages_are_described_without_weights() -> None:
    found = {info.name: info for info in describe_backbone("vgg19").stages}
    assert [info.stride for info in found.values()] == [2, 4, 8, 16, 32]
    assert [info.channels for info in found.values()] == [64, 128, 256, 512, 512]
    assert found["block1"].n_parameters == 3 * 64 * 9 + 64 + 64 * 64 * 9 + 64
    assert found["block1"].multiply_adds == 224 * 224 * (3 * 64 * 9 + 64 * 64 * 9)
    assert found["block5"].to_json()["output_shape"] == [512, 7, 7]
    smaller = describe_backbone("vgg19", input_size=(96, 160)).stages
    assert smaller[-1].output_shape == (512, 3, 5)


def test_counts_on_the_processor_are_those_without_memory() -> None:
    entry = find_entry("resnet18")
    assert staged(build(entry), entry).describe((64, 64)) == describe_backbone(entry.name, input_size=(64, 64)).stages


# Backbones ------------------------------------------------------------------------------------------------------------


def features(backbone: Backbone, *, side: int | None = None) -> torch.Tensor:
    pixels = helpers.noise(2, side=side or backbone.input_size[0])[:, :, : side or backbone.input_size[1]]
    with torch.inference_mode():
        return backbone.module(backbone.normalise(pixels, torch.device("cpu")))


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "densenet121", "googlenet"])
def test_features_are_the_mean_of_the_last_stage(name: str) -> None:
    backbone = load_backbone(name, weights="random")
    pixels = helpers.noise(2, side=64)[:, :, :64]
    images = backbone.normalise(pixels, torch.device("cpu"))
    with torch.inference_mode():
        maps = backbone.staged.forward_features(images)
        assert torch.equal(backbone.module(images), maps.mean(dim=(2, 3)))
        if hasattr(backbone.module.network, "forward_features"):
            assert torch.equal(maps, backbone.module.network.forward_features(images))
    assert maps.shape[1] == backbone.feature_width
    assert backbone.stage == backbone.staged.names[-1]
    assert backbone.staged.classifier is None


def test_vgg_features_are_512_numbers_and_the_dense_ones_are_kept_apart() -> None:
    held = {}
    for name in ("vgg13_bn", "vgg13_bn:fc"):
        entry = find_entry(name)
        chain = staged(build(entry, device="meta"), entry)
        chain.drop_classifier()
        features = chain.pool(chain.forward_features(torch.zeros(2, 3, 64, 64, device="meta")))
        held[chain.names[-1]] = (features.shape[1], {name.partition(".")[0] for name in chain.network.state_dict()})
    assert held == {"block5": (512, {"features"}), "fc": (4096, {"features", "pre_logits"})}


def test_no_dense_layers_where_there_are_none() -> None:
    with pytest.raises(InputError, match=r"no 'resnet50:fc'\. There is alexnet:fc, vgg16:fc, vgg19:fc"):
        find_entry("resnet50:fc")


@pytest.mark.parametrize("name", ["alexnet:fc", "googlenet", "test_vit", "test_convnext", "test_mambaout"])
def test_restored_equals_original_and_a_copy_stands_alone(name: str) -> None:
    original = load_backbone(name, weights="random", seed=9)
    restored = restore_backbone(name, original.state(), original.weights, source="bundle")
    copied = copy.deepcopy(original.module)
    found = features(original)
    assert torch.equal(features(restored), found)
    with torch.no_grad():
        for parameter in original.module.parameters():
            parameter.zero_()
    assert not torch.equal(features(original), found)
    pixels = helpers.noise(2, side=original.input_size[0])[:, :, : original.input_size[1]]
    with torch.inference_mode():
        assert torch.equal(copied(original.normalise(pixels, torch.device("cpu"))), found)


def test_input_size_is_changed_where_the_network_allows() -> None:
    load_backbone("test_resnet", weights="random").check_takes((96, 64))
    fixed = load_backbone("vit_tiny_patch16_224", weights="random")
    fixed.check_takes((224, 224))
    with pytest.raises(InputError, match=r"'vit_tiny_patch16_224' cannot take images of 96 x 96 .* at 224 x 224"):
        fixed.check_takes((96, 96))
    with pytest.raises(InputError, match=r"'inception_v3' cannot take images of 32 x 32 pixels"):
        load_backbone("inception_v3", weights="random").check_takes((32, 32))


def test_an_input_size_that_does_not_fit_is_refused_before_a_run_begins() -> None:
    options = helpers.options(backbone="vit_tiny_patch16_224", input_size=96)
    with pytest.raises(InputError, match=r"cannot take images of 96 x 96 pixels \(Input height .* 224 x 224"):
        open_extractor(extraction_settings(options, ImageDataset.from_arrays(helpers.noise(2), ["a", "b"])))


# Names ----------------------------------------------------------------------------------------------------------------


def test_close_matches_are_named_once() -> None:
    with pytest.raises(InputError, match=r"Unknown backbone 'densnet121'\. Did you mean 'densenet121', 'densenet2"):
        find_entry("densnet121")


def test_timm_names_with_and_without_tags() -> None:
    assert find_entry("resnet50.a1_in1k").hub_id == "timm/resnet50.a1_in1k"
    assert find_entry("convnext_tiny").input_size == 224
    with pytest.raises(InputError, match=r"Unknown backbone 'resnet50\.tv_in2k'\. Did you mean .*'resnet50\.tv_in1k'"):
        find_entry("resnet50.tv_in2k")


@pytest.mark.parametrize("name", ["hf-hub:", "hf-hub:timm", "hf-hub:../x", "hf-hub:a/b/c", "hf-hub:timm/x y"])
def test_hub_ids_are_checked(name: str) -> None:
    with pytest.raises(InputError, match="Expected hf-hub:OWNER/MODEL"):
        find_entry(name)


HUB_NAME = "hf-hub:someone/cells"


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The local cache of the hub with one model's configuration."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = tmp_path / "models--someone--cells"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    folder = repository / "snapshots" / commit
    folder.mkdir(parents=True)
    config = {
        "architecture": "test_resnet",
        "num_classes": 7,
        "num_features": 96,
        "pretrained_cfg": {
            "input_size": [3, 64, 64],
            "mean": [0.1, 0.2, 0.3],
            "std": [0.5, 0.5, 0.5],
            "num_classes": 7,
        },
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder / "config.json"


def test_a_hub_network_is_built_from_its_own_configuration(hub_cache: Path) -> None:
    entry = with_hub_config(find_entry(HUB_NAME), offline=True)
    assert count_parameters(build(entry).fc) == 97 * 7
    backbone = load_backbone(HUB_NAME, weights="random", offline=True)
    assert backbone.input_size == (64, 64)
    assert backbone.mean == (0.1, 0.2, 0.3)
    assert backbone.feature_width == 96


def test_a_hub_network_is_restored_without_the_hub(hub_cache: Path) -> None:
    original = load_backbone(HUB_NAME, weights="random", offline=True)
    hub_cache.unlink()
    restored = restore_backbone(
        HUB_NAME, original.state(), original.weights, source="bundle", hub_config=original.hub_config
    )
    assert torch.equal(features(restored), features(original))
    assert restored.mean == original.mean
    with pytest.raises(WeightsError, match=r"hf-hub:someone/cells: its config\.json is not in the local .* cache"):
        load_backbone(HUB_NAME, weights="random", offline=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "config.json is damaged"),
        ("[]", "names no architecture"),
        ('{"architecture": "no_such_network"}', "timm cannot build its architecture 'no_such_network'"),
        (
            '{"architecture": "test_resnet", "num_classes": 2, "model_args": {"in_chans": 1}, '
            '"pretrained_cfg": {"input_size": [1, 64, 64], "mean": [0.5], "std": [0.5]}}',
            "takes images of 1 channels; headstart gives it three",
        ),
    ],
)
def test_damaged_hub_configurations_are_refused(hub_cache: Path, content: str, message: str) -> None:
    hub_cache.write_text(content)
    with pytest.raises(InputError, match=message):
        load_backbone(HUB_NAME, weights="random", offline=True)


# Documentation --------------------------------------------------------------------------------------------------------


def test_examples_of_the_documentation_run() -> None:
    found = doctest.testfile(str(GUIDE), module_relative=False, verbose=False)
    assert found.attempted
    assert not found.failed


def test_tables_of_the_documentation_are_those_of_the_code(outlines: dict[str, nn.Module]) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    for entry in ENTRIES.values():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{entry.name}` |"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        network = outlines[entry.name]
        stages, pixels = staged(network, entry).names, pixels_of(entry, network)
        expected = [
            f"`{entry.name}`",
            f"{entry.n_parameters / 1e6:.1f} M",
            f"{entry.multiply_adds / 1e9:.2f} G",
            str(entry.input_size),
            pixels.interpolation,
            "ImageNet" if pixels.mean[0] != 0.5 else "0.5",
            f"{pixels.crop_fraction:.3f}",
            f"`{stages[-1]}`",
            str(entry.feature_width),
        ]
        assert cells == expected
