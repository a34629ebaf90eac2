"""Wan VACE (Jiang et al., "VACE: All-in-one video creation and editing", ICCV 2025) for background and insertion.

`windows` plans windows and frame sizes; `regions` aligns masks with the token grid; `prompts` and `tensor_cache` keep
embeddings and latents; `pipeline` extends the pipeline of Diffusers with exact shapes and these caches; `lora` merges a
LoRA; `engine` loads the model and generates one window; `windowed` generates a whole clip; `backend` is the base class
of the backends. Importing them does not import torch.
"""
