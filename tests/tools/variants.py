"""What the studies compare: the full recipe, and variants of it.

A study is a list of variants; the first is the one that all others are compared with. To add a
variant, a plan of the network or a whole study, add it here: schedule and tables follow.
"""

import hashlib
import json
from dataclasses import dataclass, field

from cells import Edit

# The names of the variants of which the texts and templates speak.
RECIPE = "full recipe"
ANSWERS_RECIPE = "the answer's recipe"
WITHOUT_BN = "no batch normalisation"
WITHOUT_FC = "no fully connected layer"
# The two networks of a training.
AVERAGED, UNAVERAGED = "averaged network", "unaveraged network"


@dataclass(frozen=True)
class Variant:
    """One way to train: the notebook's, with some settings and texts of cells replaced."""

    name: str
    instead: str  # what takes the place of what is left out, as the tables say it
    # In the place of the notebook's, but for EPOCHS: the last epochs of all runs are compared.
    settings: dict = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()  # of the notebook's cells
    seeds: int = 10  # of the recipe; of another variant, how many pairs are wanted
    judged: str = AVERAGED  # the network whose results count
    runs_of: str = ""  # the variant whose runs are looked at, if it needs none of its own


@dataclass(frozen=True)
class Study:
    """Variants that are trained and tested on the same images; its table stands alone."""

    name: str  # in the records, and on the command line
    about: str  # a sentence on the images
    variants: tuple[Variant, ...]
    edits: tuple[Edit, ...] = ()  # of the notebook's cells, for every variant: other data
    held_out: bool = False  # test on training images that are kept from the training

    def variant(self, name):
        """Return the variant of this name; raise KeyError where there is none."""
        return {variant.name: variant for variant in self.variants}[name]

    def variant_hash(self, variant):
        """Return 12 hexadecimal digits of all that distinguishes variant from the notebook."""
        edits = [(edit.cell, edit.old, edit.new) for edit in self.edits + variant.edits]
        content = json.dumps([variant.settings, edits], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:12]


GAP = "nn.AdaptiveAvgPool2d(1)"
POOLS_AFTER_2_4_8 = Variant(
    "pools after 2, 4, 8",
    "the second pooling two convolutions earlier",
    edits=(
        Edit("net", "*block(12, 32),", "*block(12, 32, pool=True),"),
        Edit("net", "*block(20, 20, padding=1, pool=True),", "*block(20, 20, padding=1),"),
    ),
)

TEST = Study(
    name="test",
    about="Trained on all 60,000 training images, tested on the test set.",
    variants=(
        Variant(RECIPE, "", seeds=100),
        Variant(
            WITHOUT_BN,
            "a bias in each convolution",
            edits=(
                Edit("block", "bias=False", "bias=True"),
                Edit("block", "    layers.append(nn.BatchNorm2d(out_channels))\n", ""),
            ),
        ),
        Variant("no dropout", "nothing", settings={"DROPOUT": 0}),
        Variant(
            "no global average pooling",
            "all 2 x 2 outputs of each channel go to the fully connected layer",
            edits=(Edit("net", f"{GAP},", ""), Edit("net", "nn.Linear(", "nn.Linear(4 * ")),
        ),
        Variant(
            WITHOUT_FC,
            "a 1 x 1 convolution before the pooling, which computes the same function",
            edits=(
                Edit("net", f"{GAP},", ""),
                Edit("net", "nn.Flatten(),", ""),
                Edit("net", "nn.Linear(", "nn.Conv2d("),
                Edit("net", ", 10),", ", 10, kernel_size=1),"),
                Edit("net", "nn.LogSoftmax(", f"{GAP}, nn.Flatten(), nn.LogSoftmax("),
            ),
        ),
        Variant(
            "no augmentation",
            "the images as they are",
            settings={"ROTATION": 0, "SHIFT": 0, "SCALE": 0},
        ),
        Variant(
            "no weight averaging",
            "the unaveraged network",
            judged=UNAVERAGED,
            runs_of=RECIPE,  # averaging does not touch the training
        ),
        POOLS_AFTER_2_4_8,
        Variant(
            ANSWERS_RECIPE,
            "a learning rate of 0.01, no augmentation, no weight averaging",
            settings={"LEARNING_RATE": 0.01, "ROTATION": 0, "SHIFT": 0, "SCALE": 0},
            judged=UNAVERAGED,
        ),
    ),
)

HELD_OUT = Study(
    name="held-out",
    about="Trained on 50,000 training images, tested on the 10,000 others.",
    held_out=True,
    variants=(
        Variant(RECIPE, ""),
        Variant("learning rate 0.01", "the answer's rate", settings={"LEARNING_RATE": 0.01}),
        POOLS_AFTER_2_4_8,
    ),
)

STUDIES = {study.name: study for study in (TEST, HELD_OUT)}
