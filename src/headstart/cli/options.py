"""Options that several verbs share, said once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Apply decorators so that help lists their options in the order given."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


data_argument = click.argument("data", type=click.Path())
quiet_option = click.option("-q", "--quiet", is_flag=True, help="No progress bars.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
seed_option = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
threads_option = click.option(
    "--threads",
    type=click.IntRange(1, 256),
    default=None,
    help="Threads and worker processes. [default: all processors]",
)
device_option = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda", "mps"]),
    default="auto",
    show_default=True,
    help="Where networks run.",
)
weights_option = click.option(
    "--weights",
    default=None,
    help="File of weights, or random. [default: shipped, added, cached, or (for a named backbone) downloaded]",
)
offline_option = click.option("--offline", is_flag=True, help="Never touch the network.")
cache_folder_option = click.option(
    "--cache",
    "cache_folder",
    type=click.Path(),
    default=None,
    help="Cache folder. [default: $HEADSTART_CACHE or the user's]",
)
cache_options = _together(
    cache_folder_option,
    click.option("--no-cache", is_flag=True, help="Keep features in the run folder only."),
)
cache_limit_option = click.option(
    "--cache-limit",
    default=None,
    metavar="SIZE",
    help="Size beyond which the cache drops what was not used for longest. [default: $HEADSTART_CACHE_LIMIT, or 20GB]",
)
machine_options = _together(device_option, threads_option, offline_option, cache_options, cache_limit_option)

data_options = _together(
    click.option(
        "--group-from",
        metavar="REGEX",
        default=None,
        help="Take the group from the path: what the first parenthesis matches.",
    ),
    click.option("--image-column", default=None, help="Manifest column of the image path. [default: image]"),
    click.option("--label-column", default=None, help="Manifest column of the class. [default: label]"),
    click.option("--group-column", default=None, help="Manifest column of the group. [default: group, if there]"),
    click.option("--weight-column", default=None, help="Manifest column of the weight. [default: weight, if there]"),
    click.option("--fold-column", default=None, help="Manifest column of your own folds. [default: fold, if there]"),
    click.option("--soft-prefix", default=None, help="Start of the columns of soft labels. [default: p:, if there]"),
    click.option("--rater-column", default=None, help="Manifest column of the rater. [default: rater, if there]"),
    click.option(
        "--rater-columns", default=None, metavar="NAME,NAME...", help="Columns that each hold one rater's labels."
    ),
    click.option(
        "--votes",
        type=click.Choice(["majority", "shares"]),
        default=None,
        help="What several raters come to: most votes, or soft labels, their shares. [default: majority]",
    ),
    click.option(
        "--classes", default=None, metavar="NAME,NAME...", help="Classes in their order. [default: natural order]"
    ),
    click.option(
        "--root", type=click.Path(), default=None, help="Folder that a manifest's paths start from. [default: its own]"
    ),
    click.option("--partition", default=None, help="Part of a MedMNIST file: train, val or test. [default: all]"),
    click.option("--allow-outside", is_flag=True, help="Follow paths and links that lead out of the data folder."),
)

network_options = _together(
    click.option(
        "--backbone",
        default=None,
        metavar="NAME[,NAME...]",
        help="Pretrained network, or several that compete. [default: efficientnet_lite0]",
    ),
    weights_option,
    click.option(
        "--input-size",
        type=click.IntRange(16, 4096),
        default=None,
        help="Side of the network's input in pixels. [default: the network's own]",
    ),
    click.option(
        "--resize",
        type=click.Choice(["squash", "crop", "pad"]),
        default="squash",
        show_default=True,
        help="How an image becomes square.",
    ),
    click.option(
        "--white-level",
        type=click.IntRange(1, 65535),
        default=65535,
        show_default=True,
        help="16-bit value shown as white.",
    ),
    click.option(
        "--decode",
        type=click.Choice(["exact", "fast"]),
        default="exact",
        show_default=True,
        help="fast: large JPEGs without the finest detail, several times quicker.",
    ),
)
engine_options = _together(
    click.option(
        "--engine",
        type=click.Choice(["auto", "torch", "openvino", "measure"]),
        default="auto",
        show_default=True,
        help="Library that runs the network. auto: by rule; measure: the fastest, by a trial, written down.",
    ),
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "int8"]),
        default="auto",
        show_default=True,
        help="Of the network's arithmetic. auto: by rule, where the features agree with fp32 on your images.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 1024),
        default=None,
        help="Images per forward pass. [default: what suits the engine]",
    ),
    click.option("--skip-unreadable", is_flag=True, help="Leave unreadable images out instead of stopping."),
)
fit_options = _together(
    network_options,
    click.option(
        "--grid",
        type=click.Choice(["quick", "wide", "paper"]),
        default=None,
        help="Which heads are tried; paper: 324, on the paper's four networks. [default: quick]",
    ),
    click.option(
        "--study", type=click.Path(), default=None, help="File that says what is tried, a study.toml; not with --grid."
    ),
    click.option(
        "--search",
        type=click.Choice(["all", "halving"]),
        default=None,
        help="Try every candidate to the end, or drop the weaker ones early. [default: as the study says, or all]",
    ),
    click.option(
        "--balance",
        default=None,
        metavar="METHOD[,...]",
        help="Uneven classes: none, weights, oversample, undersample, smote, borderline-smote, views or a sampler of "
        "imbalanced-learn; several compete. [default: none]",
    ),
    click.option(
        "--augment",
        default=None,
        metavar="POLICY[,...]",
        help="Train on views: none, flips, dihedral, geometric, photometric, strong, auto or a TOML file; several "
        "compete. [default: none]",
    ),
    click.option(
        "--image-kind",
        default=None,
        metavar="KIND",
        help="What the images show, for --augment auto: micrograph, dermoscopy, aerial, solar-cell, photograph, face, "
        "signal, digit or document.",
    ),
    click.option(
        "--views",
        "n_views",
        type=click.IntRange(2, 64),
        default=None,
        help="Views of each image, itself among them. [default: 8 of dihedral, 4 of others]",
    ),
    click.option("--tta", is_flag=True, default=None, help="Predict the mean over the views of an image."),
    click.option(
        "--strategy",
        default="feature-extraction",
        show_default=True,
        metavar="NAME[,NAME...]",
        help="fine-tune: unlocked stages compete with heads on frozen features; scratch: training from random weights.",
    ),
    click.option(
        "--unlock",
        default=None,
        metavar="K[,K...]",
        help="How many last stages fine-tuning unlocks: numbers, or all. [default: half of the parameters]",
    ),
    click.option(
        "--fine-tuning",
        default=None,
        metavar="NAME=VALUE,...",
        help="Settings of fine-tuning, such as epochs=20,mix=mixup (docs/finetune.md).",
    ),
    click.option(
        "--budget",
        type=click.FloatRange(0, min_open=True),
        default=None,
        metavar="MINUTES",
        help="Minutes that fine-tuning may take; the rest is trimmed. [default: as long as it takes]",
    ),
    click.option("--metric", default="log_loss", show_default=True, help="Score that the inner folds choose by."),
    click.option(
        "--calibrate",
        type=click.Choice(["auto", "none", "temperature", "platt", "isotonic"]),
        default="auto",
        show_default=True,
        help="Make probabilities agree with frequencies. auto: by the size of the data, none where none helps.",
    ),
    click.option(
        "--operating-point",
        default=None,
        metavar="RULE",
        help="Threshold of two classes: youden, sensitivity=0.95, specificity=0.95 or cost:10 (of a missed positive, "
        "in false alarms). [default: the most probable class]",
    ),
    click.option(
        "--conformal",
        type=float,
        default=None,
        metavar="LEVEL",
        help="Add prediction sets that hold the true class of this share of images, such as 0.9. [default: none]",
    ),
    click.option("--positive", metavar="CLASS", default=None, help="Positive class of two. [default: the rarer]"),
    click.option(
        "--split",
        default="nested:5x4",
        show_default=True,
        help="nested:OUTERxINNER, holdout:TRAIN/VAL/TEST in percent, or a split.json.",
    ),
    click.option(
        "--folds", type=click.IntRange(min=2), default=None, help="Outer folds; short for --split nested:FOLDSx4."
    ),
    click.option(
        "--repeats",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Draw the outer folds so many times.",
    ),
    seed_option,
    engine_options,
    click.option(
        "--baselines/--no-baselines",
        default=True,
        show_default=True,
        help="Judge simple rivals on the same folds and say whether transfer helped.",
    ),
    click.option("--leakage-tax", is_flag=True, help="Measure also what ignoring the groups would have claimed."),
    click.option("--no-images", is_flag=True, help="No pictures and no file names in the report: images of patients."),
)

curve_options = _together(
    network_options,
    click.option(
        "--metric",
        default="balanced_accuracy",
        show_default=True,
        help="Score of the curve; heads are chosen by log loss.",
    ),
    click.option("--positive", metavar="CLASS", default=None, help="Positive class of two. [default: the rarer]"),
    click.option(
        "--sizes",
        "n_sizes",
        type=click.IntRange(4, 30),
        default=8,
        show_default=True,
        help="Numbers of images, rising by one factor.",
    ),
    click.option(
        "--repeats",
        "n_repeats",
        type=click.IntRange(2, 100),
        default=5,
        show_default=True,
        help="Draws of folds and subsets.",
    ),
    click.option("--folds", "n_folds", type=click.IntRange(2, 20), default=5, show_default=True, help="Outer folds."),
    click.option(
        "--at",
        type=click.IntRange(min=1),
        multiple=True,
        metavar="N",
        help="Predict the score after training on N images; may be given several times.",
    ),
    seed_option,
    engine_options,
)

rank_options = _together(
    network_options,
    click.option("--study", type=click.Path(), default=None, help="File whose [[source]] tables are ranked."),
    click.option(
        "--split",
        default="nested:5x4",
        show_default=True,
        help="nested:OUTERxINNER, holdout:TRAIN/VAL/TEST in percent, or a split.json; test rows are never read.",
    ),
    seed_option,
    engine_options,
)

pretrain_options = _together(
    click.option("--backbone", required=True, metavar="NAME", help="Network to train: see headstart backbones."),
    click.option("--weights", default=None, help="File of weights to start from. [default: random weights]"),
    click.option(
        "--input-size",
        type=click.IntRange(16, 4096),
        default=None,
        help="Side of the network's input in pixels; later fits take it over. [default: the network's own]",
    ),
    click.option(
        "--resize",
        type=click.Choice(["squash", "crop", "pad"]),
        default="squash",
        show_default=True,
        help="How an image becomes square.",
    ),
    click.option(
        "--white-level",
        type=click.IntRange(1, 65535),
        default=65535,
        show_default=True,
        help="16-bit value shown as white.",
    ),
    click.option("--domain", default=None, metavar="TEXT", help="What the images show, for reports. [default: DATA]"),
    click.option(
        "--holdout", type=float, default=0.1, show_default=True, help="Share kept out of training for the score."
    ),
    click.option("--epochs", type=int, default=30, show_default=True, help="Passes over the training images."),
    click.option("--batch-size", type=int, default=64, show_default=True, help="Images per step."),
    click.option("--learning-rate", type=float, default=1e-3, show_default=True, help="Highest, of AdamW."),
    click.option(
        "--warmup", type=float, default=0.05, show_default=True, help="Share of the steps in which the rate rises."
    ),
    click.option("--weight-decay", type=float, default=0.05, show_default=True, help="Of AdamW."),
    click.option(
        "--label-smoothing",
        type=float,
        default=0.1,
        show_default=True,
        help="Share of a label spread over all.",
    ),
    click.option(
        "--augment",
        default="geometric",
        show_default=True,
        metavar="POLICY",
        help="Views: none, flips, dihedral, geometric, photometric, strong or a TOML file.",
    ),
    click.option(
        "--views",
        "n_views",
        type=int,
        default=8,
        show_default=True,
        help="Fixed views of each image.",
    ),
    seed_option,
    click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16", "measure"]),
        default="auto",
        show_default=True,
        help="Of the arithmetic. auto: bf16 where the hardware has it; measure: the faster, by a few steps.",
    ),
    click.option("--skip-unreadable", is_flag=True, help="Leave unreadable images out instead of stopping."),
    device_option,
    threads_option,
    offline_option,
)
