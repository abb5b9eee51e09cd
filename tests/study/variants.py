"""What the study compares: the full recipe, and variants of it.

The recipe comes first. To add a variant, add it to VARIANTS: schedule, tables and picture follow.
"""

from dataclasses import dataclass, field

from tests.study import plans
from tests.tools import cells
from tests.tools.cells import Edit

# The names of which templates and tables speak.
RECIPE = "full recipe"
WITHOUT_BN = "no batch normalisation"
WITHOUT_AVERAGING = "no averaging"
PLAIN = "rate 0.01, no augmentation, no averaging"
THIRD = "third version's network"
PAIRS = 10  # of most variants, with the seeds 0 to 9


@dataclass(frozen=True)
class Variant:
    """One way to train: the notebook's, with settings, texts of cells or the plan replaced."""

    name: str
    instead: str  # what takes the place of what is left out, as the tables say it
    # In the place of the notebook's, but for EPOCHS: the last epochs of all runs are compared.
    settings: dict = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()  # of the notebook's cells
    plan: str = ""  # of the network, if it is another one than the notebook's (see plans.py)
    seeds: int = PAIRS  # how many: 0, 1, 2, ...
    is_averaged: bool = True  # the averaged network's results count, else the unaveraged one's

    @property
    def recorded_as(self):
        """The name of its runs in the records: where nothing is changed, they are the recipe's."""
        is_changed = self.settings or self.edits or self.plan
        return self.name if is_changed else RECIPE

    def edited(self, notebook):
        """Return a copy of notebook with the edits and the plan, but not the settings."""
        notebook = cells.edited(notebook, self.edits)
        return plans.with_plan(notebook, self.plan) if self.plan else notebook

    def fingerprint(self, notebook):
        """Return the fingerprint of what is trained, however its edits are written."""
        return cells.fingerprint(self.edited(notebook), self.settings)


AS_THEY_ARE = {"ROTATION": 0, "SHIFT": 0, "SCALE": 0}  # no augmentation

VARIANTS = (
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
        edits=(
            Edit("net", "nn.AdaptiveAvgPool2d(1),", ""),
            Edit("net", "nn.Linear(", "nn.Linear(4 * "),
        ),
    ),
    Variant("no augmentation", "the images as they are", settings=AS_THEY_ARE),
    # Averaging does not touch the training: this is the recipe's own runs, seen otherwise.
    Variant(WITHOUT_AVERAGING, "the unaveraged network", seeds=100, is_averaged=False),
    Variant(
        PLAIN,
        "the published solution's rate, and nothing added",
        settings={"LEARNING_RATE": 0.01, **AS_THEY_ARE},
        is_averaged=False,
    ),
    Variant(
        THIRD,
        "as many parameters, spread over the layers in another way",
        plan=plans.THIRD_VERSION,
        seeds=50,  # ten pairs cannot show a change of 0.03 points; nothing is chosen by this
    ),
)


def variant(name):
    """Return the variant of this name; raise KeyError where there is none."""
    return {each.name: each for each in VARIANTS}[name]
