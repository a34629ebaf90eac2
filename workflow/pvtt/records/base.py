"""What all records share: reading and writing JSON through a type, and the fields that many have.

A record on disk is JSON with the fields of its type, in their order. A missing, misspelt or wrong field is an error
that names the file and the field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from pvtt.io.files import write_json
from pvtt.records import ids

ProductId = Annotated[str, Field(pattern=f"^{ids.PRODUCT_PATTERN}$")]
ClipId = Annotated[str, Field(pattern="_s[0-9]{2,}$")]
PairId = Annotated[str, Field(pattern="_s[0-9]{2,}__.+_i[1-9][0-9]*$")]
Rate = Annotated[
    str, Field(pattern="^[1-9][0-9]*/[1-9][0-9]*$", description="Frames per second as numerator/denominator.")
]
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]
Measures = dict[str, JsonValue]
_BOX = "[x0, y0, x1, y1] in pixels, x1 and y1 exclusive; null where the product is not seen."
Box = Annotated[list[float], Field(min_length=4, max_length=4, description=_BOX)]
PixelBox = Annotated[list[int], Field(min_length=4, max_length=4, description=_BOX)]
Rect = Annotated[list[Count], Field(min_length=4, max_length=4, description="[x, y, width, height] in pixels.")]
Keep = Literal[False]
KEEP: Any = Field(default=False, description="There when the cache does not keep this result: its failure may pass.")


class RecordError(ValueError):
    """A record that does not fit its type; the message names the file and the field."""


class Fields(BaseModel):
    """A part of a record: strict types, no other fields, never changed."""

    # Validators are built at first use, so that importing all types stays cheap.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class Record(Fields):
    """A record on disk. Optional fields that were not given are absent in the file."""

    @classmethod
    def of(cls, values: Any, name: str | Path = "") -> Self:
        """Make a record of values as JSON has them.

        Parameters
        ----------
        values : mapping
            Field to value.
        name : str or path
            What the record is called in messages, such as its file; its type by default.

        Raises
        ------
        RecordError
            A field is missing, unknown or wrong.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _explained(error, name or cls.__name__) from error

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Read the record of a file.

        Raises
        ------
        RecordError
            The file is no JSON, or a field is missing, unknown or wrong; the message names the file and the field.
        """
        try:
            return cls.model_validate_json(Path(path).read_bytes())
        except ValidationError as error:
            raise _explained(error, path) from error

    @classmethod
    def read_if_there(cls, path: str | Path) -> Self | None:
        """Read the record of a file; None where there is none or an empty one."""
        path = Path(path)
        return cls.read(path) if path.is_file() and path.stat().st_size else None

    def plain(self) -> dict[str, Any]:
        """The record as JSON's values, without the optional fields that were not given."""
        return self.model_dump(exclude_unset=True)

    def write(self, path: str | Path) -> None:
        """Write the record as indented JSON, whole or not at all."""
        write_json(path, self.plain())


def _explained(error: ValidationError, name: str | Path) -> RecordError:
    """The first problem in words."""
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return RecordError(f"{name}: not valid JSON ({first['ctx']['error']}); delete it and run again")
    field = ".".join(map(str, first["loc"])) or "the record"
    others = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return RecordError(f"{name}: {field}: {first['msg']}{others}")


class ModelUsed(Fields):
    """A model that took part in making a result."""

    id: str = Field(description="Id in resources/models.yaml.")
    repository: str
    commit: str
    licence: str
    commercial: bool = Field(description="Whether its licence allows commercial use.")


class Provenance(Fields):
    """Where a result comes from."""

    pvtt: str = Field(description="Version of this program.")
    backend: str = Field(description="Name of the backend.")
    version: str | None = Field(description="Its version; another version may give other results.")
    models: list[ModelUsed] = Field(description="The models that made it.")
    licence: str | None = Field(description="Licence of backend and models, the strictest.")
    settings: dict[str, JsonValue] = Field(description="The stage's settings.")
    seed: int | None
    inputs: dict[str, str] = Field(description="BLAKE2b-128 of every input, by role.")
    seconds: Seconds = Field(description="Wall-clock seconds spent, without loading models.")
    measured_by: str = Field(
        default="", description="Everything that measured and its version; a new one measures anew."
    )


class WithReason(Record):
    """A record with a status; a result that was not accepted or not made has a reason."""

    @model_validator(mode="after")
    def _has_reason(self) -> Self:
        status, reason = getattr(self, "status", ""), getattr(self, "reason", "")
        if status in ("rejected", "failed", "invalid") and not reason:
            raise ValueError(f"status {status!r} needs a reason")
        return self
