"""File formats: JSON, tables, videos, images; atomic writes and progress bars."""
