"""A training that follows a script: it takes no time, and every number in it is known."""

import torch

from tests.tools import cells

PARAMETERS = 15_938  # of the notebook's network: no other test names the number


def epoch(**changed):
    """Return what a made-up epoch measures: a row of history."""
    measured = {
        "train_loss": 0.5,
        "train_accuracy": 0.8,
        "unaveraged_loss": 0.09,
        "unaveraged_correct": 9_800,
        "test_loss": 0.05,
        "test_correct": 9_950,
        "seconds": 8.0,
    }
    return measured | changed


class ScriptedTraining:
    """Runs the notebook's training cell, but with stand-ins for the functions that it calls.

    script has a dictionary for each epoch (see epoch), or an exception to raise instead.
    The stand-ins note what they were given in trained and evaluated, and in optimizer_groups
    what the optimizer was set to in each epoch.
    """

    def __init__(self, notebook, names, script):
        self.notebook, self.names, self.script = notebook, names, script
        self.trained = []
        self.evaluated = []
        self.optimizer_groups = []
        self.clock = 100.0  # seconds
        for name in ("train_images", "train_labels", "test_images", "test_labels"):
            names[name] = torch.zeros(10_000)
        names["EPOCHS"] = len(script)
        names["device"] = torch.device("cpu")
        names["time"] = self  # its perf_counter is called

    def train(self):
        """Run the training cell; return the namespace."""
        self.names["train_one_epoch"] = self.train_one_epoch
        self.names["evaluate"] = self.evaluate
        cells.run(self.notebook, self.names, "train")
        return self.names

    def perf_counter(self):
        return self.clock

    def train_one_epoch(self, model, averaged_model, images, labels, optimizer, epoch):
        self.trained.append((model, averaged_model, images, labels, optimizer, epoch))
        self.optimizer_groups.append([dict(group) for group in optimizer.param_groups])
        planned = self.script[epoch - 1]
        if isinstance(planned, BaseException):
            raise planned
        model[0].weight.data.fill_(-epoch)  # a mark of this epoch in each network
        averaged_model[0].weight.data.fill_(epoch)
        self.clock += planned["seconds"]
        return planned["train_loss"], planned["train_accuracy"]

    def evaluate(self, model, images, labels):
        self.evaluated.append((model, images, labels))
        self.clock += 1000  # it must not be counted as training
        planned = self.script[len(self.trained) - 1]
        if model is self.names["averaged_model"]:
            return planned["test_loss"], planned["test_correct"]
        return planned["unaveraged_loss"], planned["unaveraged_correct"]
