"""VideoReader gives the same frames from memory and from the file."""

from fractions import Fraction

import numpy as np
import pytest

from pvtt.io.video import write_video
from pvtt.io.video_reader import VideoReader


@pytest.mark.parametrize("memory_mb", [100, 0.01])
def test_every_pass_gives_all_frames(tmp_path, memory_mb):
    frames = np.random.default_rng(0).integers(0, 255, (5, 32, 48, 3), np.uint8)
    write_video(tmp_path / "v.mp4", frames, Fraction(25))
    replay = VideoReader(tmp_path / "v.mp4", memory_mb)
    first, second = np.stack(list(replay())), np.stack(list(replay()))
    assert replay.n_frames == 5 and first.shape == frames.shape
    assert np.array_equal(first, second)
