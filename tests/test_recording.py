"""The files in tests/records/: how runs are added, and what is refused."""

from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import recording
import variants

import made_up_records


def test_runs_and_epochs_come_back_as_they_were_recorded(records):
    records.add(variants.TEST, seed=7, last=9_961, unaveraged=9_930)
    (run,) = recording.read_runs().to_dict("records")
    epochs = recording.read_epochs()
    assert run == {"run": 1} | made_up_records.run(variants.TEST, seed=7)
    assert epochs["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    assert epochs["correct"].tolist()[-1] == 9_961
    assert set(epochs["unaveraged_correct"]) == {9_930}


def test_every_run_has_its_own_number(records):
    for seed in range(3):
        records.add(variants.TEST, seed=seed)
    assert recording.read_runs()["run"].tolist() == [1, 2, 3]
    assert recording.read_epochs().groupby("run").size().tolist() == [6, 6, 6]


@pytest.mark.parametrize(
    ("name", "columns"),
    [("runs.csv", recording.RUN_COLUMNS), ("epochs.csv", recording.EPOCH_COLUMNS)],
)
def test_a_file_with_other_columns_is_refused_and_stays_as_it_is(records, name, columns):
    path = records.folder / name
    path.write_text("run,variant\n1,full recipe\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(ValueError, match="other columns"):
        recording.append_rows(path, columns, [{"run": 2}])
    assert path.read_bytes() == before


def test_a_crash_between_the_two_files_loses_that_run_alone(records):
    records.add(variants.TEST, seed=0)
    # A crash after the first of the two files:
    epochs = [{"run": 2} | epoch for epoch in made_up_records.epochs(last=1_135)]
    recording.append_rows(records.folder / "epochs.csv", recording.EPOCH_COLUMNS, epochs)
    records.add(variants.TEST, seed=1)
    assert recording.read_runs()["run"].tolist() == [1, 3]


def test_a_lock_left_by_a_process_that_was_killed_does_not_matter(records):
    (records.folder / "lock").touch()
    records.add(variants.TEST)
    assert len(recording.read_runs()) == 1


def test_runs_that_are_recorded_at_once_all_arrive(records):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda seed: records.add(variants.TEST, seed=seed), range(8)))
    assert recording.read_runs()["run"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_the_real_records_are_whole():
    runs = recording.read_runs()
    epochs = recording.read_epochs()
    assert runs["run"].is_unique
    assert not epochs.duplicated(["run", "epoch"]).any()
    assert epochs["correct"].between(0, 10_000).all()
    assert set(runs["study"]) <= set(variants.STUDIES)


def test_no_run_of_the_real_records_has_gaps():
    for _, epochs in recording.read_epochs().groupby("run"):
        assert epochs["epoch"].tolist() == list(range(1, len(epochs) + 1))


def test_every_code_has_one_name():
    codes = pd.read_csv(recording.FOLDER / "codes.csv", encoding="utf-8")
    assert codes["code"].is_unique
    assert codes["name"].is_unique
    assert recording.PUBLISHED in set(codes["name"])


def test_no_two_seeds_of_the_real_records_have_the_same_losses():
    losses = recording.read_epochs().groupby("run")["loss"].agg(tuple)
    runs = recording.read_runs().set_index("run").assign(losses=losses)
    runs = runs.drop_duplicates(["study", "variant", "code", "seed", "losses"])
    runs = runs[runs["losses"].notna()]
    assert not runs.duplicated(["study", "variant", "code", "losses"]).any()
