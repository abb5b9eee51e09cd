"""What the study compares: a ladder of steps to the recipe, and the recipe with parts left out.

To add a variant, add it to LADDER or LEFT_OUT: schedule, tables and picture follow.
"""

from dataclasses import dataclass, field

from tests import cells
from tests.cells import Edit

RECIPE = "+ rate 0.02: the recipe"
PUBLISHED = "rate 0.01, nothing added"
AVERAGED = "+ averaging"
AUGMENTED = "+ augmentation"
WITHOUT_AVERAGING = "no averaging"
WITHOUT_AUGMENTATION = "no augmentation"
WITHOUT_BN = "no batch normalisation"
WITHOUT_DROPOUT = "no dropout"
WITHOUT_GAP = "no global average pooling"


@dataclass(frozen=True)
class Variant:
    """One way to train, as a row of the table: the notebook's, with settings or text replaced."""

    name: str
    target: str  # what is changed, and why
    analysis: str  # what it shows, where the difference is beyond chance
    compared_with: str | None = RECIPE  # the variant that it is compared with
    settings: dict = field(default_factory=dict)  # in the place of the notebook's
    edits: tuple[Edit, ...] = ()  # of the notebook's cells
    seeds: int = 30  # how many: 0, 1, 2, ...
    is_averaged: bool = True  # the averaged network's results count, else the unaveraged one's

    def applied_to(self, notebook):
        """Return a copy of notebook that trains in this way."""
        return cells.with_settings(cells.edited(notebook, self.edits), self.settings)

    def digest(self, notebook):
        """Return the digest of what is trained: variants with the same one share their runs."""
        return cells.digest(cells.training_source(self.applied_to(notebook)))


AS_THEY_ARE = {"ROTATION": 0, "SHIFT": 0, "SCALE": 0}  # no augmentation
SLOWER = {"LEARNING_RATE": 0.01}

LADDER = (
    Variant(
        PUBLISHED,
        "SGD with the published solution's rate and batches; the network is this one",
        "",
        compared_with=None,
        settings=SLOWER | AS_THEY_ARE,
        is_averaged=False,
    ),
    Variant(
        AVERAGED,
        "of the same trainings, an average over steps: less depends on the last batches",
        "from a few that pass to most",
        compared_with=PUBLISHED,
        settings=SLOWER | AS_THEY_ARE,
    ),
    Variant(
        AUGMENTED,
        "every image turned, moved and resized a little: harder to learn by heart",
        "fewer mistakes, and a lower loss",
        compared_with=AVERAGED,
        settings=SLOWER,
    ),
    Variant(RECIPE, "twice the rate: a faster start", "", compared_with=AUGMENTED, seeds=100),
)
LEFT_OUT = (
    Variant(
        WITHOUT_AVERAGING,
        "the unaveraged network of the recipe's trainings",
        "it goes up and down from epoch to epoch: fewer than half pass",
        seeds=100,
        is_averaged=False,
    ),
    Variant(
        WITHOUT_AUGMENTATION,
        "the images as they are",
        "more mistakes, and a higher loss",
        settings=AS_THEY_ARE,
    ),
    Variant(
        WITHOUT_BN,
        "a bias in each convolution instead",
        "more mistakes, a higher loss, and the widest spread",
        edits=(
            Edit("block", "bias=False", "bias=True"),
            Edit("block", "    layers.append(nn.BatchNorm2d(out_channels))\n", ""),
        ),
    ),
    Variant(WITHOUT_DROPOUT, "nothing instead", "", settings={"DROPOUT": 0}),
    Variant(
        WITHOUT_GAP,
        "all 2 x 2 outputs of each channel go to the fully connected layer",
        "",
        edits=(
            Edit("net", "nn.AdaptiveAvgPool2d(1),", ""),
            Edit("net", "nn.Linear(", "nn.Linear(4 * "),
        ),
    ),
)
VARIANTS = LADDER + LEFT_OUT


def variant(name):
    """Return the variant of this name; raise KeyError where there is none."""
    return {each.name: each for each in VARIANTS}[name]
