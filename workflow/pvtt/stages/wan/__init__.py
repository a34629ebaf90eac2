"""Wan VACE (Jiang et al., VACE: All-in-one video creation and editing, ICCV 2025), as several stages use it.

`spans` cuts clips into windows and finds the model's frame size, `regions` brings masks on the model's grid, `prompts`
and `memo` keep what was computed, `pipeline` is Diffusers' pipeline with exact shapes and these caches, `lora` merges a
LoRA, `engine` loads and runs all this, and `clip` takes a whole clip through it. Importing them needs no torch.
"""
