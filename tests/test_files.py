import pytest

from discogan import files
from discogan.files import write_json, write_text


def test_text_is_replaced(tmp_path):
    write_text(tmp_path / "x", "old")
    write_text(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path, monkeypatch):
    write_json(tmp_path / "x.json", {"step": 1})

    def killed(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "sync", killed)
    with pytest.raises(KeyboardInterrupt):
        write_json(tmp_path / "x.json", {"step": 2})
    assert '"step": 1' in (tmp_path / "x.json").read_text()
