"""Networks with the inputs and outputs of birefnet-general, isnet-general-use and u2net, as small ONNX files.

The photo's contrast to its corner, squared and scaled: what stands out is the product. BiRefNet's graph gives a logit,
the others a probability first and five (IS-Net) or six (U2-Net) more maps after it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

SIDES = {"birefnet-general": 1024, "isnet-general-use": 1024, "u2net": 320}  # px, of the square input
# Of the contrast: the networks normalise the photo differently.
GAINS = {"birefnet-general": 4.0, "isnet-general-use": 60.0, "u2net": 6.0}


def build(folder: Path, seed: int = 0, network: str = "birefnet-general") -> None:
    """Write `<network>.onnx` into `folder`; `seed` varies the weights of the colours a little."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(seed)
    weights = (1 + 0.1 * random.random((1, 3, 1, 1))).astype(np.float32)
    logits, side = network.startswith("birefnet"), SIDES[network]
    width = 5 if side > 320 else 3
    # From the corner's 16 x 16 pixels to one value per colour: the ground.
    constants = {
        "starts": np.array([0, 0], np.int64),
        "ends": np.array([16, 16], np.int64),
        "axes": np.array([2, 3], np.int64),
        "weights": weights,
        "gain": np.array(GAINS[network], np.float32),
        "level": np.array(-5.0, np.float32),
    }
    nodes = [
        helper.make_node("Slice", ["image", "starts", "ends", "axes"], ["corner"]),
        helper.make_node("GlobalAveragePool", ["corner"], ["ground"]),
        helper.make_node("Sub", ["image", "ground"], ["contrast"]),
        helper.make_node("Mul", ["contrast", "contrast"], ["power"]),
        helper.make_node("Conv", ["power", "weights"], ["sum"], kernel_shape=[1, 1]),
        helper.make_node("AveragePool", ["sum"], ["smooth"], kernel_shape=[width, width], pads=[width // 2] * 4),
        helper.make_node("Mul", ["smooth", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "level"], ["logit"]),
    ]
    names = ["logit"]
    if not logits:
        names = [f"map{index}" for index in range(7 if network == "u2net" else 6)]
        nodes += [helper.make_node("Sigmoid", ["logit"], [name]) for name in names]
    graph = helper.make_graph(
        nodes,
        network,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, side, side])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, side, side]) for name in names],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(folder / f"{network}.onnx"))


if __name__ == "__main__":
    for name in SIDES:
        build(Path(sys.argv[1]) / (name if name == "u2net" else f"rembg-{name}"), network=name)
