#!/usr/bin/python3
"""Writes operators.json beside this script: a small model for each operator and form of it that privdnn reads, without
answers, which operators.mjs adds. Debian 12: apt-get install python3-onnx python3-numpy; then
/usr/bin/python3 make_operators.py && node operators.mjs

Every model reads x (N, ...) and writes y. Its input is (37 i mod 101) / 101, stretched from `low` to `high`."""
import base64
import json
import pathlib
import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

CASES = []
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def weights(*shape):
    """Values in (-1, 1), different for each shape."""
    count = int(numpy.prod(shape))
    return numpy.sin(0.7 * numpy.arange(count) + len(shape) + count).astype(numpy.float32).reshape(shape)


def floats(*values):
    return numpy.array(values, numpy.float32)


def ints(*values):
    return numpy.array(values, numpy.int64)


def case(name, opset, shape, nodes, low=-2, high=2, output=FLOAT, outputs=("y",), **constants):
    """A node is (operator, inputs, outputs, attributes); several inputs or outputs are separated by spaces, "-" is an
    omitted one."""
    protos = []
    for op, inputs, results, attributes in nodes:
        names = ["" if n == "-" else n for n in inputs.split()]
        protos.append(helper.make_node(op, names, results.split(), **attributes))
    initializers = [numpy_helper.from_array(v, k) for k, v in constants.items()]
    graph = helper.make_graph(protos, "g", [helper.make_tensor_value_info("x", FLOAT, ["N", *shape])],
                              [helper.make_tensor_value_info(o, output, None) for o in outputs], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              ir_version=3 if opset < 9 else 7 if opset < 15 else 8 if opset < 19 else 10)
    del model.graph.output[0].type.tensor_type.shape.dim[:]
    model.graph.output[0].type.tensor_type.ClearField("shape")
    CASES.append({"name": f"{name}-{opset}", "input": [2, *shape], "low": low, "high": high,
                  "model": base64.b64encode(model.SerializeToString()).decode()})


def one(op, opset, shape, low=-2, high=2, inputs="x", label=None, attributes=None, **constants):
    """A single node."""
    case(label or op, opset, shape, [(op, inputs, "y", attributes or {})], low, high, **constants)


def activations():
    for op in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Erf", "Neg", "Abs", "Exp"):
        one(op, 13, [3, 4])
    for op in ("Log", "Sqrt", "Reciprocal"):
        one(op, 13, [3, 4], 0.5, 3)
    one("Elu", 7, [3, 4])
    one("Elu", 13, [3, 4], attributes={"alpha": 0.5})
    one("Selu", 13, [3, 4])
    one("Selu", 7, [3, 4], attributes={"alpha": 1.5, "gamma": 0.5})
    one("Celu", 13, [3, 4], attributes={"alpha": 0.5})
    one("LeakyRelu", 13, [3, 4], attributes={"alpha": 0.2})
    one("ThresholdedRelu", 13, [3, 4], attributes={"alpha": 0.5})
    one("HardSigmoid", 13, [3, 4], attributes={"alpha": 0.3})
    one("HardSwish", 14, [3, 4], -4, 4)
    one("Mish", 18, [3, 4])
    one("Gelu", 20, [3, 4])
    one("Gelu", 20, [3, 4], label="Gelu-tanh", attributes={"approximate": "tanh"})
    for opset in (7, 9, 16):
        one("PRelu", opset, [3, 4, 2], inputs="x s", s=weights(3, 1, 1))
    one("PRelu", 16, [3, 4, 2], inputs="x s", label="PRelu-shared", s=floats(0.25))
    one("Clip", 7, [3, 4], attributes={"min": -0.5, "max": 1.0})
    one("Clip", 13, [3, 4], inputs="x - b", b=numpy.array(1, numpy.float32))
    for exponent in (3, -1, 1.5):
        one("Pow", 13, [3, 4], 0.5, 3, "x e", f"Pow{exponent}", e=floats(exponent)[0])
    one("Pow", 15, [3, 4], inputs="x e", label="Pow-integer", e=numpy.array(3, numpy.int64))
    # GELU as exporters before operator set 20 write it.
    case("Gelu-erf", 13, [3, 4], [("Div", "x r", "d", {}), ("Erf", "d", "e", {}), ("Add", "e o", "a", {}),
                                  ("Mul", "x a", "m", {}), ("Mul", "m h", "y", {})],
         r=floats(2 ** 0.5)[0], o=floats(1)[0], h=floats(0.5)[0])
    case("HardSwish-parts", 11, [3, 4], [("HardSigmoid", "x", "h", {"alpha": 1 / 6, "beta": 0.5}), ("Mul", "x h", "y", {})],
         -4, 4)


def arithmetic():
    for op in ("Sum", "Max", "Min", "Mean"):
        for opset in (8, 13):
            case(op, opset, [3, 4], [("Relu", "x", "a", {}), ("Neg", "x", "b", {}), (op, "x a b", "y", {})])
    case("Sum-one", 13, [3, 4], [("Relu", "x", "r", {}), ("Sum", "r", "y", {})])
    for op in ("Add", "Sub", "Mul", "Div"):
        one(op, 7, [3, 4], inputs="x c", c=floats(1, -2, 0.5, 4))
        one(op, 14, [3, 4], 0.5, 2, inputs="c x", label=op + "-reversed", c=floats(1, -2, 0.5, 4))
    case("MatMul-values", 13, [2, 3, 4], [("Transpose", "x", "t", {"perm": [0, 1, 3, 2]}), ("MatMul", "x t", "y", {})])
    one("MatMul", 13, [3, 4], inputs="x w", label="MatMul-batched", w=weights(1, 4, 2))
    one("MatMul", 13, [3, 4], inputs="w x", label="MatMul-left", w=weights(2, 3))
    case("MatMul-transposed", 13, [4], [("Transpose", "w", "t", {"perm": [1, 0]}), ("MatMul", "x t", "y", {})],
         w=weights(3, 4))
    case("Gemm-reshaped", 13, [4], [("Reshape", "w s", "r", {}), ("Mul", "r two", "d", {}),
                                    ("Gemm", "x d c", "y", {"transB": 1, "alpha": 0.5})],
         w=weights(12), s=ints(3, -1), two=floats(2), c=weights(3))


def normalisations():
    batch = {"s": weights(3), "b": weights(3) * 2, "m": weights(3), "v": floats(0.5, 1, 2)}
    for opset in (7, 9, 14, 15):
        one("BatchNormalization", opset, [3, 2, 2], inputs="x s b m v", **batch)
    for axis in (-1, 1, 2):
        shape = [3, 2, 4][axis - 1 if axis > 0 else axis:]
        one("LayerNormalization", 17, [3, 2, 4], inputs="x s b", label=f"LayerNormalization{axis}",
            attributes={"axis": axis, "epsilon": 1e-3}, s=weights(*shape), b=weights(*shape))
    one("LayerNormalization", 17, [6], inputs="x s", label="LayerNormalization-scale", s=weights(6))
    for opset in (7, 18):
        one("InstanceNormalization", opset, [3, 4, 2], inputs="x s b", s=weights(3), b=weights(3))
    one("GroupNormalization", 21, [6, 2, 2], inputs="x s b", attributes={"num_groups": 3}, s=weights(6), b=weights(6))
    one("GroupNormalization", 18, [6, 2, 2], inputs="x s b", attributes={"num_groups": 3}, s=weights(3), b=weights(3))
    for size in (1, 3, 5):  # ONNX Runtime refuses even sizes
        one("LRN", 13, [5, 2, 3], label=f"LRN{size}", attributes={"size": size, "alpha": 0.5, "beta": 0.6, "bias": 1.5})
    one("Softmax", 9, [3, 2, 2])
    one("Softmax", 11, [3, 2, 2], label="Softmax2", attributes={"axis": 2})
    one("LogSoftmax", 11, [3, 2, 2])
    for op in ("Softmax", "LogSoftmax"):
        one(op, 13, [3, 2, 2], attributes={"axis": 1})


def reductions():
    for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"):
        one(op, 11, [3, 2, 4], attributes={"axes": [1, -1]})
        one(op, 18, [3, 2, 4], inputs="x a", attributes={"keepdims": 0}, a=ints(-1, 2))
    one("ReduceSum", 13, [3, 2, 4], inputs="x a", attributes={"keepdims": 0}, a=ints(1))
    for opset in (11, 13):
        case("ArgMax", opset, [5], [("Relu", "x", "r", {}), ("ArgMax", "r", "y", {"axis": 1})], output=INT64)
    case("ArgMax-map", 13, [3, 2, 2], [("Neg", "x", "r", {}), ("ArgMax", "r", "y", {"axis": 1, "keepdims": 0})],
         output=INT64)


def windows():
    one("Conv", 11, [2, 7, 6], inputs="x w b", label="Conv-dilated", w=weights(3, 2, 2, 3), b=weights(3),
        attributes={"dilations": [3, 2], "pads": [1, 0, 2, 1], "strides": [2, 1]})
    one("Conv", 11, [4, 5, 5], inputs="x w", label="Conv-grouped", attributes={"group": 2, "dilations": [2, 2]},
        w=weights(6, 2, 2, 2))
    one("Conv", 11, [4, 6, 6], inputs="x w", label="Conv-same", attributes={"auto_pad": "SAME_LOWER"},
        w=weights(4, 4, 3, 2))
    one("Conv", 11, [2, 9], inputs="x w b", label="Conv-row", w=weights(3, 2, 3), b=weights(3),
        attributes={"dilations": [2], "pads": [1, 2], "strides": [2]})
    for label, attributes in (("", {}), ("-strided", {"strides": [2, 3], "output_padding": [1, 2]}),
                              ("-cropped", {"strides": [2, 2], "pads": [1, 0, 0, 2], "dilations": [1, 2]}),
                              ("-shaped", {"strides": [2, 2], "output_shape": [7, 8]})):
        one("ConvTranspose", 11, [4, 3, 4], inputs="x w b", label="ConvTranspose" + label, w=weights(4, 2, 3, 3),
            b=weights(2), attributes=attributes)
    one("ConvTranspose", 11, [4, 3, 4], inputs="x w", label="ConvTranspose-grouped", w=weights(4, 2, 2, 2),
        attributes={"group": 2, "strides": [2, 2]})
    one("ConvTranspose", 11, [4, 5], inputs="x w", label="ConvTranspose-row", w=weights(4, 2, 3), attributes={"strides": [2]})
    one("MaxPool", 12, [2, 7, 6], label="MaxPool-dilated", attributes={"kernel_shape": [2, 3], "dilations": [2, 2]})
    one("MaxPool", 8, [2, 9], label="MaxPool-row", attributes={"kernel_shape": [3], "strides": [2], "pads": [1, 1]})
    one("AveragePool", 10, [2, 9], label="AveragePool-row", attributes={"kernel_shape": [3], "strides": [2]})
    one("GlobalMaxPool", 7, [3, 4, 5])
    one("GlobalMaxPool", 13, [3, 5], label="GlobalMaxPool-row")
    one("GlobalAveragePool", 13, [3, 5], label="GlobalAveragePool-row")
    one("AveragePool", 19, [2, 5, 5], label="AveragePool-counted",
        attributes={"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1], "count_include_pad": 1})
    one("AveragePool", 19, [2, 6, 5], label="AveragePool-ceil", attributes={
        "kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 0, 0], "count_include_pad": 1, "ceil_mode": 1})
    # A chain of one spatial dimension, with nodes that stay maps and one that does not.
    case("row-network", 13, [2, 16], [("Conv", "x w1 b", "c", {"pads": [1, 1]}),
                                      ("BatchNormalization", "c s b m v", "n", {}), ("PRelu", "n p", "r", {}),
                                      ("Mul", "r k", "k1", {}), ("MaxPool", "k1", "q", {"kernel_shape": [2], "strides": [2]}),
                                      ("Conv", "q w2", "d", {"group": 3}), ("Add", "d q2", "e", {}),
                                      ("Transpose", "e", "t", {"perm": [0, 2, 1]}), ("Flatten", "t", "f", {}),
                                      ("GlobalAveragePool", "e", "g", {}), ("Flatten", "g", "h", {}),
                                      ("Concat", "f h", "y", {"axis": 1})],
         w1=weights(3, 2, 3), b=weights(3), s=weights(3), m=weights(3), v=floats(0.5, 1, 2), p=weights(3, 1),
         k=weights(1, 3, 1), w2=weights(3, 1, 2), q2=weights(7))
    case("average-over-channels", 13, [1, 5, 2, 3],
         [("AveragePool", "x", "y", {"kernel_shape": [3, 1, 1], "pads": [0, 0, 0, 0, 0, 0]})])


def resizes():
    up, down, shape = floats(1, 1, 2, 1.5), floats(1, 1, 0.5, 0.6), [2, 5, 6]
    one("Upsample", 7, shape, attributes={"scales": [1.0, 1.0, 2.0, 3.0]})
    for mode in ("nearest", "linear"):
        one("Upsample", 9, shape, inputs="x s", label="Upsample-" + mode, attributes={"mode": mode}, s=up)
        one("Resize", 10, shape, inputs="x s", label="Resize-" + mode, attributes={"mode": mode}, s=up)
        one("Resize", 10, shape, inputs="x s", label=f"Resize-{mode}-down", attributes={"mode": mode}, s=down)
    for coordinates in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"):
        for scales in (up, down):
            label = f"Resize-linear-{coordinates}-{scales[2]}"
            one("Resize", 13, shape, inputs="x - s", label=label, s=scales,
                attributes={"mode": "linear", "coordinate_transformation_mode": coordinates})
        for nearest in ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"):
            one("Resize", 13, shape, inputs="x - s", label=f"Resize-{coordinates}-{nearest}", s=up,
                attributes={"coordinate_transformation_mode": coordinates, "nearest_mode": nearest})
    one("Resize", 19, shape, inputs="x - s", label="Resize-half_pixel_symmetric", s=floats(1, 1, 1.3, 1.5),
        attributes={"mode": "linear", "coordinate_transformation_mode": "half_pixel_symmetric"})
    one("Resize", 11, shape, inputs="x roi s", label="Resize-region", roi=floats(), s=up,
        attributes={"mode": "linear"})
    one("Resize", 18, shape, inputs="x - - s", label="Resize-axes", s=ints(7, 4),
        attributes={"mode": "linear", "axes": [2, 3]})
    # Sizes from those of the value, as exporters write them for any batch.
    case("Resize-sizes", 13, shape, [("Shape", "x", "s", {}), ("Slice", "s z two z", "n", {}),
                                     ("Concat", "n hw", "t", {"axis": 0}), ("Resize", "x - - t", "y", {"mode": "linear"})],
         z=ints(0), two=ints(2), hw=ints(9, 4))


def disappearing():
    case("Floor-Ceil", 13, [3], [("Floor", "k", "f", {}), ("Ceil", "k", "c", {}), ("Add", "x f", "s", {}), ("Mul", "s c", "y", {})],
         k=floats(-1.5, 0.5, 2))
    one("Dropout", 7, [3, 4], attributes={"ratio": 0.3})
    one("Dropout", 13, [3, 4], inputs="x r", r=numpy.array(0.3, numpy.float32))


def moved_batches():
    """Queries, keys and values in front of the batch, and back."""
    apart = ("Transpose", "x", "t", {"perm": [2, 0, 3, 1, 4]})
    gathers = [("Gather", f"t i{i}", f"q{i}", {"axis": 0}) for i in range(3)]
    turned = ("Transpose", "q1", "k", {"perm": [0, 1, 3, 2]})
    attention = [("MatMul", "q0 k", "s", {}), ("Softmax", "s", "a", {"axis": 3}), ("MatMul", "a q2", "y", {})]
    indices = {f"i{i}": numpy.array(i) for i in range(3)}
    case("Gather-attention", 13, [4, 3, 2, 5], [apart, *gathers, turned, *attention], **indices)
    parts = ("Split", "t", "p0 p1 p2", {"axis": 0})
    squeezed = [("Squeeze", f"p{i} zero", f"q{i}", {}) for i in range(3)]
    case("Split-attention", 13, [4, 3, 2, 5], [apart, parts, *squeezed, turned, *attention], zero=ints(0))
    case("Transpose-and-back", 13, [2, 3],
         [("Transpose", "x", "t", {"perm": [2, 0, 1]}), ("Transpose", "t", "u", {"perm": [0, 2, 1]}),
          ("Gather", "u i", "v", {"axis": -2}), ("Identity", "v", "w", {}), ("Transpose", "w", "z", {}), ("Relu", "z", "y", {})],
         i=ints(1, 1, 0))


def layouts():
    one("Transpose", 13, [2, 3, 4], attributes={"perm": [0, 3, 1, 2]})
    moved_batches()
    disappearing()
    one("Slice", 9, [5, 6], attributes={"starts": [1, -4], "ends": [4, 100], "axes": [1, 2]})
    one("Slice", 13, [5, 6], inputs="x s e a t", s=ints(0, 1), e=ints(2 ** 40, -1), a=ints(1, -1), t=ints(2, 3))
    one("Slice", 13, [5, 6], inputs="x s e", label="Slice-axes", s=ints(0, 1), e=ints(2 ** 40, 3))
    one("Slice", 13, [5, 3], inputs="x s e a t", label="Slice-reversed", s=ints(-1), e=ints(-2 ** 40), a=ints(1), t=ints(-2))
    for opset, inputs, attributes, constants in ((11, "x", {"split": [1, 3, 2]}, {}), (13, "x p", {}, {"p": ints(1, 3, 2)}),
                                                 (18, "x", {"num_outputs": 3}, {})):
        case("Split", opset, [6, 2], [("Split", inputs, "a b c", {"axis": 1, **attributes}),
                                      ("Concat", "c a b", "y", {"axis": 1})], **constants)
    one("Gather", 13, [5, 3], inputs="x i", label="Gather-scalar", attributes={"axis": 1}, i=numpy.array(2, numpy.int64))
    one("Gather", 13, [5, 3], inputs="x i", label="Gather-matrix", attributes={"axis": 1}, i=ints(0, 4, -1, 2).reshape(2, 2))
    one("DepthToSpace", 13, [8, 2, 3], attributes={"blocksize": 2})
    one("DepthToSpace", 13, [8, 2, 3], label="DepthToSpace-CRD", attributes={"blocksize": 2, "mode": "CRD"})
    one("SpaceToDepth", 13, [2, 4, 6], attributes={"blocksize": 2})
    one("Pad", 9, [2, 3], attributes={"pads": [0, 1, 0, 0, 0, 2], "value": 0.5})
    one("Pad", 13, [2, 3], inputs="x p v", p=ints(0, 1, 0, 0, 0, 2), v=floats(0.5)[0])
    one("Pad", 18, [2, 3, 3], inputs="x p - a", p=ints(1, 2, 0, 1), a=ints(2, -1))
    for mode in ("reflect", "edge"):
        one("Pad", 13, [2, 3, 4], inputs="x p", label="Pad-" + mode, attributes={"mode": mode}, p=ints(0, 0, 1, 2, 0, 0, 2, 3))
    case("shuffle", 13, [4, 2, 3], [("Shape", "x", "s", {}), ("Gather", "s zero", "n", {}), ("Gather", "s one", "c", {}),
                                    ("Div", "c two", "half", {}), ("Unsqueeze", "n axis", "n1", {}),
                                    ("Unsqueeze", "half axis", "h1", {}), ("Concat", "n1 g h1 hw", "t", {"axis": 0}),
                                    ("Reshape", "x t", "r", {}), ("Transpose", "r", "p", {"perm": [0, 2, 1, 3, 4]}),
                                    ("Concat", "n1 minus hw", "u", {"axis": 0}), ("Reshape", "p u", "y", {})],
         zero=ints(0)[0], one=ints(1)[0], two=ints(2)[0], axis=ints(0), g=ints(2), hw=ints(2, 3), minus=ints(-1))
    # A class token that is expanded to the batch, as PyTorch exports it.
    case("class-token", 13, [3, 4], [("Shape", "x", "s", {}), ("Gather", "s zero", "n", {}), ("Unsqueeze", "n axis", "n1", {}),
                                     ("Concat", "n1 minus minus", "t", {"axis": 0}), ("ConstantOfShape", "three", "o",
                                      {"value": helper.make_tensor("v", INT64, [1], [1])}),
                                     ("Mul", "o minus", "k", {}), ("Equal", "t k", "q", {}), ("Where", "q o t", "e", {}),
                                     ("Expand", "token e", "c", {}), ("Concat", "c x", "y", {"axis": 1})],
         zero=ints(0)[0], axis=ints(0), minus=ints(-1), three=ints(3), token=weights(1, 1, 4))
    one("Expand", 13, [1, 3], inputs="x s", s=ints(1, 4, 1))
    case("folded", 13, [4], [("Unsqueeze", "w axis", "u", {}), ("Squeeze", "u axis", "v", {}), ("Neg", "v", "g", {}),
                             ("Exp", "g", "e", {}), ("Slice", "e zero four axis", "f", {}), ("Concat", "f f", "h", {"axis": 0}),
                             ("Gather", "h i", "k", {}), ("Cast", "k", "l", {"to": FLOAT}), ("Add", "x l", "y", {})],
         w=weights(6), axis=ints(0), zero=ints(0), four=ints(4), i=ints(7, 1, 2, -3))
    case("range", 13, [4, 2], [("Range", "a b c", "r", {}), ("Gather", "x r", "y", {"axis": 1})], a=ints(3)[0], b=ints(-1)[0],
         c=ints(-2)[0])


def main():
    for group in (activations, arithmetic, normalisations, reductions, windows, resizes, layouts):
        group()
    assert len({c["name"] for c in CASES}) == len(CASES)
    path = pathlib.Path(__file__).parent / "operators.json"
    path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")


main()
