"""What of the paper is where here: its parts, figures and tables, each with what it does here and a command."""

from __future__ import annotations

from typing import Final, NamedTuple


class PaperPart(NamedTuple):
    """Part of the paper, what does it here, and the command or option to try."""

    place: str
    content: str
    here: str
    command: str


PAPER_PARTS: Final = (
    PaperPart(
        "Introduction",
        "small data sets, and networks that have learned to see elsewhere",
        "one honest score for a data set of one's own",
        "headstart demo -o runs/demo",
    ),
    PaperPart(
        "Strategies",
        "feature extraction: the base stays as it is, a new classifier is trained",
        "the default; features are computed once and kept",
        "headstart fit DATA -o RUN",
    ),
    PaperPart(
        "Strategies",
        "fine-tuning: the last blocks are trained on from the pretrained weights",
        "unlocked stages compete with heads on frozen features",
        "headstart fit DATA -o RUN --strategy fine-tune --unlock 2",
    ),
    PaperPart(
        "Strategies",
        "negative transfer: pretraining that hurts",
        "a verdict against random weights, handcrafted features and training from scratch, on the same folds",
        "headstart fit DATA -o RUN --strategy fine-tune,scratch",
    ),
    PaperPart(
        "Section 2, networks",
        "AlexNet, VGG-16 and VGG-19, GoogLeNet and later Inception, ResNet, Xception, DenseNet",
        "each a chain of named stages, with its parameters and licence",
        "headstart backbones show vgg19",
    ),
    PaperPart(
        "Data steps",
        "simple preprocessing, simple image transforms",
        "views fixed by seed, of training images alone",
        "headstart fit DATA -o RUN --augment flips",
    ),
    PaperPart(
        "Data steps",
        "SMOTE for uneven classes",
        "inside training folds alone; of features, or of windows before they become pictures",
        "headstart signals fit DATA --window 60s --balance smote-windows -o RUN",
    ),
    PaperPart(
        "Data steps",
        "split into training, validation and test images; cross-validation",
        "nested folds by default, groups kept whole; or one split",
        "headstart fit DATA -o RUN --split holdout:60/20/20",
    ),
    PaperPart(
        "Head",
        "fully connected, ReLU, dropout 0.5, fully connected, softmax; cross-entropy; Adam",
        "the kind dense, one of several that compete",
        "headstart fit DATA -o RUN --grid wide",
    ),
    PaperPart(
        "Metrics",
        "accuracy, precision, sensitivity, specificity, ROC curve, confusion matrix",
        "the same and more, each with a 95 % interval; a page with figures",
        "headstart report RUN",
    ),
    PaperPart(
        "Section 3.1, Table 1",
        "melanoma thickness: three ordered classes, VGG-19, 87.2 %",
        "metadata read, lesion found and cropped, ordered heads, patients kept apart",
        "headstart lesions fit isic/ -o RUN --preset paper",
    ),
    PaperPart(
        "Section 3.2, Table 2",
        "anomalies in windows of pressure readings shown as images, 91.2 % (in its text 95 %)",
        "recordings cut, standardised and drawn; judged recording by recording; live alarms",
        "headstart signals fit ring --window 60s --reference 300s -o RUN",
    ),
    PaperPart(
        "Section 3.3, Table 3",
        "a search over activation, dropout, optimizer, batch size and epochs for four networks",
        "324 heads a network, trained together, chosen by inner folds",
        "headstart fit DATA -o RUN --grid paper --search halving",
    ),
    PaperPart(
        "Section 3.3, Table 4",
        "living and dead cells: binarisation, watershed, single cells, 93 %",
        "cells found, cut out, classified and counted, micrographs kept whole",
        "headstart cells fit plate/ --classes cells.csv -o RUN",
    ),
    PaperPart(
        "Section 3.3",
        "frames on the image: blue around living cells, red around dead ones",
        "the same, with a share and its interval for every well",
        "headstart cells count RUN plate/ -o counts",
    ),
    PaperPart(
        "Section 3.4, Figure 10",
        "activation maps of chosen layers",
        "the strongest channels of every stage",
        "headstart explain RUN IMAGES -o FOLDER --activation",
    ),
    PaperPart(
        "Section 3.4, Figure 11",
        "heatmap of the last convolutional layer for one class, over the input",
        "places for and against a class, in models that had not seen the image, with tests of their worth",
        "headstart explain RUN IMAGES -o FOLDER --class dead --checks",
    ),
)
