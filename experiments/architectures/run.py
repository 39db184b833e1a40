#!/usr/bin/env python3
"""Exports architectures with PyTorch, encrypts a part of each, asks an owner for its scores, and compares with PyTorch.

For each architecture: torch.onnx.export with random weights (or, for the channels-last ones, a graph as tf2onnx writes
it, built with python3-onnx), then `privdnn plan`, `encrypt`, `serve` and `infer --scores`
on images of CIFAR-10's test set, owner and user as two processes on this machine. Compared are the scores of the user
with those of PyTorch for the same images: the largest difference beside the largest score, and how many predictions
differ. Whatever fails is listed with its message.

    PRIVDNN_DATA=~/data experiments/architectures/run.py --program build/release/privdnn --out architectures.json

Needs python3-torch, python3-torchvision and python3-onnx of Debian, and CIFAR-10 in the data root.
"""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import torch
import torchvision.models as models
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SIDE = 64  # CIFAR-10's images, each pixel four times: most of these networks halve their maps five times
ADAPTIVE = 224  # for those whose pool to 6x6 or 7x7 can't be exported for smaller maps
SELECTION = "1:0-1"
BUDGET = 1000


class Mlp(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 32), nn.GELU(), nn.Linear(32, 10))


class Squares(nn.Module):
    """Two convolutions around a square: a quadratic segment."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 6, 5, 2), nn.Conv2d(6, 8, 5, 2)
        self.c = nn.Linear(8, 10)

    def forward(self, x):
        x = torch.relu(self.b(self.a(x) ** 2))
        return self.c(x.mean((2, 3)))


class Attention(nn.Module):
    """A patch embedding, one block of a vision transformer, and its head."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 32, 16, 16)
        self.norm, self.qkv, self.out = nn.LayerNorm(32), nn.Linear(32, 96), nn.Linear(32, 32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        n = x.shape[1]
        q, k, v = self.qkv(self.norm(x)).reshape(-1, n, 3, 4, 8).permute(2, 0, 3, 1, 4)
        a = torch.softmax(q @ k.transpose(-1, -2) / 8**0.5, -1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(-1, n, 32))
        return self.head(x.mean(1))


def upsampled():
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.PReLU(), nn.Upsample(scale_factor=2, mode="bilinear"),
                         nn.ConvTranspose2d(8, 4, 2, 2), nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(4, 10))


def normalised(norm):
    return nn.Sequential(nn.Conv2d(3, 8, 3, 2), norm, nn.SiLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten(),
                         nn.Linear(8, 10), nn.LogSoftmax(1))


def channels_last():
    return {
        "nhwc_convolutions": nn.Sequential(
            nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
        "nhwc_depthwise": nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.ReLU(), nn.Conv2d(8, 16, 1),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
    }


def save_channels_last(network, path):
    """A Sequential network on inputs (N, H, W, C): what slides over a map stands between two Transpose nodes."""
    nodes, constants, value = [], {}, "image"

    def add(op, inputs, **attributes):
        nonlocal value
        value = f"v{len(nodes)}"
        nodes.append(helper.make_node(op, inputs, [value], name=f"{op}_{len(nodes)}", **attributes))

    def constant(name, tensor):
        constants[name] = tensor.detach().numpy()
        return name

    def slide(op, weights, layer, **attributes):
        pads = list(layer.padding) * 2 if isinstance(layer.padding, tuple) else [layer.padding] * 4
        pair = lambda v: list(v) if isinstance(v, tuple) else [v, v]
        add("Transpose", [value], perm=[0, 3, 1, 2])
        add(op, [value, *weights], kernel_shape=pair(layer.kernel_size), strides=pair(layer.stride), pads=pads,
            **attributes)
        add("Transpose", [value], perm=[0, 2, 3, 1])

    for i, layer in enumerate(network):
        if isinstance(layer, nn.Conv2d):
            slide("Conv", [constant(f"w{i}", layer.weight)], layer, group=layer.groups)
            add("Add", [value, constant(f"b{i}", layer.bias)])
        elif isinstance(layer, nn.MaxPool2d):
            slide("MaxPool", [], layer)
        elif isinstance(layer, nn.ReLU):
            add("Relu", [value])
        elif isinstance(layer, nn.AdaptiveAvgPool2d):
            add("ReduceMean", [value], axes=[1, 2], keepdims=0)
        elif isinstance(layer, nn.Linear):
            add("MatMul", [value, constant(f"w{i}", layer.weight.T)])
            add("Add", [value, constant(f"b{i}", layer.bias)])
    graph = helper.make_graph(
        nodes, "channels_last", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", 10])],
        [numpy_helper.from_array(np.ascontiguousarray(v), k) for k, v in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def own():
    return {
        "mlp": Mlp,
        "squares": Squares,
        "attention": Attention,
        "upsampled": upsampled,
        "batch_norm": lambda: normalised(nn.BatchNorm2d(8)),
        "group_norm": lambda: normalised(nn.GroupNorm(2, 8)),
        "instance_norm": lambda: normalised(nn.InstanceNorm2d(8, affine=True)),
        "local_response_norm": lambda: normalised(nn.LocalResponseNorm(3)),
        "dilated": lambda: nn.Sequential(nn.Conv2d(3, 8, 3, 2, dilation=2), nn.Hardswish(), nn.AdaptiveAvgPool2d(1),
                                         nn.Flatten(), nn.Linear(8, 10)),
        "depthwise": lambda: nn.Sequential(nn.Conv2d(3, 6, 3, 2, groups=3), nn.ReLU6(), nn.Conv2d(6, 6, 3, groups=6),
                                           nn.Softplus(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 10)),
    }


TORCHVISION = [
    "alexnet", "vgg11", "vgg11_bn", "resnet18", "resnet34", "resnet50", "resnext50_32x4d", "wide_resnet50_2",
    "squeezenet1_0", "squeezenet1_1", "densenet121", "googlenet", "mobilenet_v2", "mobilenet_v3_small",
    "mobilenet_v3_large", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "mnasnet0_5", "mnasnet1_0", "efficientnet_b0",
    "regnet_y_400mf", "regnet_x_400mf", "convnext_tiny",
    "vit_b_16", "swin_t",
]


def build(name):
    torch.manual_seed(1)
    if name in own():
        return own()[name]().eval()
    if name in channels_last():
        return channels_last()[name].eval()
    if name == "vit_b_16":
        return models.vit_b_16(weights=None, num_classes=10, image_size=SIDE).eval()
    options = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    return getattr(models, name)(weights=None, num_classes=10, **options).eval()


def side_of(name):
    return ADAPTIVE if name.startswith(("alexnet", "vgg")) else SIDE


def settle(network, pixels):
    """Fresh batch normalisations pass on their input, and a deep network's scores vanish: give them statistics."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None
        norm.train()
    if norms:
        with torch.no_grad():
            network(torch.from_numpy(pixels).float() / 255)
    return network.eval()


def cifar_images(root, count, side):
    records = np.fromfile(pathlib.Path(root) / "cifar10/cifar-10-batches-bin/test_batch.bin", np.uint8)
    pixels = records.reshape(-1, 3073)[:count, 1:].reshape(-1, 3, 32, 32)
    return pixels.repeat(side // 32, 2).repeat(side // 32, 3)


def run(arguments):
    done = subprocess.run(arguments, capture_output=True, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise RuntimeError(f"{arguments[1]}: {lines[-1] if lines else done.returncode}")
    return done.stdout


def compare(program, folder, name, data, count, opset):
    side = side_of(name)
    pixels = cifar_images(data, count, side)
    network = settle(build(name), pixels)
    model, images = folder / f"{name}.onnx", folder / "images.npy"
    with torch.no_grad():
        expected = network(torch.from_numpy(pixels).float() / 255).numpy()
    layout = []
    if name in channels_last():
        layout = ["--layout", "nhwc"]
        save_channels_last(network, str(model))
    else:
        torch.onnx.export(network, torch.zeros(1, 3, side, side), str(model), opset_version=opset,
                          input_names=["image"], output_names=["scores"],
                          dynamic_axes={"image": {0: "n"}, "scores": {0: "n"}})
    np.save(images, pixels)
    package, key = folder / f"{name}.privdnn", folder / f"{name}.key"
    common = ["--selection", SELECTION, "--image-budget", str(BUDGET), "--images", str(images), "--simulate", "0",
              "--input-bits", "12", "--kernel-bits", "16", *layout]
    plan = json.loads(run([program, "plan", str(model), *common, "--json"]))
    run([program, "encrypt", str(model), *common, "--user", "alice", "--package", str(package), "--key", str(key)])
    owner = subprocess.Popen([program, "serve", "--key", str(key), "--tls", str(folder / "tls"), "--listen",
                              "127.0.0.1:0", "--ledger", str(folder / f"{name}.sqlite"), "--json"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        address = json.loads(owner.stdout.readline())["listening"]
        answer = json.loads(run([program, "infer", "--package", str(package), "--owner", address, "--tls",
                                 str(folder / "tls"), "--user", "alice", "--images", str(images), "--scores",
                                 str(folder / "scores.npy"), "--json"]))
    finally:
        owner.send_signal(signal.SIGTERM)
        owner.wait()
    scores = np.load(folder / "scores.npy")
    largest = float(np.abs(expected).max())
    return {"parameters": sum(p.numel() for p in network.parameters()), "segments": len(plan["segments"]),
            "package_bytes": plan["package_bytes"], "largest_score": largest,
            "largest_difference": float(np.abs(scores - expected).max()),
            "predictions_that_differ": int((scores.argmax(1) != expected.argmax(1)).sum()),
            "user_ms": answer["user_encrypted_ms_per_image"] + answer["user_plain_ms_per_image"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="build/release/privdnn", help="the program to try")
    parser.add_argument("--data", default=os.environ.get("PRIVDNN_DATA"), help="the data root; default: PRIVDNN_DATA")
    parser.add_argument("--images", type=int, default=20, help="images to ask for")
    parser.add_argument("--opset", type=int, default=13, help="operator set of the exports")
    parser.add_argument("--only", help="these architectures, with commas between them")
    parser.add_argument("--out", help="write the results to this JSON file")
    options = parser.parse_args()
    if not options.data:
        parser.error("no data: give --data or set PRIVDNN_DATA")
    names = options.only.split(",") if options.only else [*own(), *channels_last(), *TORCHVISION]
    results = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        run([options.program, "keygen", "--out", str(folder / "tls"), "--user", "alice"])
        for name in names:
            start = time.monotonic()
            try:
                result = compare(options.program, folder, name, options.data, options.images, options.opset)
                text = (f"{result['largest_difference']:.2g} of {result['largest_score']:.3g}, "
                        f"{result['predictions_that_differ']} of {options.images} predictions differ")
            except Exception as error:  # one architecture must not end the others
                result, text = {"error": str(error)}, f"FAILED: {error}"
            results[name] = result
            print(f"{name:22} {text} ({time.monotonic() - start:.0f} s)", flush=True)
            for file in folder.glob(f"{name}*"):
                file.unlink()
    if options.out:
        pathlib.Path(options.out).write_text(json.dumps(results, indent=1) + "\n")
    return any("error" in result for result in results.values())


if __name__ == "__main__":
    sys.exit(main())
