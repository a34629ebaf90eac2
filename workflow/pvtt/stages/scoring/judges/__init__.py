"""Vision-language judges: one module per judge with a class `Backend`, chosen by `scoring.judge`."""
