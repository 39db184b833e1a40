#!/usr/bin/python3
"""Writes torch_export.onnx and torch_export.json beside this script: a small network as PyTorch exports it, and what
PyTorch computes with it. Debian 12: apt-get install python3-torch python3-onnx; then /usr/bin/python3 export_torch_model.py

The network holds what PyTorch turns into something else on export: squares (Mul), powers (Pow), padded average pooling
(Constant + Pad + AveragePool), global average pooling, dropout, views with a fixed batch (Reshape), identities."""
import json
import pathlib
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 6, 3, stride=2, padding=(1, 2), bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.pool1 = nn.AvgPool2d(3, stride=2, padding=1)
        self.conv2 = nn.Conv2d(6, 6, 3, padding=1, groups=3)
        self.pool2 = nn.MaxPool2d(2, stride=1)
        self.global_pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.3)
        self.identity = nn.Identity()
        self.fc1 = nn.Linear(6, 7)
        self.fc2 = nn.Linear(7, 5, bias=False)

    def forward(self, x):
        x = self.bn1(self.conv1(x))
        x = self.pool1(x * x)
        y = torch.relu(self.conv2(x))
        y = self.pool2(x + y) ** 2
        y = torch.cat([y, y[:, [5, 0, 2]]], dim=1)[:, [0, 1, 2, 3, 4, 8]]
        y = self.dropout(self.global_pool(y).view(-1, 6))
        return torch.softmax(self.identity(self.fc2(torch.relu(self.fc1(y)))), dim=1)


def main():
    torch.manual_seed(3)
    net = Net()
    with torch.no_grad():  # statistics that differ from 0 and 1
        net.bn1.running_mean.uniform_(-0.5, 0.5)
        net.bn1.running_var.uniform_(0.5, 2)
        net.bn1.weight.uniform_(0.5, 1.5)
        net.bn1.bias.uniform_(-0.5, 0.5)
        net.fc1.weight.mul_(5)
        net.fc2.weight.mul_(20)  # probabilities far from uniform
    net.eval()
    here = pathlib.Path(__file__).parent
    shape = (3, 2, 13, 11)
    count = shape[0] * shape[1] * shape[2] * shape[3]
    x = torch.tensor([(i * 37 % 101) / 101 for i in range(count)], dtype=torch.float32).reshape(shape)
    torch.onnx.export(net, x, str(here / "torch_export.onnx"), opset_version=13, input_names=["image"],
                      training=torch.onnx.TrainingMode.PRESERVE,
                      output_names=["probabilities"], dynamic_axes={"image": {0: "batch"}, "probabilities": {0: "batch"}})
    with torch.no_grad():
        y = net(x)
    # Input element i of the (3, 2, 13, 11) tensor is (37 i mod 101) / 101.
    json.dump({"shape": list(y.shape), "values": [float(v) for v in y.flatten()]}, open(here / "torch_export.json", "w"))


main()
