"""MobileNet V1 as an ONNX graph, from TensorFlow's weights.

Howard et al. 2017, arXiv:1704.04861. Batch norms are folded into the convolutions.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from deepfake_serving.packaging.checkpoints.state import CheckpointError
from deepfake_serving.packaging.embeddings.tfjs import Weights

_BLOCKS = 13
_STRIDED = (2, 4, 6, 12)
"""Blocks whose depthwise convolution halves the map."""
_OPSET, _IR = 13, 8

Values = npt.NDArray[np.float32]


def mobilenet_graph(weights: Weights, size: int) -> onnx.ModelProto:
    """Builds the graph from pixels (1, 3, size, size) to the mean features (1, channels).

    Raises:
        CheckpointError: weights of the network are missing.
    """
    graph = _Graph()
    try:
        at = graph.convolve(
            "pixels",
            weights["conv1/convolution/merged_input"].transpose(3, 2, 0, 1),
            weights["conv1_bn/batchnorm_1/sub"],
            stride=2,
        )
        for block in range(1, _BLOCKS + 1):
            depthwise, name = f"conv_dw_{block}", f"conv_pw_{block}"
            kernel = weights[f"{depthwise}/depthwise_kernel"].transpose(2, 3, 0, 1)
            scale = weights[f"{depthwise}_bn/batchnorm_1/mul"].reshape(-1, 1, 1, 1)
            bias = weights[f"{depthwise}_bn/batchnorm_1/sub"]
            stride = 2 if block in _STRIDED else 1
            at = graph.convolve(at, kernel * scale, bias, stride=stride, groups=len(kernel))
            kernel = weights[f"{name}/convolution/merged_input"].transpose(3, 2, 0, 1)
            at = graph.convolve(at, kernel, weights[f"{name}_bn/batchnorm_1/sub"])
    except KeyError as error:
        raise CheckpointError(
            f"the parameters differ from the network's; missing: {error}"
        ) from None
    return graph.finish(at, size)


class _Graph:
    """A chain of convolutions, each with its bias and ReLU6."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []
        self._constant("zero", np.float32(0))
        self._constant("six", np.float32(6))
        self.channels = 0

    def convolve(
        self, source: str, kernel: Values, bias: Values, *, stride: int = 1, groups: int = 1
    ) -> str:
        """Adds a convolution, padded as TensorFlow's SAME for even maps; returns its output."""
        number = len(self.nodes)
        names = [f"kernel{number}", f"bias{number}"]
        for name, value in zip(names, (kernel, bias), strict=True):
            self._constant(name, value)
        self.channels, side = len(kernel), kernel.shape[2]
        margin = side - stride if side > 1 else 0
        convolved, clipped = f"convolved{number}", f"map{number}"
        self.nodes.append(
            helper.make_node(
                "Conv",
                [source, *names],
                [convolved],
                kernel_shape=[side, side],
                strides=[stride, stride],
                group=groups,
                pads=[margin // 2, margin // 2, margin - margin // 2, margin - margin // 2],
            )
        )
        self.nodes.append(helper.make_node("Clip", [convolved, "zero", "six"], [clipped]))
        return clipped

    def finish(self, source: str, size: int) -> onnx.ModelProto:
        """Adds the mean over the map, and returns the model."""
        self.nodes.append(helper.make_node("GlobalAveragePool", [source], ["pooled"]))
        self.nodes.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
        graph = helper.make_graph(
            self.nodes,
            "mobilenet",
            [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 3, size, size])],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, self.channels])],
            self.values,
        )
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=_IR)
        onnx.checker.check_model(model)
        return model

    def _constant(self, name: str, value: Values | np.float32) -> None:
        array = np.ascontiguousarray(value, np.float32)
        self.values.append(numpy_helper.from_array(array, name))
