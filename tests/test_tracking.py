from discogan.run_folder import MetricsLog, read_records


def test_records_come_back_and_a_torn_line_does_not(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    log.append({"step": 1, "loss": 0.5})
    log.append({"step": 2, "loss": 0.25})
    with (tmp_path / "m.jsonl").open("a") as file:
        file.write('{"step": 3, "lo')
    assert read_records(tmp_path / "m.jsonl") == [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_opening_at_a_step_drops_what_lies_beyond(tmp_path):
    log = MetricsLog(tmp_path / "m.jsonl")
    for step in range(1, 6):
        log.append({"step": step})
    again = MetricsLog(tmp_path / "m.jsonl", step=3)
    again.append({"step": 4, "new": True})
    assert read_records(tmp_path / "m.jsonl") == [{"step": 1}, {"step": 2}, {"step": 3}, {"step": 4, "new": True}]


def test_no_file_is_no_records(tmp_path):
    assert read_records(tmp_path / "none") == []
