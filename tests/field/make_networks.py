#!/usr/bin/python3
"""Writes networks.json beside this script: small networks as exporters write them, each with an operator, a type or a
form that users met errors with. What ONNX Runtime computes is added by operators.mjs. Debian 12:
apt-get install python3-torch python3-onnx; then

    /usr/bin/python3 tests/field/make_networks.py
    node privdnn/torch/onnxruntime_crosscheck/operators.mjs tests/field/networks.json

Every network reads x (N, ...) and writes y. Its input is (37 i mod 101) / 101."""
import base64
import io
import json
import pathlib

import numpy
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

CASES = []
SHAPE = [2, 8, 8]


def add(name, model, shape, selection, **more):
    if model.opset_import[0].version <= onnx.defs.onnx_opset_version():
        onnx.checker.check_model(model)
    CASES.append({"name": name, "input": [4, *shape], "low": 0, "high": 1, "selection": selection, **more,
                  "model": base64.b64encode(model.SerializeToString()).decode()})


def export(network, shape=SHAPE, opset=13, **options):
    file = io.BytesIO()
    torch.onnx.export(network.eval(), torch.zeros(1, *shape), file, opset_version=opset, input_names=["x"],
                      output_names=["y"], dynamic_axes={"x": {0: "n"}, "y": {0: "n"}}, **options)
    return onnx.load_from_string(file.getvalue())


class Net(nn.Module):
    """Two convolutions with something between them, and a head."""

    def __init__(self, middle, channels=4, second=None, end=None):
        super().__init__()
        torch.manual_seed(len(CASES))
        self.a, self.middle = nn.Conv2d(2, 4, 3), middle
        self.b = second or nn.Conv2d(channels, 3, 3)
        self.c = nn.Linear(3, 5)
        self.end = end or nn.Identity()

    def forward(self, x):
        x = self.b(self.middle(self.a(x)))
        return self.end(self.c(x.mean((2, 3))))


class Do(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def between(name, middle, opset=13, selection="1:0-1;2:0", **options):
    add(name, export(Net(middle if isinstance(middle, nn.Module) else Do(middle), **options), opset=opset), SHAPE,
        selection)


def operators():
    torch.manual_seed(1)
    for name, middle in {
            "relu": nn.ReLU(), "elu": nn.ELU(), "celu": nn.CELU(), "selu": nn.SELU(),
            "prelu": nn.PReLU(4, 0.2), "gelu": nn.GELU(), "silu": nn.SiLU(), "mish": nn.Mish(),
            "softplus": nn.Softplus(), "softsign": nn.Softsign(), "tanh": nn.Tanh(), "relu6": nn.ReLU6(),
            "hard_sigmoid": nn.Hardsigmoid(), "neg_exp_log": lambda x: torch.log(1 + torch.exp(-x)) + x.abs(),
            "pow_sqrt": lambda x: torch.sqrt(x.abs() + 1) + (x.abs() + 0.5)**1.5,
            "group_norm": nn.GroupNorm(2, 4), "instance_norm": nn.InstanceNorm2d(4, affine=True),
            "local_response_norm": nn.LocalResponseNorm(3), "batch_norm": nn.BatchNorm2d(4),
            "avg_pool_ceil": nn.AvgPool2d(3, 2, 1, ceil_mode=True), "max_pool": nn.MaxPool2d(3, 1, 1),
            "reflect": nn.ReflectionPad2d(1), "nearest": nn.Upsample(scale_factor=2),
            "bilinear": nn.Upsample(scale_factor=1.5, mode="bilinear", align_corners=True),
            "conv_transpose": nn.Sequential(nn.ConvTranspose2d(4, 4, 3, 2, output_padding=1), nn.ReLU()),
            "sum_max": lambda x: torch.maximum(x, 0.5 * x) + x + x.amax((2, 3), keepdim=True),
            "where_free_shapes": lambda x: x.view(x.size(0), x.size(1), -1).view(x.shape),
            "shuffle": lambda x: torch.relu(x).view(-1, 2, 2, 6, 6).transpose(1, 2).reshape(-1, 4, 6, 6),
            "slice_concat": lambda x: torch.cat([x[:, 2:], torch.relu(x[:, :2])], 1)}.items():
        between(name, middle)
    between("split", lambda x: torch.cat([torch.relu(part) for part in x.chunk(2, 1)], 1))
    between("square", lambda x: x * x, selection="1:0-1;2:all")
    between("layer_norm", nn.LayerNorm([6, 6]), opset=17)
    between("global_max_pool", lambda x: x * functional.adaptive_max_pool2d(x, 1))
    between("dilated", nn.ReLU(), second=nn.Conv2d(4, 3, 3, dilation=2))
    between("depthwise", nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU()), selection="1:0;2:1-2;3:0")
    between("log_softmax", nn.ReLU(), end=nn.LogSoftmax(1))
    between("argmax", nn.ReLU(), end=Do(lambda x: x.argmax(1)))
    net = Net(nn.ReLU())
    for layer in (net.a, net.b):
        nn.init.zeros_(layer.bias)
    add("zero_bias", export(net), SHAPE, "1:0;2:0")


class Siamese(nn.Module):
    """A layer that is applied twice; the second time its weights come through a Transpose node."""

    def __init__(self, transposed):
        super().__init__()
        self.a, self.c, self.transposed = nn.Linear(16, 16), nn.Linear(16, 5), transposed

    def forward(self, x):
        x = torch.relu(self.a(x.flatten(1)[:, :16]))
        x = torch.matmul(x, self.a.weight.T) if self.transposed else self.a(x)
        return self.c(torch.relu(x))


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.norm = nn.Conv2d(2, 8, 4, 4), nn.LayerNorm(8)
        self.qkv, self.out, self.head = nn.Linear(8, 24), nn.Linear(8, 8), nn.Linear(8, 5)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        q, k, v = self.qkv(self.norm(x)).reshape(-1, 4, 3, 2, 4).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) / 2, -1)
        return self.head((x + self.out((a @ v).transpose(1, 2).reshape(-1, 4, 8))).mean(1))


def weights(*shape):
    return numpy.sin(numpy.arange(numpy.prod(shape)) * 0.7 + len(shape)).astype(numpy.float32).reshape(shape) / 2


def build(nodes, shape, opset, ir, constants, type_=TensorProto.FLOAT):
    protos = [helper.make_node(op, i.split(), o.split(), **a) for op, i, o, a in nodes]
    graph = helper.make_graph(protos, "g", [helper.make_tensor_value_info("x", type_, ["n", *shape])],
                              [helper.make_tensor_value_info("y", type_, ["n", 5])],
                              [numpy_helper.from_array(v, k) for k, v in constants.items()])
    if ir < 4:  # initializers are inputs, too
        for initializer in graph.initializer:
            graph.input.append(
                helper.make_tensor_value_info(initializer.name, initializer.data_type, initializer.dims))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir)


CONV = [("Conv", "x w b", "a", {"kernel_shape": [3, 3]}), ("Relu", "a", "r", {})]


def double():
    """ONNX Runtime has no Conv for this type."""
    values = {"w": weights(128, 6), "b": weights(6), "v": weights(6, 5), "c": weights(5)}
    nodes = [("Flatten", "x", "f", {}), ("Gemm", "f w b", "a", {}), ("Relu", "a", "r", {}), ("Gemm", "r v c", "y", {})]
    return build(nodes, SHAPE, 13, 8, {k: v.astype(numpy.float64) for k, v in values.items()}, TensorProto.DOUBLE)


def plain(opset, ir, dtype=numpy.float32, type_=TensorProto.FLOAT):
    """The mean with its axes as an attribute or, from operator set 18, as an input."""
    constants = {"w": weights(4, 2, 3, 3), "b": weights(4), "v": weights(4, 5), "c": weights(5)}
    constants = {k: v.astype(dtype) for k, v in constants.items()}
    mean = ("ReduceMean", "r", "m", {"axes": [2, 3], "keepdims": 0})
    if opset >= 18:
        constants["axes"] = numpy.array([2, 3])
        mean = ("ReduceMean", "r axes", "m", {"keepdims": 0})
    return build([*CONV, mean, ("Gemm", "m v c", "y", {})], SHAPE, opset, ir, constants, type_)


def forms():
    for opset, ir in ((7, 3), (8, 3), (12, 7), (18, 8), (21, 10)):
        add(f"opset_{opset}", plain(opset, ir), SHAPE, "1:0-1;2:0")
    add("double", double(), SHAPE, "1:0-1;2:0", type="float64")
    half = plain(13, 8, numpy.float16, TensorProto.FLOAT16)
    casts = [helper.make_node("Cast", ["x"], ["x16"], to=TensorProto.FLOAT16),
             helper.make_node("Cast", ["y16"], ["y"], to=TensorProto.FLOAT)]
    half.graph.node[0].input[0], half.graph.node[-1].output[0] = "x16", "y16"
    half.graph.node.insert(0, casts[0])
    half.graph.node.append(casts[1])
    for value in (half.graph.input[0], half.graph.output[0]):
        value.type.tensor_type.elem_type = TensorProto.FLOAT
    add("half", half, SHAPE, "1:0-1;2:0", rounding=2e-3)
    unsorted = plain(13, 8)
    nodes = list(unsorted.graph.node)
    CASES.append({"name": "unsorted", "input": [4, *SHAPE], "low": 0, "high": 1, "selection": "1:0-1;2:0",
                  "model": base64.b64encode(unsorted.SerializeToString()).decode()})
    del unsorted.graph.node[:]
    unsorted.graph.node.extend(reversed(nodes))
    CASES[-1]["given"] = base64.b64encode(unsorted.SerializeToString()).decode()
    quantised()
    constants()
    layouts()


def quantised():
    scale, zero = numpy.float32(0.004), numpy.int8(0)
    integers = {"w": (weights(4, 2, 3, 3), 1), "v": (weights(5, 4), 2)}
    values = {f"{k}_q": numpy.clip(numpy.rint(w / 0.004), -127, 127).astype(numpy.int8) for k, (w, _) in integers.items()}
    values |= {"s": scale, "z": zero, "b": weights(4), "c": weights(5), "t": numpy.float32(0.02), "u": numpy.uint8(3)}
    nodes = [("DequantizeLinear", f"{k}_q s z", k, {}) for k in integers]
    nodes += [*CONV, ("GlobalAveragePool", "r", "m", {}), ("Flatten", "m", "f", {}),
              ("QuantizeLinear", "f t u", "f_q", {}), ("DequantizeLinear", "f_q t u", "f_d", {}),
              ("Gemm", "f_d v c", "y", {"transB": 1})]
    add("qdq", build(nodes, SHAPE, 13, 8, values), SHAPE, "1:0-1;2:0", rounding=0.03)


def constants():
    """Weights in Constant nodes; weights behind Transpose and Reshape."""
    as_tensor = {k: numpy_helper.from_array(v, k) for k, v in {"w": weights(4, 2, 3, 3), "b": weights(4)}.items()}
    nodes = [("Constant", "", k, {"value": v}) for k, v in as_tensor.items()]
    nodes += [("Transpose", "v_t", "v", {"perm": [1, 0]}), ("Reshape", "c_r five", "c", {}), *CONV,
              ("GlobalAveragePool", "r", "m", {}), ("Flatten", "m", "f", {}), ("MatMul", "f v", "p", {}),
              ("Add", "p c", "y", {})]
    values = {"v_t": weights(5, 4), "c_r": weights(1, 5), "five": numpy.array([5])}
    add("constants", build(nodes, SHAPE, 13, 8, values), SHAPE, "1:0-1;2:0")


def layouts():
    """Channels last, as tf2onnx and Keras write it; height and width left open."""
    nodes = [("Transpose", "x", "t", {"perm": [0, 3, 1, 2]}), ("Conv", "t w b", "a", {}), ("Relu", "a", "r", {}),
             ("Transpose", "r", "l", {"perm": [0, 2, 3, 1]}),
             ("ReduceMean", "l", "m", {"axes": [1, 2], "keepdims": 0}), ("MatMul", "m v", "p", {}),
             ("Add", "p c", "y", {})]
    values = {"w": weights(4, 2, 3, 3), "b": weights(4), "v": weights(4, 5), "c": weights(5)}
    add("channels_last", build(nodes, [8, 8, 2], 13, 8, values), [8, 8, 2], "1:0-1;2:0")
    dynamic = plain(13, 8)
    for i, name in ((2, "h"), (3, "w")):
        dynamic.graph.input[0].type.tensor_type.shape.dim[i].dim_param = name
    add("dynamic_height", dynamic, SHAPE, "1:0-1;2:0", input_shape=SHAPE)


operators()
torch.manual_seed(2)
add("attention", export(Attention(), opset=17), SHAPE, "1:0-1")
forms()
add("siamese", export(Siamese(False)), SHAPE, "1:0", error="is read in 2 places")
add("tied", export(Siamese(True), do_constant_folding=False), SHAPE, "1:all", error="can't keep it secret")
path = pathlib.Path(__file__).with_name("networks.json")
path.write_text("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in CASES) + "\n]\n")
print(len(CASES), "networks", path.stat().st_size, "bytes")
