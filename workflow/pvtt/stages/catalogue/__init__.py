"""Catalogue stage: the products, the content of their files, and what each product can be used for.

`read_catalogue` is cheap and decodes nothing: Snakemake calls it each time it reads the workflow. `probe_product`
decodes one product's files. `build_catalogue` joins rows and records and finds duplicates by content. Every row ends
accepted, or rejected with a reason; a bad row never raises an error.
"""

from pvtt.io.tables import read_table, write_table
from pvtt.stages.catalogue.feed import Feed, with_paths
from pvtt.stages.catalogue.probing import probe_product
from pvtt.stages.catalogue.rows import CatalogueError, Row, read_catalogue
from pvtt.stages.catalogue.table import CATALOGUE_COLUMNS, build_catalogue

__all__ = [
    "CATALOGUE_COLUMNS",
    "CatalogueError",
    "Feed",
    "Row",
    "build_catalogue",
    "probe_product",
    "read_catalogue",
    "read_table",
    "with_paths",
    "write_table",
]
