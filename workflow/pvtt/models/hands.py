"""Hands in a picture by the palm detector and the hand landmark network of MediaPipe; run by OpenCV on the CPU.

Zhang et al., "MediaPipe Hands: On-device Real-time Hand Tracking", 2020 (arXiv 2006.10214), and its model cards. The
first network proposes palms on a fixed grid of anchors. The second one looks at a square that is turned so that the
fingers point up, finds 21 landmarks in it, and tells whether it holds a hand at all: that drops false palms.

OpenCV 4.14 leaves out the biases of the second network's last layers. Compared with the TFLite runtime, its landmarks
are off by up to 3 px of the 224 px square, and its probabilities by 0.04 where they are near 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pvtt.models import registry

MODEL = "mediapipe-hands"  # its id in resources/models.yaml
_PALM_FILE, _LANDMARK_FILE = "palm_detection_full.tflite", "hand_landmark_full.tflite"

_PALM_SIDE = 192  # px, side of the palm network's input
_HAND_SIDE = 224  # px, side of the landmark network's input
# Grid pitch in px of the palm network's input and anchors a cell, in the order of its output.
_ANCHOR_GRIDS = ((8, 2), (16, 6))
_WRIST, _MIDDLE_FINGER = 0, 2  # of the palm's seven key points: wrist, and knuckle of the middle finger
# The whole picture, and the picture amid an equal margin, in which a hand that fills or leaves it is seen as a whole.
# Share of the palm network's input that the picture's longer side takes.
_ZOOMS = (1.0, 0.5)
_MIN_PALM = 0.15  # score from which a palm is looked at; published 0.5; tuned on real clips, the second network decides
_MIN_PRESENCE = 0.5  # probability from which the square holds a hand, as published
_MAX_OVERLAP = 0.3  # IoU above which two boxes are one palm, or one hand, as published
_ENLARGED = 2.6  # side of the hand's square, as a multiple of the palm's box, as published
_SHIFT = 0.5  # by which the square is moved from the palm towards the fingers, in heights of the palm's box, likewise


@dataclass(frozen=True)
class Hand:
    """One hand.

    box: (x0, y0, x1, y1) around its landmarks, px of the picture. score: probability that it is a hand, 0 to 1.
    landmarks: float32 (21, 2), x and y in px of the picture: the wrist, then four joints of each finger from the thumb.
    """

    box: tuple[float, float, float, float]
    score: float
    landmarks: NDArray[np.float32]


class Hands:
    """The two networks, read from their files.

    Parameters
    ----------
    folder
        Holds both files; the model's folder when it is not given.

    Raises
    ------
    ModelError
        When a file is missing or is no such network.
    """

    def __init__(self, folder: Path | None = None) -> None:
        place = folder or registry.require(MODEL)
        self._palm, self._landmark = (_read(place / name) for name in (_PALM_FILE, _LANDMARK_FILE))
        self._anchors = palm_anchors()

    def find(self, image: NDArray[np.uint8]) -> list[Hand]:
        """Hands of a picture, the surest first.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB, 0 to 255

        Returns
        -------
        list of Hand
        """
        palms, _ = self.palms(image)
        found = [hand for palm in palms if (hand := self._look_closer(image, palm)) is not None]
        kept = suppress_overlaps([hand.box for hand in found], [hand.score for hand in found])
        return [found[k] for k in kept]

    def palms(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the first network takes for palms.

        Parameters
        ----------
        image : uint8 (h, w, 3) RGB, 0 to 255

        Returns
        -------
        float32 (n, 9, 2)
            Two corners of the box, then seven key points; x and y in px of the picture.
        float32 (n,)
            Scores, 0 to 1, the highest first.
        """
        seen = [self._palms_of_view(image, zoom) for zoom in _ZOOMS]
        points, scores = np.concatenate([one for one, _ in seen]), np.concatenate([one for _, one in seen])
        kept = suppress_overlaps(points[:, :2].reshape(-1, 4).tolist(), scores.tolist())
        return points[kept], scores[kept]

    def _palms_of_view(self, image: NDArray[np.uint8], zoom: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Palms of the picture in the middle of a black square whose side is 1 / `zoom` of its longer side."""
        height, width = image.shape[:2]
        scale = zoom * _PALM_SIDE / max(height, width)
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        left, top = (_PALM_SIDE - size[0]) // 2, (_PALM_SIDE - size[1]) // 2
        square = np.zeros((_PALM_SIDE, _PALM_SIDE, 3), np.uint8)
        square[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        raw, logits = self._run(self._palm, square, ("Identity", "Identity_1"))
        points, scores = decode_palms(raw[0], logits[0, :, 0], self._anchors)
        return ((points - (left, top)) / scale).astype(np.float32), scores

    def _look_closer(self, image: NDArray[np.uint8], palm: NDArray[np.float32]) -> Hand | None:
        """The hand of a palm, or None where the second network sees none."""
        to_square = square_of_hand(palm)
        square = cv2.warpAffine(image, to_square, (_HAND_SIDE, _HAND_SIDE), flags=cv2.INTER_LINEAR)
        flat, presence = self._run(self._landmark, square, ("Identity", "Identity_1"))
        score = float(presence[0, 0])
        if score < _MIN_PRESENCE:
            return None
        inside = flat.reshape(21, 3)[:, :2]  # x, y in px of the square; the third is depth
        points = cv2.transform(inside[None], cv2.invertAffineTransform(to_square))[0].astype(np.float32)
        (x0, y0), (x1, y1) = points.min(0).tolist(), points.max(0).tolist()
        return Hand((x0, y0, x1, y1), score, points)

    @staticmethod
    def _run(net: cv2.dnn.Net, square: NDArray[np.uint8], outputs: Sequence[str]) -> list[NDArray[np.float32]]:
        net.setInput(cv2.dnn.blobFromImage(square, 1 / 255))
        return [np.asarray(one, np.float32) for one in net.forward(outputs)]


def _read(path: Path) -> cv2.dnn.Net:
    try:
        return cv2.dnn.readNetFromTFLite(str(path))
    except cv2.error as error:
        raise registry.ModelError(f"{path} cannot be read as a network: {error.err}; fetch it again") from error


def palm_anchors() -> NDArray[np.float32]:
    """Centres of the palm network's anchors, float32 (2016, 2): x and y in px of its input, in the output's order."""
    grids = []
    for pitch, per_cell in _ANCHOR_GRIDS:
        centres = (np.arange(_PALM_SIDE // pitch) + 0.5) * pitch
        x, y = np.meshgrid(centres, centres)
        grids.append(np.repeat(np.stack([x.ravel(), y.ravel()], axis=1), per_cell, axis=0))
    return np.concatenate(grids).astype(np.float32)


def decode_palms(
    raw: NDArray[np.float32], logits: NDArray[np.float32], anchors: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn the palm network's output into boxes and key points.

    Parameters
    ----------
    raw : float32 (n, 18)
        Offset of the box's centre from the anchor, the box's width and height, offsets of seven key points; px of the
        network's input, x before y.
    logits : float32 (n,)
    anchors : float32 (n, 2)
        Their centres in px.

    Returns
    -------
    float32 (m, 9, 2)
        Upper left and lower right corner, then seven key points, in px, of the palms with a score of at least 0.15.
    float32 (m,)
        Their scores.
    """
    scores = np.asarray(1 / (1 + np.exp(-np.clip(logits, -80, 80))), np.float32)
    chosen = scores >= _MIN_PALM
    pairs = raw[chosen].reshape(-1, 9, 2)
    centre, half = pairs[:, :1] + anchors[chosen][:, None], pairs[:, 1:2] / 2
    points = pairs[:, 2:] + anchors[chosen][:, None]
    decoded = np.concatenate([centre - half, centre + half, points], axis=1)
    return np.asarray(decoded, np.float32), scores[chosen]


def suppress_overlaps(boxes: Sequence[Sequence[float]], scores: Sequence[float]) -> list[int]:
    """Numbers of the boxes (x0, y0, x1, y1) that stay, best score first, where no two overlap by an IoU above 0.3."""
    sized = [(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]
    return [int(k) for k in np.ravel(cv2.dnn.NMSBoxes(sized, list(scores), 0.0, _MAX_OVERLAP))]


def square_of_hand(palm: NDArray[np.float32]) -> NDArray[np.float64]:
    """Affine map from the picture to the upright square in which the landmark network expects the hand of a palm.

    Parameters
    ----------
    palm : float32 (9, 2)
        As from `Hands.palms`.

    Returns
    -------
    float64 (2, 3)
        Wrist to middle finger points up in the square; its side is 2.6 times the longer side of the palm's box.
    """
    (x0, y0), (x1, y1) = palm[0], palm[1]
    wrist, finger = palm[2 + _WRIST], palm[2 + _MIDDLE_FINGER]
    up = np.asarray(finger - wrist, np.float64)
    length = float(np.hypot(*up))
    up = up / length if length else np.array([0.0, -1.0])
    right = np.array([-up[1], up[0]])
    centre = np.array([x0 + x1, y0 + y1], np.float64) / 2 + _SHIFT * float(y1 - y0) * up
    scale = _HAND_SIDE / (_ENLARGED * max(float(x1 - x0), float(y1 - y0), 1.0))
    turn = scale * np.stack([right, -up])
    return np.hstack([turn, (_HAND_SIDE / 2 - turn @ centre)[:, None]])
