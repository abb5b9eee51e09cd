"""The generated text: tables and sentences of a few made-up runs."""

import re
from dataclasses import replace

import cells
import nbformat
import pandas as pd
import pytest
import recording
import report
import variants
from variants import HELD_OUT, RECIPE, TEST

from made_up_records import CODE, epochs, run

BENCHMARK = """measure,value,code,benchmark,threads,processor,python,torch,torchvision
this notebook,10,present code,present benchmark,2,X,3.11,2.15,0.29
this notebook,9,present code,present benchmark,2,X,3.11,2.15,0.29
this notebook,16,present code,present benchmark,2,X,3.11,2.15,0.29
the usual way,30,present code,present benchmark,2,X,3.11,2.15,0.29
the usual way,28,present code,present benchmark,2,X,3.11,2.15,0.29
the usual way,41,present code,present benchmark,2,X,3.11,2.15,0.29
the usual way without augmentation,20,present code,present benchmark,2,X,3.11,2.15,0.29
the usual way without augmentation,17,present code,present benchmark,2,X,3.11,2.15,0.29
the usual way without augmentation,29,present code,present benchmark,2,X,3.11,2.15,0.29
operator calls,900,present code,present benchmark,2,X,3.11,2.15,0.29
reads,1,present code,present benchmark,2,X,3.11,2.15,0.29
"""
VERSIONS = """python,torch,torchvision,machine,code,accuracy,loss,time
3.13,2.11,0.26,"Y, 1 thread",old code,99.57 %,0.0127,201 s
"""


@pytest.fixture
def records(records, tmp_path, monkeypatch):
    """The shared fixture's empty records, with a benchmark and a run of other versions."""
    monkeypatch.setattr(cells, "fingerprint_of_file", lambda _: "present benchmark")
    (tmp_path / "benchmark.csv").write_text(BENCHMARK, encoding="utf-8")
    (tmp_path / "versions.csv").write_text(VERSIONS, encoding="utf-8")
    return records


@pytest.fixture
def tiny_study(records):
    """A study of the recipe, a part that matters, one that does not, and one that fails."""
    records.add_seeds(TEST, RECIPE, [9_960, 9_962, 9_964, 9_965], unaveraged=9_930)
    records.add_seeds(TEST, "no augmentation", [9_930, 9_932, 9_935, 9_934])
    records.add_seeds(TEST, "no dropout", [9_961, 9_961, 9_965, 9_963])
    records.add_seeds(TEST, "no batch normalisation", [9_940, 9_941, 1_135, 9_939])
    records.add_seeds(TEST, variants.ANSWERS_RECIPE, [9_900] * 4, unaveraged=9_935)
    return records


@pytest.fixture
def saved():
    """A notebook that holds the outputs of a run."""
    printed = {
        "reload": "file.pt: loss 0.0123, 9962 correct\n",
        "time": "Test accuracy, last epoch: 99.62 %\nTraining: 226 s, 11.9 s per epoch\n",
    }
    notebook = nbformat.v4.new_notebook()
    notebook.cells.append(nbformat.v4.new_code_cell("EPOCHS = 19", id="parameters"))
    for name, text in printed.items():
        outputs = [nbformat.v4.new_output("stream", text=text)]
        notebook.cells.append(nbformat.v4.new_code_cell(id=name, outputs=outputs))
    notebook.metadata["saved_run"] = {
        "machine": "X, 2 threads",
        "code": CODE,
        "python": "3.11",
        "torch": "2.15",
        "torchvision": "0.29",
    }
    return notebook


@pytest.mark.parametrize("name", [*report.BLOCKS])
def test_the_text_of_a_tiny_study(tiny_study, saved, snapshot, name):
    tiny_study.add_seeds(HELD_OUT, RECIPE, [9_950, 9_953, 9_954])
    tiny_study.add_seeds(HELD_OUT, "pools after 2, 4, 8", [9_943, 9_945, 9_948])
    tiny_study.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_953], code="old code", processor="Y")
    assert report.BLOCKS[name](saved) == snapshot


def test_a_whole_study_passes_the_gate_with_its_confidence(records, saved):
    records.add_seeds(TEST, RECIPE, [9_960] * 20)
    text = report.title(saved)
    assert "The notebook's check of all requirements passed with 20 of 20 seeds." in text
    assert "With 95 % confidence, at most 13.9 %: if more failed, all 20 would pass with a" in text


def test_a_seed_that_misses_the_gate_is_counted(records, saved):
    records.add_seeds(TEST, RECIPE, [9_960] * 19 + [9_940])  # 9,940 is not above 99.40 %
    text = report.title(saved)
    assert "The notebook's check of all requirements passed with 19 of 20 seeds." in text
    assert "at most 21.6 %: if more failed, as many as 19 of 20 would pass with a" in text


def test_the_gate_is_so_many_standard_deviations_away(records, saved):
    records.add_seeds(TEST, RECIPE, [9_943, 9_944, 9_945])
    text = report.title(saved)
    assert "Over the 3 seeds its mean is 99.440 %" in text
    assert "is 0.010 points" in text
    assert "So 99.40 % lies 4.0 standard deviations below the mean." in text


@pytest.mark.parametrize(
    "ends", [[9_944], [9_944, 9_944], [9_941, 9_943]], ids=["one", "equal", "near the gate"]
)
def test_without_a_spread_or_a_wide_margin_nothing_is_said_of_them(records, saved, ends):
    records.add_seeds(TEST, RECIPE, ends)
    assert "standard deviation" not in report.title(saved)


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("title", "mean 99.51 %"),
        ("study", "99.51"),
        ("study-full", "99.51"),
        ("history", "99.51"),
        ("baseline", "ends at 99.00 % on average"),
    ],
)
def test_after_a_change_of_the_code_the_published_runs_are_shown_and_said_to_be_earlier(
    tiny_study, saved, monkeypatch, name, number
):
    monkeypatch.setattr(cells, "fingerprint", lambda *_: "changed")
    tiny_study.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_952], code="old code")
    tiny_study.add_seeds(TEST, RECIPE, [9_910] * 3, code="older code")  # abandoned
    tiny_study.add_seeds(
        TEST, variants.ANSWERS_RECIPE, [9_900] * 3, code="old code", unaveraged=9_900
    )
    text = report.BLOCKS[name](saved)
    assert report.EARLIER in text
    assert number in text


def test_the_sentences_say_what_the_same_table_shows(tiny_study, saved, monkeypatch):
    assert "more than chance explains, with *no augmentation*" in report.study_brief(saved)
    monkeypatch.setattr(cells, "fingerprint", lambda *_: "changed")
    tiny_study.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_952], code="old code")
    tiny_study.add_seeds(TEST, "no augmentation", [9_950, 9_952, 9_951], code="old code")
    text = report.study_brief(saved)
    assert "No difference in accuracy is shown for *no augmentation*:" in text
    assert "more than chance explains, with" not in text


def test_how_training_starts_without_batch_normalisation(records, saved):
    records.add_seeds(TEST, RECIPE, [9_960] * 3)
    for seed in range(3):
        rows = epochs(last=9_940)
        for row in rows[:seed]:
            row["correct"] = 1_135
        recording.append_run(run(TEST, "no batch normalisation", seed), rows)
    text = report.batch_normalisation(saved)
    assert "After the first epoch, 2 of the 3 networks had exactly 1,135" in text
    assert "One of them was still no better after 2 epochs" in text
    words = "In the end, all 3 learn: their mean accuracy is 99.40 %; with BN it is 99.60 %"
    assert words in text


@pytest.mark.parametrize(
    ("ends", "words"),
    [
        (
            [9_943, 9_945, 9_948],
            ("less accurate in 3 of 3 pairs of runs", "0.070 points lower", "loss 0.0007 higher"),
        ),
        (
            [9_960, 9_952, 9_962],
            ("more accurate in 2 of 3 pairs of runs", "0.057 points higher", "loss 0.0006 lower"),
        ),
    ],
)
def test_what_the_place_of_the_poolings_is_worth(records, saved, ends, words):
    records.add_seeds(TEST, RECIPE, [9_950, 9_953, 9_954])
    records.add_seeds(HELD_OUT, RECIPE, [9_950, 9_953, 9_954])
    records.add_seeds(HELD_OUT, variants.POOLS_AFTER_2_4_8.name, ends)
    text = report.where(saved)
    assert all(each in text for each in words)


def test_the_time_to_99_40_is_compared_with_that_of_the_answer_s_recipe(records, saved):
    records.add_seeds(TEST, RECIPE, [9_960] * 3, unaveraged=9_930)
    for seed in range(3):
        rows = epochs(unaveraged=9_930)
        for row in rows[4 + seed % 2 :]:  # from epoch 5, 6 and 5
            row["unaveraged_correct"] = 9_940
        recording.append_run(run(TEST, variants.ANSWERS_RECIPE, seed), rows)
    text = report.speed(saved)
    assert "this notebook needs 2 epochs (median of 3 seeds), 20 s" in text
    assert "The recipe of the published answer needs 5 (median of 3 seeds)." in text
    assert "takes only 20.0 s, and all of them 100 s: **5.0 times** as long" in text
    words = "With at least half of these 3 seeds, it needs 5 epochs or fewer to 99.40 %."
    assert words in report.baseline(saved)


def test_the_answer_s_recipe_is_described_as_it_was_trained(notebook, names):
    rate = TEST.variant(variants.ANSWERS_RECIPE).settings["LEARNING_RATE"]
    words = f"SGD, a learning rate of {rate} and batches of {names['BATCH_SIZE']}."
    assert words in report.baseline(notebook)


def test_a_recipe_that_does_not_reach_99_40_has_no_time_to_it(records, saved):
    records.add_seeds(TEST, RECIPE, [9_945] * 3)
    text = report.speed(saved)
    assert "this notebook needs 2 epochs" in text
    for seed in range(3, 7):
        rows = [{**row, "correct": 9_930} for row in epochs()]
        recording.append_run(run(TEST, seed=seed), rows)
    text = report.speed(saved)
    assert "epochs, at least half of this notebook's 7 seeds do not reach 99.40 %." in text
    assert "inf" not in text


def test_names_of_variants_are_never_altered(records, saved):
    study = replace(TEST, variants=(*TEST.variants[:1], variants.Variant("no infinity, ±inf", "")))
    records.add_seeds(study, RECIPE, [9_930] * 3)
    records.add_seeds(study, "no infinity, ±inf", [9_930] * 3)
    text = report.study_text(study, saved)
    assert "| no infinity, ±inf " in text


@pytest.mark.parametrize(("threads", "words"), [(1, "1 thread,"), (2, "2 threads,")])
def test_threads_are_counted_in_good_english(threads, words):
    rows = pd.DataFrame([run(TEST, threads=threads)])
    assert words in str(report.machines(rows))


def test_a_second_dataset_has_a_table_of_its_own(tiny_study, saved, monkeypatch):
    before = report.study_full(saved)
    fashion = variants.Study("Fashion-MNIST", "Trained and tested on clothes.", TEST.variants[:3])
    monkeypatch.setitem(variants.STUDIES, fashion.name, fashion)
    tiny_study.add_seeds(fashion, RECIPE, [9_100, 9_110, 9_120])
    text = report.other_studies(saved)
    assert text.startswith("### Fashion-MNIST\n")
    assert "91.10" in text
    assert report.study_full(saved) == before


def test_the_notebook_s_numbers_are_code_that_holds_the_records(tiny_study, saved):
    names = {}
    exec(report.study_data(saved), names)
    assert names["STUDY"][RECIPE] == [40, 38, 36, 35]
    assert names["STUDY"]["no weight averaging"] == [70] * 4
    assert names["STUDY"]["no batch normalisation"] == [60, 59, 8_865, 61]


def test_the_notebook_s_numbers_fit_into_a_cell(records, saved):
    for variant in TEST.variants:
        if not variant.runs_of:
            records.add_seeds(TEST, variant.name, [9_950] * variant.seeds, unaveraged=9_930)
    lines = report.study_data(saved).splitlines()
    assert max(len(line) for line in lines) <= 90


def test_a_missing_number_is_left_empty(records, saved):
    records.add_seeds(TEST, "no dropout", [1_135] * 3)
    records.add_seeds(TEST, RECIPE, [9_950] * 3)
    (line,) = re.findall(r".*no dropout.*", report.study_full(saved))
    assert "nan" not in line
    assert "3 of 3 did not learn" in line


def test_a_notebook_without_outputs_is_an_error_that_says_what_to_do():
    with pytest.raises(ValueError, match="run renew.py"):
        report.saved_run(nbformat.v4.new_notebook())


def test_printed_words_that_are_not_found_are_an_error_that_names_the_cells(saved):
    saved.cells[-1].outputs[0].text = "Test accuracy: 99.62 %\n"
    with pytest.raises(ValueError, match="The cells reload and time print other words"):
        report.saved_run(saved)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("<!-- greeting -->", "<!-- end -->"),
        ("# Generated: greeting", "# End of what is generated"),
    ],
)
def test_what_stands_between_the_marks_is_made_anew(monkeypatch, start, end):
    monkeypatch.setitem(report.BLOCKS, "greeting", lambda notebook: f"Hello, {notebook}.")
    filled = report.fill(f"before\n{start}\nold\n{end}\nafter\n", "you")
    assert filled == f"before\n{start}\nHello, you.\n{end}\nafter\n"
    assert report.fill(filled, "you") == filled


@pytest.mark.parametrize(
    "text",
    [
        "<!-- title --> \nold\n<!-- end -->\n",
        "<!-- title -->\nold\n<!-- end. -->\n",
        "- one\n  <!-- title -->\n  old\n  <!-- end -->\n",
        "<!-- title -->\nold\n\nby hand\n",
        "<!-- title -->\nold\n<!-- study -->\nold\n<!-- end -->\n",
        "# Generated: study-data\nold\n# End of it\n",
        "STUDY = {}\n# End of what is generated\n",
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


def test_runs_that_all_broke_off_did_not_learn_and_cause_no_warning(records, saved):
    records.add_seeds(TEST, RECIPE, [9_950, 9_951, 9_952])
    for seed in range(3):
        recording.append_run(run(TEST, "no dropout", seed), epochs(count=seed))
    assert "3 of 3 did not learn" in report.study_full(saved)
