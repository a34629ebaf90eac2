"""Difficulty of a replacement from the taxonomy: easy, medium, hard or expert.

easy: same subcategory; medium: same category; hard: another category of a similar form; expert: another form.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from pvtt.io.project_files import project_or_own_file

DIFFICULTIES = ("easy", "medium", "hard", "expert")


class Taxonomy:
    """Categories, subcategories and their forms, read from `config/taxonomy.yaml`.

    The file has `categories: {category: {subcategory: form}}`, `similar_forms: [[form, form, ...], ...]` (groups whose
    members are alike) and `default_form` for what it does not list. ValueError when it has another shape.
    """

    def __init__(self, record: Mapping[str, Any]) -> None:
        try:
            self._forms = {
                (category, subcategory): form
                for category, entries in record["categories"].items()
                for subcategory, form in entries.items()
            }
            self._groups = [frozenset(group) for group in record["similar_forms"]]
            self._default = str(record["default_form"])
        except (KeyError, AttributeError, TypeError) as error:
            raise ValueError(f"taxonomy: needs categories, similar_forms and default_form ({error!r})") from error

    @classmethod
    def read(cls, path: str | Path) -> Taxonomy:
        """Read a taxonomy file."""
        with open(path, encoding="utf-8") as stream:
            return cls(yaml.safe_load(stream))

    def form(self, product: Mapping[str, Any]) -> str:
        """Form of a product (a mapping with category and subcategory)."""
        return str(self._forms.get((product["category"], product["subcategory"]), self._default))

    def difficulty(self, source: Mapping[str, Any], target: Mapping[str, Any]) -> str:
        """Difficulty of putting `target` in the place of `source`."""
        if source["category"] == target["category"]:
            same = source["subcategory"] == target["subcategory"]
            return DIFFICULTIES[0] if same else DIFFICULTIES[1]
        forms = {self.form(source), self.form(target)}
        alike = (len(forms) == 1 and self._default not in forms) or any(forms <= group for group in self._groups)
        return DIFFICULTIES[2] if alike else DIFFICULTIES[3]


def read_taxonomy(name: str | Path) -> dict[str, Any]:
    """Content of the taxonomy file that a setting names: one of the project, or one of the working directory."""
    return dict(yaml.safe_load(project_or_own_file(name).read_text(encoding="utf-8")))
