"""Records of the feed's media: what probing found, the shots of a video, a clip, the cut-out of a photo."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pvtt.records.base import (
    ClipId,
    Count,
    Fields,
    PixelBox,
    Positive,
    ProductId,
    Provenance,
    Rate,
    Record,
    Rect,
    WithReason,
)

Accepted = Literal["accepted", "rejected"]
Side = Annotated[int, Field(ge=16, multiple_of=16)]


class ProbedVideo(Fields):
    """What a product's video holds; the fields from `width` on are absent when it cannot be decoded."""

    path: str = Field(description="File name; the catalogue has its folder.")
    status: Accepted
    reason: str = Field(description="Why it cannot be used; empty when accepted.")
    width: Positive | None = None
    height: Positive | None = None
    fps: Rate | None = None
    n_frames: Positive | None = None
    codec: str | None = None
    pixel_format: str | None = None
    rotation: int | None = Field(default=None, description="Degrees by which players turn it.")
    pixel_aspect: str | None = Field(default=None, description="Width of a pixel by its height.")
    variable_rate: bool | None = None
    content_rect: Rect | None = Field(
        default=None, description="[x, y, width, height] in pixels, inside baked-in bars."
    )
    digest: str | None = Field(description="BLAKE2b-128 of the file; null when there is none.")
    fingerprint: list[str] = Field(description="One text per sampled frame.")


class ProbedPhoto(Fields):
    """What a product's photo holds."""

    index: Positive = Field(description="Place in the catalogue, from 1.")
    path: str = Field(description="File name; the catalogue has its folder.")
    status: Accepted
    reason: str = Field(description="Why it cannot be used; empty when accepted.")
    width: Count
    height: Count
    digest: str | None = Field(description="BLAKE2b-128 of the file; null when there is none.")
    fingerprint: list[str]


class Probe(Record):
    """What the video and the photos of a product hold."""

    product_id: ProductId
    video: ProbedVideo | None = Field(description="Null when the product has none.")
    images: list[ProbedPhoto]
    provenance: Provenance


class Shot(Fields):
    """A shot of a video, a clip to be."""

    clip_id: ClipId
    start_frame: Count = Field(description="First frame, from 0.")
    end_frame: Positive = Field(description="Frame after the last one.")
    fps: Rate
    n_frames: Positive
    width: Positive = Field(description="Of the clip to be.")
    height: Positive = Field(description="Of the clip to be.")
    content_rect: Rect = Field(description="[x, y, width, height] in pixels of the source; bars lie outside.")
    status: Accepted
    reason: str = Field(description="Why it is no clip; empty when accepted.")
    split: Literal["", "part"] = Field(description="`part` where a long shot was split.")
    review: str = Field(
        default="", description="Disputed cuts in it or at its ends, in words, for a person to look at."
    )


class DisputedCut(Fields):
    """A hard cut that only one of two detectors found."""

    frame: Count = Field(description="First frame after the cut.")
    found_by: str = Field(description="Backend that found it.")
    missed_by: str = Field(description="Backend that did not.")


class Shots(WithReason):
    """The shots of a product's video."""

    product_id: ProductId
    status: Accepted
    reason: str = Field(description="Why the video gives no clip; empty when accepted.")
    detector: str = Field(description="Backend and detector.")
    fps: Rate | None
    n_frames: Count
    width: Count
    height: Count
    cuts: list[int] = Field(description="First frames after hard cuts.")
    gradual: list[Annotated[list[int], Field(min_length=2, max_length=2)]] = Field(
        description="Spans [first, end) of dissolves and fades."
    )
    shots: list[Shot]
    disputed: list[DisputedCut] = Field(
        default=[], description="Cuts on which two detectors disagree; absent without `shots.second_opinion`."
    )
    provenance: Provenance


class ClipSource(Fields):
    """The video that a clip was cut from, and where."""

    video: str = Field(description="File name; the catalogue has its folder.")
    start_frame: Count = Field(description="First frame, from 0.")
    end_frame: Positive = Field(description="Frame after the last one.")
    width: Positive
    height: Positive


class Clip(Record):
    """A clip, one shot of a source video, cropped to its content and re-encoded near-losslessly."""

    clip_id: ClipId
    product_id: ProductId
    source: ClipSource
    content_rect: Rect = Field(description="[x, y, width, height] in pixels of the source; bars lie outside.")
    width: Side
    height: Side
    fps: Rate
    n_frames: Positive
    empty: bool = Field(description="True for a scene without a product, a background as it stands.")
    provenance: Provenance


class CutOut(WithReason):
    """The cut-out of one photo, or why there is none."""

    product_id: ProductId
    image_index: Positive = Field(description="The photo's place in the catalogue, from 1.")
    status: Accepted
    reason: str = Field(description="Why it was rejected; empty when accepted.")
    image: str = Field(description="File name of the photo.")
    width: Positive | None = Field(description="Of the photo.")
    height: Positive | None = Field(description="Of the photo.")
    box: PixelBox | None
    main: bool = Field(description="Whether it is the product's first photo.")
    measures: dict[str, int | float]
    provenance: Provenance
