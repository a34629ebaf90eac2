"""Files, tables, videos and progress bars: the only place that touches formats."""
