"""A stand-in for ProPainter's checkout: the same command line, folders and checks, a median instead of a network."""

from __future__ import annotations

import sys
from pathlib import Path

SCRIPT = """
import argparse, os, re, subprocess, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("-i", "--video", type=str, default="inputs/object_removal/bmx-trees")
parser.add_argument("-m", "--mask", type=str, default="inputs/object_removal/bmx-trees_mask")
parser.add_argument("-o", "--output", type=str, default="results")
parser.add_argument("--resize_ratio", type=float, default=1.0)
parser.add_argument("--height", type=int, default=-1)
parser.add_argument("--width", type=int, default=-1)
parser.add_argument("--mask_dilation", type=int, default=4)
parser.add_argument("--ref_stride", type=int, default=10)
parser.add_argument("--neighbor_length", type=int, default=10)
parser.add_argument("--subvideo_length", type=int, default=80)
parser.add_argument("--raft_iter", type=int, default=20)
parser.add_argument("--mode", default="video_inpainting", choices=["video_inpainting", "video_outpainting"])
parser.add_argument("--scale_h", type=float, default=1.0)
parser.add_argument("--scale_w", type=float, default=1.2)
parser.add_argument("--save_fps", type=int, default=24)
parser.add_argument("--save_frames", action="store_true")
parser.add_argument("--fp16", action="store_true")
args = parser.parse_args()

import cv2, numpy as np

mode = os.environ.get("STANDIN", "")
with open(os.environ["STANDIN_LOG"], "a") as log:
    print(args.subvideo_length, args.fp16, len(os.listdir(args.video)), args.width, args.height, file=log)
if mode == "hang":
    child = subprocess.Popen(["sleep", "600"])
    with open(os.environ["STANDIN_LOG"] + ".pids", "w") as log:
        print(os.getpid(), child.pid, file=log)
    time.sleep(600)
if mode == "crash":
    print("first words")
    sys.exit("RuntimeError: the flow went over the edge")
if mode == "memory" and args.subvideo_length > 20:
    sys.exit("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
if mode == "import":
    import package_that_is_not_there
assert "PYTHONPATH" not in os.environ, "another environment's packages"
assert args.save_frames and args.mode == "video_inpainting" and args.resize_ratio == 1
for name in ("raft-things", "recurrent_flow_completion", "ProPainter"):
    assert os.path.exists(f"weights/{name}.pth"), name
names, masks = sorted(os.listdir(args.video)), sorted(os.listdir(args.mask))
assert names == masks and len({len(name) for name in names}) == 1, "names of one length sort by number"
assert args.height % 8 == 0 and args.width % 8 == 0
assert args.height >= 128 and args.width >= 128, "the flow would give no numbers"
size = (args.width, args.height)
video = [cv2.imread(os.path.join(args.video, name)) for name in names]
holes = [cv2.imread(os.path.join(args.mask, name), cv2.IMREAD_GRAYSCALE) for name in names]
assert {(i.shape[1], i.shape[0]) for i in video + holes} == {size}, "frames and masks of the size that is asked for"
assert all(set(np.unique(hole)) <= {0, 255} for hole in holes)
video, window = np.stack(video), np.ones((2 * args.mask_dilation + 1,) * 2)
holes = np.stack([cv2.dilate(hole, window) > 0 for hole in holes])
plain = np.ma.median(np.ma.array(video, mask=np.repeat(holes[..., None], 3, 3)), 0).filled(128).astype(np.uint8)
folder = os.path.join(args.output, os.path.basename(args.video), "frames")
os.makedirs(folder)
for index, (frame, hole) in enumerate(zip(video, holes)):
    if mode == "few" and index == len(video) - 1:
        break
    painted = np.where(hole[..., None], plain, frame)
    if mode == "size":
        painted = painted[:-8]
    cv2.imwrite(os.path.join(folder, str(index).zfill(4) + ".png"), painted)
print("All results are saved")
"""


def build(folder: Path, seed: int = 0) -> None:
    """Write a checkout with weights (empty files) into `folder`."""
    (folder / "weights").mkdir(parents=True, exist_ok=True)
    (folder / "inference_propainter.py").write_text(SCRIPT)
    for name in ("raft-things", "recurrent_flow_completion", "ProPainter"):
        (folder / "weights" / f"{name}.pth").write_bytes(b"")


if __name__ == "__main__":
    build(Path(sys.argv[1]) / "propainter")
