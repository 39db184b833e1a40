#!/usr/bin/python3
"""Writes torch_mobile.onnx beside this script: a small network with what mobile image models are made of, as PyTorch
exports it. Debian 12: apt-get install python3-torch python3-onnx; then /usr/bin/python3 export_torch_mobile.py

Depthwise convolutions, ReLU6 (Clip), hard swish, squeeze-and-excitation (Mul with broadcasting), pooling that rounds up,
and a view whose first dimension is the batch's size (Shape, Gather, Unsqueeze, Concat). What it computes is in
onnxruntime_crosscheck/answers.json."""
import pathlib
import torch
from torch import nn


class Excite(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down = nn.Conv2d(channels, 2, 1)
        self.up = nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * torch.sigmoid(self.up(torch.relu(self.down(self.pool(x)))))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.pointwise = nn.Conv2d(8, 12, 1)
        self.excite = Excite(12)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.average = nn.AvgPool2d(2, stride=2, ceil_mode=True)
        self.fc1 = nn.Linear(12 * 2 * 2, 16)
        self.fc2 = nn.Linear(16, 10)

    def forward(self, x):
        x = (x - 0.45) / 0.225
        x = nn.functional.relu6(self.bn1(self.stem(x)))
        x = nn.functional.hardswish(self.bn2(self.depthwise(x)))
        x = self.pool(self.excite(nn.functional.leaky_relu(self.pointwise(x), 0.1)))
        x = self.average(x)
        return self.fc2(torch.tanh(self.fc1(x.view(x.size(0), -1))))


def main():
    torch.manual_seed(4)
    net = Net()
    with torch.no_grad():  # statistics that differ from 0 and 1, outputs that depend on the input
        for norm in (net.bn1, net.bn2):
            norm.running_mean.uniform_(-0.5, 0.5)
            norm.running_var.uniform_(0.1, 0.5)
            norm.weight.uniform_(0.5, 2)
            norm.bias.uniform_(-0.5, 0.5)
        net.fc1.weight.mul_(3)
        net.fc2.weight.mul_(5)
    net.eval()
    torch.onnx.export(net, torch.zeros(2, 3, 16, 14), str(pathlib.Path(__file__).parent / "torch_mobile.onnx"),
                      opset_version=14, input_names=["image"], output_names=["logits"],
                      training=torch.onnx.TrainingMode.PRESERVE,
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})


main()
