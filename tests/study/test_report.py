"""The generated text: tables and sentences of a few made-up runs."""

import nbformat
import pytest

from tests.study import plans, recording, report, variants
from tests.study.made_up_records import CODE, epochs, run
from tests.study.variants import PLAIN, RECIPE, THIRD, WITHOUT_BN
from tests.tools import cells

PLAN = "8+p 16k1 12 20 16 20+p 28+ 20k1p"  # of the notebook in these tests
OTHER_PLAN = "8+p 32 16 32k1 16k1 16+p 32+ 16k1p"
ENVIRONMENT = {"python": "3.11", "torch": "2.15", "torchvision": "0.29"}


def write_benchmark(folder):
    """Record three rounds of the benchmark."""
    seconds = {report.HERE: [10, 9, 16], report.USUAL: [30, 28, 41], report.THIRD: [14, 12, 17]}
    lines = ["measure,value,code,benchmark,threads,processor,python,torch,torchvision"]
    for measure, values in seconds.items():
        for value in values:
            code = f"{CODE},{report.benchmark_code()}"
            lines.append(f"{measure},{value},{code},2,X,3.11,2.15,0.29")
    (folder / "benchmark.csv").write_text("\n".join(lines), encoding="utf-8")


def write_plans(folder):
    """Record that three plans were judged, the second of them better and cheaper, a fourth not."""
    lines = ["plan,seed,epochs,loss,correct,seconds,threads,processor,torch"]
    for plan, better in [(plans.THIRD_VERSION, 0), (PLAN, 8), (OTHER_PLAN, -1), ("8", 9)]:
        for seed in range(4 if plan == "8" else 10):
            correct = 9_940 + seed + better + seed % 2 * better // 4
            lines.append(f"{plan},{seed},19,{2 - correct / 5_000:.5f},{correct},8.1,1,X,2.15")
    (folder / "plans.csv").write_text("\n".join(lines), encoding="utf-8")
    lines = ["measurement,plan,milliseconds,threads,processor,torch"]
    for plan, milliseconds in [(plans.THIRD_VERSION, 20), (PLAN, 14), (OTHER_PLAN, 13)]:
        for measurement, slowness in [(1, 1), (2, 3), (3, 2)]:
            lines.append(f"{measurement},{plan},{slowness * milliseconds},2,X,2.15")
    (folder / "steps.csv").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def records(records):
    """The shared fixture's records, with a benchmark, plans and runs in other environments."""
    write_benchmark(records.folder)
    write_plans(records.folder)
    lines = [
        "python,torch,torchvision,machine,code,accuracy,loss,time",
        '3.11,2.15,0.29,"X, 2 threads",old code,99.55 %,0.0131,240 s',  # the saved run is newer
        '3.11,2.15,0.29,"a GPU, 2 threads",present code,99.57 %,0.0127,31 s',
        '3.14,2.15,0.29,"X, 2 threads",old code,99.60 %,0.0126,281 s',
    ]
    (records.folder / "versions.csv").write_text("\n".join(lines), encoding="utf-8")
    return records


@pytest.fixture
def saved(notebook):
    """A copy of the notebook with another network, which holds the outputs of a run."""
    saved = plans.with_plan(notebook, PLAN)
    for cell in cells.code_cells(saved):
        cell.outputs = []
    cells.cell(saved, "reload").outputs = [
        nbformat.v4.new_output(
            "stream",
            text="mnist-seed-0.pt: loss 0.0123, 9962 correct\n"
            "Test accuracy, last epoch: 99.62 %\n"
            "Training: 226 s, 11.9 s per epoch\n",
        )
    ]
    saved.metadata["saved_run"] = ENVIRONMENT | {"machine": "X, 2 threads", "code": CODE}
    return saved


@pytest.fixture
def tiny_study(records):
    """A study of the recipe, parts that matter, one that does not, and one that fails."""
    records.add_seeds(RECIPE, [9_960, 9_962, 9_964, 9_965])
    records.add_seeds("no augmentation", [9_930, 9_932, 9_935, 9_934])
    records.add_seeds("no dropout", [9_961, 9_961, 9_965, 9_963])
    records.add_seeds(WITHOUT_BN, [9_940, 9_941, 1_135, 9_939])
    records.add_seeds(PLAIN, [9_900] * 4)
    records.add_seeds(THIRD, [9_956, 9_959, 9_960, 9_961])
    records.add(RECIPE, seed=0, processor="Y")
    return records


@pytest.mark.parametrize("name", [*report.BLOCKS])
def test_the_text_of_a_tiny_study(tiny_study, saved, snapshot, name):
    assert report.BLOCKS[name](saved) == snapshot


@pytest.mark.parametrize("ends", [[9_960], [9_930, 9_940, 9_940]], ids=["one", "none passes"])
def test_what_few_seeds_reached(records, saved, snapshot, ends):
    records.add_seeds(RECIPE, ends)
    assert report.title(saved) == snapshot(name="title")
    assert report.result(saved) == snapshot(name="result")


@pytest.mark.parametrize("stuck", [[0, 1, 2], [0, 0, 0], [1, 6, 6], [6, 6, 6]])
def test_how_training_goes_without_batch_normalisation(records, saved, snapshot, stuck):
    records.add_seeds(RECIPE, [9_960] * 3)
    for seed, number in enumerate(stuck):
        rows = epochs(last=9_940)
        for row in rows[:number]:
            row["correct"] = row["unaveraged_correct"] = 1_135
        recording.append_run(run(WITHOUT_BN, seed), rows)
    assert report.batch_normalisation(saved) == snapshot


@pytest.mark.parametrize("name", ["title", "result", "study", "study-full", "speed"])
def test_runs_of_earlier_code_are_said_to_be_earlier(tiny_study, saved, monkeypatch, name):
    assert report.EARLIER not in report.BLOCKS[name](saved)
    monkeypatch.setattr(cells, "fingerprint", lambda *_: "changed")
    assert report.EARLIER in report.BLOCKS[name](saved)


def test_of_earlier_code_s_benchmark_the_plan_tells_no_share_of_an_epoch(
    tiny_study, saved, monkeypatch
):
    assert "a whole epoch" in report.plan(saved)
    monkeypatch.setattr(cells, "fingerprint", lambda *_: "changed")
    assert "a whole epoch" not in report.plan(saved)


def test_the_seeds_are_named_as_they_are():
    assert report.in_seeds([3]) == "seed 3"
    assert report.in_seeds([2, 0, 1]) == "the 3 seeds 0 to 2"
    assert report.in_seeds([0, 1, 5]) == "3 of the seeds 0 to 5"


def test_the_notebook_s_numbers_are_code_that_fits_into_a_cell(records, saved):
    for variant in variants.VARIANTS:
        if variant.recorded_as == variant.name:
            records.add_seeds(variant.name, range(9_950, 9_950 + variant.seeds))
    text = report.study_data(saved)
    names = {}
    exec(text, names)
    assert names["STUDY"][RECIPE] == list(range(50, -50, -1))
    assert names["STUDY"]["no averaging"] == [70] * 100
    assert list(names["STUDY"]) == [variant.name for variant in variants.VARIANTS]
    assert max(len(line) for line in text.splitlines()) <= 90
    assert len(text.splitlines()) <= 22  # of 25, with the lines around it


def test_a_notebook_without_outputs_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="run renew.py"):
        report.saved_run(nbformat.v4.new_notebook())


@pytest.mark.parametrize(
    ("start", "end"),
    [("<!-- new -->", "<!-- end -->"), ("# Generated: new", "# End of what is generated")],
)
def test_what_stands_between_two_markers_is_made_anew(monkeypatch, start, end):
    monkeypatch.setitem(report.BLOCKS, "new", lambda notebook: "New.")
    text = report.fill(f"Before\n{start}\nOld.\n{end}\nafter\n{start}\n{end}", None)
    assert text == f"Before\n{start}\nNew.\n{end}\nafter\n{start}\nNew.\n{end}"


@pytest.mark.parametrize(
    "text",
    [
        "<!-- title -->\n",
        "<!-- title -->\n<!-- study -->\n<!-- end -->\n",
        " <!-- title -->\n<!-- end -->\n",
        "<!-- title-->\n<!-- end -->\n",
        "# Generated: study-data\nSTUDY = {}\n",
    ],
)
def test_a_marker_that_would_be_ignored_is_an_error(monkeypatch, text):
    for name in ("title", "study", "study-data"):
        monkeypatch.setitem(report.BLOCKS, name, lambda notebook: "new")
    with pytest.raises(ValueError, match="must stand between two whole lines: '"):
        report.fill(text, None)


def test_an_unknown_name_is_an_error_that_names_it():
    with pytest.raises(ValueError, match="'greetings'"):
        report.fill("<!-- greetings -->\n<!-- end -->\n", None)
