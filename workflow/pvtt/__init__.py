"""PVTT: from product videos and photos to a training set of object-replacement pairs.

One sub-package per stage of the pipeline (shots, segmentation, background, products, pairs, insertion, scoring,
dataset, report); beside them what several stages share. Nothing here imports Snakemake or torch.
"""

__version__ = "0.2.0"
