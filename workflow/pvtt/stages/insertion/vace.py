"""Insertion by Wan VACE as published; `vace_insertion` says how it works."""

from __future__ import annotations

from pvtt.stages.insertion.vace_insertion import VaceInsertion


class Backend(VaceInsertion):
    """Wan VACE through Diffusers; `insertion.vace.model` chooses among its sizes."""

    name = "vace"
    version = "2"
