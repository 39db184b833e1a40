#!/usr/bin/python3
"""Writes quantized.onnx beside this script: a small network quantised as ONNX Runtime's tools do it (QDQ), with 8-bit
weights of several scales, 32-bit biases, and constants of 16 and 64 bits. Debian 12: apt-get install python3-onnx; then
/usr/bin/python3 make_quantized.py

All scales are powers of two, so that sums are exact and values to round are the same in every implementation. What it
computes is in onnxruntime_crosscheck/answers.json."""
import pathlib
import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

RANDOM = np.random.RandomState(5)
TENSORS, NODES = [], []


def tensor(name, values):
    TENSORS.append(numpy_helper.from_array(values, name))
    return name


def node(op, inputs, output, **attributes):
    NODES.append(helper.make_node(op, inputs, [output], name=f"{output}_{op}", **attributes))
    return output


def pair(value, scale, zero):
    """Quantises a value and back."""
    linear = [tensor(f"{value}_scale", np.float32(scale)), tensor(f"{value}_zero", zero)]
    return node("DequantizeLinear", [node("QuantizeLinear", [value] + linear, f"{value}_q")] + linear, f"{value}_d")


def weights(name, values, scales, axis):
    """Scales for each index of an axis, and zero points of 0."""
    scales = np.array(scales, np.float32)
    inputs = [tensor(f"{name}_q", values), tensor(f"{name}_scale", scales),
              tensor(f"{name}_zero", np.zeros(scales.shape, values.dtype))]
    return node("DequantizeLinear", inputs, name, axis=axis)


def main():
    kernels = RANDOM.randint(-128, 128, (4, 2, 3, 3)).astype(np.int8)
    biases = RANDOM.randint(-3000, 3000, 4).astype(np.int32)
    steps = [2.0**-8, 2.0**-7, 2.0**-9, 2.0**-8]
    x = pair("x", 2.0**-7, np.uint8(20))
    c = node("Conv", [x, weights("w1", kernels, steps, 0), weights("b1", biases, [s * 2.0**-7 for s in steps], 0)], "c")
    r = node("Relu", [pair(c, 2.0**-5, np.int8(-100))], "r")
    p = pair(node("MaxPool", [r], "p", kernel_shape=[2, 2], strides=[2, 2]), 2.0**-5, np.int8(-100))
    f = node("Flatten", [p], "f")
    w2 = tensor("w2_q", RANDOM.randint(0, 256, (5, 4 * 3 * 2)).astype(np.uint8))
    linear = [tensor("w2_scale", np.float32(2.0**-10)), tensor("w2_zero", np.uint8(128))]
    g = node("Gemm", [f, node("DequantizeLinear", [w2] + linear, "w2")], "g", transB=1)
    half = node("Cast", [tensor("half", RANDOM.randn(5).astype(np.float16))], "half_f", to=TensorProto.FLOAT)
    double = node("Cast", [tensor("double", RANDOM.randn(5))], "double_f", to=TensorProto.FLOAT)
    node("Add", [node("Mul", [g, half], "m"), double], "y")
    graph = helper.make_graph(NODES, "quantized", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 8, 6])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 5])], TENSORS)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)])
    model.ir_version = 8
    save(model, pathlib.Path(__file__).with_name("quantized.onnx"))


main()
