"""Records of everything on disk: ids, file layout, provenance, and a run read back."""
