"""Vision-language judges: one file each, class `Backend`, chosen by `scoring.judge`."""
