"""Base class of the settings: what a configuration may hold, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, ValidatorFunctionWrapHandler, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo


class Settings(BaseModel):
    """Settings of a stage, or of a part of it. They cannot be changed, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    first_keys: ClassVar[tuple[str, ...]] = ()  # keys that come before the others in `key_order`

    @classmethod
    def of(cls, given: Self | Mapping[str, Any]) -> Self:
        """Settings from a mapping; keys that it lacks have their defaults. Settings stay as they are.

        Raises
        ------
        pydantic.ValidationError
            For an unknown key, or a value of another type or range.
        """
        return given if isinstance(given, cls) else cls.model_validate(dict(given))

    @classmethod
    def key_order(cls) -> tuple[str, ...]:
        """Names of the settings, in the order of the reference `config/README.md`."""
        return tuple(dict.fromkeys((*cls.first_keys, *cls.model_fields)))

    def plain(self, given: Any = None) -> dict[str, Any]:
        """Plain dictionary of the settings: first the keys of `given`, in its order, then those of `key_order`."""
        first: Mapping[str, Any] = given if isinstance(given, Mapping) else {}
        return {key: _plain(getattr(self, key), first.get(key)) for key in dict.fromkeys((*first, *self.key_order()))}

    @field_validator("*", mode="wrap")
    @classmethod
    def _as_given(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Keep an integer an integer; fill a part's missing keys; read a number that Snakemake hands on as text."""
        if isinstance(value, str):
            return _of_text(value, check)
        if isinstance(value, Mapping):
            default = cls.model_fields[str(info.field_name)].default
            return check({**dict(default), **value} if isinstance(default, Settings) else value)
        return _number_as_given(value, check)


def _plain(value: Any, given: Any) -> Any:
    if isinstance(value, Settings):
        return value.plain(given)
    return list(value) if isinstance(value, tuple) else value


def _number_as_given(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    checked = check(value)
    if isinstance(value, bool) and not isinstance(checked, bool):
        raise PydanticCustomError("no_bool", "Input should be a number")
    return value if isinstance(checked, float) else checked


def _of_text(value: str, check: ValidatorFunctionWrapHandler) -> Any:
    try:
        return check(value)
    except ValidationError as error:
        try:
            parsed = yaml.safe_load(value)
            if isinstance(parsed, str):
                raise error
            return _number_as_given(parsed, check)
        except (yaml.YAMLError, ValidationError):
            raise error from None
