"""Rows of a run's tables: their types name the columns, in the order in which the tables have them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pvtt.io.tables import read_table
from pvtt.records.base import ClipId, Count, Fields, PairId, Positive, ProductId, Rate, RecordError, Share
from pvtt.records.dataset import Difficulty
from pvtt.records.media import Accepted

if TYPE_CHECKING:
    import pandas as pd

Number = float | None


class CatalogueRow(Fields):
    """A product of the catalogue with what was found in its files."""

    product_id: ProductId
    category: str = Field(description="`unknown` where the catalogue has none.")
    subcategory: str
    title: str
    platform: str
    video: str = Field(description="Path of the video; empty without one.")
    images: str = Field(description="Paths of the photos with ';' between, the main one first.")
    empty: bool = Field(description="Whether the video shows a scene without a product.")
    status: Accepted
    reason: str = Field(description="Why it was rejected, or what of an accepted product cannot be used.")
    roles: str = Field(description="`source`, `target`, both with ';' between, or neither.")
    n_images: Count = Field(description="Photos that can be used.")
    width: Positive | None = Field(description="Of the video.")
    height: Positive | None = Field(description="Of the video.")
    fps: Rate | Literal[""]
    n_frames: Positive | None
    video_digest: str = Field(description="BLAKE2b-128 of the video's file.")
    duplicate_of: ProductId | Literal[""] = Field(description="Earlier product with the same video.")
    same_as: str = Field(description="Earlier products that share a photo or the video, with ';' between.")


class ClipRow(Fields):
    """A shot of a video; an accepted one is a clip."""

    clip_id: ClipId
    product_id: ProductId
    start_frame: Count = Field(description="First frame in the video, from 0.")
    end_frame: Positive = Field(description="Frame after the last one.")
    fps: Rate
    n_frames: Positive
    width: Positive = Field(description="Of the clip.")
    height: Positive = Field(description="Of the clip.")
    status: Accepted
    reason: str = Field(description="Why it is no clip; empty when accepted.")
    split: Literal["", "part"] = Field(description="`part` where a long shot was split.")
    review: str = Field(default="", description="Disputed cuts in it or at its ends; empty where there is none.")


class PlannedPair(Fields):
    """A candidate pair: photo `image_index` of the target in the place of the source's product."""

    pair_id: PairId
    clip_id: ClipId
    source_id: ProductId
    target_id: ProductId
    image_index: Positive
    difficulty: Difficulty
    seed: Count
    rank: Count = Field(description="Hash by which caps and quotas choose.")
    status: Literal["planned", "skipped"]
    reason: str = Field(description="Why it was skipped; empty when planned.")
    pack: str = Field(default="", description="Its pack; empty when skipped.")


class JudgedPair(Fields):
    """The verdict on a pair, with the figures that it rests on; a figure that was not measured is missing."""

    pair_id: PairId
    kept: bool = Field(description="As `kept_forward`.")
    reasons: str = Field(description="Every limit that it failed, with ';' between; empty when kept.")
    kept_forward: bool = Field(description="Good as source -> result.")
    kept_reverse: bool = Field(description="Good as result -> real source.")
    kept_insert: bool = Field(description="Its clip is good as background -> real source.")
    kept_remove: bool = Field(description="Its clip is good as real source -> background.")
    p_good_forward: Number = Field(description="Probability that it is good; missing without a calibration.")
    p_good_reverse: Number
    p_good_insert: Number
    p_good_remove: Number
    quality_score: Share | None
    identity: Share | None
    temporal: Share | None
    lighting: Share | None
    overall: Share | None
    basis: str = Field(description="Scores that the quality score rests on, with ';' between.")
    status: Literal["scored", "invalid", "failed"] = Field(description="Of its score.")
    identity_p10: Number = Field(description="10th percentile of identity over the frames.")
    source_likeness: Number = Field(description="Likeness to the source's product.")
    swap: Number = Field(description="Likeness to the target less likeness to the source.")
    changed: Number = Field(description="Changed share of the product's pixels.")
    background_psnr: Number = Field(description="dB, outside both products.")
    motion_ratio: Number = Field(description="Motion of the inserted product relative to the source's.")
    motion_ratio_outside: Number
    warping_error_inside: Number
    warping_error_outside: Number
    flicker_inside: Number
    flicker_outside: Number
    jitter: Number
    box_drift: Number = Field(description="Wander of the inserted box against the source's, relative to its diagonal.")


def columns(kind: type[Fields]) -> tuple[str, ...]:
    """Columns of a table whose rows are of a type."""
    return tuple(kind.model_fields)


def read_rows(kind: type[Fields], path: str | Path) -> pd.DataFrame:
    """Read a table of a run.

    Parameters
    ----------
    kind
        Type of its rows.
    path : str or Path
        A TSV or parquet file.

    Raises
    ------
    RecordError
        A column is missing; the message names the file and the column.
    """
    import pandas as pd

    table = pd.read_parquet(path) if Path(path).suffix == ".parquet" else read_table(path)
    needed = [name for name, field in kind.model_fields.items() if field.is_required()]
    if missing := [name for name in needed if name not in table.columns]:
        raise RecordError(f"{path}: the column {missing[0]} is missing; delete the file and run again")
    return table
