"""The files in records/: how runs are added, and what is refused."""

import pytest

from tests.study import made_up_records, recording


def test_runs_and_epochs_come_back_as_they_were_recorded(records):
    records.add(seed=7, last=9_961)
    records.add(seed=8, processor="")  # where the system tells no name
    first, second = recording.read("runs.csv").to_dict("records")
    assert first == {"run": 1} | made_up_records.run(seed=7)
    assert second == {"run": 2} | made_up_records.run(seed=8, processor="")
    epochs = recording.read("epochs.csv")
    assert epochs["run"].tolist() == [1] * 6 + [2] * 6
    assert epochs["correct"].tolist()[5] == 9_961


def test_a_file_with_other_columns_is_refused_and_stays_as_it_is(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("run,variant\n1,full recipe\n", encoding="utf-8")
    with pytest.raises(ValueError, match="other columns"):
        recording.append_rows(path, recording.RUN_COLUMNS, [{"run": 2}])
    assert path.read_text(encoding="utf-8") == "run,variant\n1,full recipe\n"


def test_a_file_without_its_last_line_break_is_continued_on_a_new_line(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_text("run\n1", encoding="utf-8")
    recording.append_rows(path, ["run"], [{"run": 2}])
    assert path.read_text(encoding="utf-8") == "run\n1\n2\n"


def test_a_crash_between_the_two_files_loses_that_run_alone(records):
    records.add(seed=0)
    # A crash after the first of the two files:
    epochs = [{"run": 2} | epoch for epoch in made_up_records.epochs(last=1_135)]
    recording.append_rows(records.folder / "epochs.csv", recording.EPOCH_COLUMNS, epochs)
    records.add(seed=1)
    assert recording.read("runs.csv")["run"].tolist() == [1, 3]


def test_the_real_records_are_whole():
    runs, epochs = recording.read("runs.csv"), recording.read("epochs.csv")
    assert list(runs.columns) == recording.RUN_COLUMNS
    assert list(epochs.columns) == recording.EPOCH_COLUMNS
    assert runs["run"].is_unique
    for _, rows in epochs.groupby("run"):
        assert rows["epoch"].tolist() == list(range(1, len(rows) + 1))


def test_no_two_seeds_of_the_real_records_have_the_same_losses():
    losses = recording.read("epochs.csv").groupby("run")["loss"].agg(tuple)
    runs = recording.read("runs.csv").set_index("run").assign(losses=losses)
    runs = runs[runs["losses"].notna()].drop_duplicates(["trained", "seed", "losses"])
    assert not runs.duplicated(["trained", "losses"]).any()
