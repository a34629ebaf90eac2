"""Results of another format are refused; new folders and this version's are not."""

import pytest

from pvtt.io.files import read_json, write_json
from pvtt.records.results_format import ResultsFormatError, check_results, mark_results


def test_a_new_folder_passes_and_is_marked_once(tmp_path):
    check_results(tmp_path / "none")
    (tmp_path / "logs").mkdir()
    write_json(tmp_path / "catalogue" / "A.json", {})
    check_results(tmp_path)
    mark_results(tmp_path)
    assert read_json(tmp_path / "format.json") == {"format": 2}
    before = (tmp_path / "format.json").stat().st_ino
    (tmp_path / "clips.tsv").touch()
    mark_results(tmp_path)
    assert (tmp_path / "format.json").stat().st_ino == before


@pytest.mark.parametrize(
    "name", ["clips/A_s01/qa.json", "clips.tsv", "pairs/A_s01/B_i1/score.json", "filtered.parquet"]
)
def test_results_of_an_earlier_version_are_refused(tmp_path, name):
    write_json(tmp_path / name, {})
    for use in (check_results, mark_results):
        with pytest.raises(ResultsFormatError, match=r"holds results of format 1, .* writes format 2\. Choose another"):
            use(tmp_path)
    assert not (tmp_path / "format.json").exists()


def test_results_of_a_later_version_are_refused(tmp_path):
    write_json(tmp_path / "format.json", {"format": 3})
    with pytest.raises(ResultsFormatError, match="holds results of format 3"):
        check_results(tmp_path)
