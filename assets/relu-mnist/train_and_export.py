#!/usr/bin/python3
"""Trains a small convolutional network with ReLU and max pooling on MNIST in PyTorch and exports it as model.onnx beside
this script, the way any PyTorch user would: nothing in it knows of privdnn.

Debian 12: apt-get install python3-torch; then PRIVDNN_DATA=DIR /usr/bin/python3 train_and_export.py, where DIR/mnist/
holds the four files of the official distribution, unpacked."""
import os
import pathlib
import torch
from torch import nn

EPOCHS, BATCH, TRAINING_IMAGES = 4, 128, 55000  # the other 5,000 training images are left for choosing neurons


def read_idx(path, header_bytes):
    return torch.frombuffer(bytearray(path.read_bytes()[header_bytes:]), dtype=torch.uint8)


def load(split):
    directory = pathlib.Path(os.environ["PRIVDNN_DATA"]) / "mnist"
    images = read_idx(directory / f"{split}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28) / 255
    return images, read_idx(directory / f"{split}-labels-idx1-ubyte", 8).long()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(16 * 6 * 6, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn1(self.conv1(x))))
        x = self.pool(torch.relu(self.conv2(x)))
        return self.fc2(torch.relu(self.fc1(torch.flatten(x, 1))))


def main():
    torch.manual_seed(1)
    torch.set_num_threads(1)
    images, labels = load("train")
    net = Net()
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    steps = EPOCHS * (TRAINING_IMAGES // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for epoch in range(EPOCHS):
        order = torch.randperm(TRAINING_IMAGES)
        for batch in order[: TRAINING_IMAGES // BATCH * BATCH].reshape(-1, BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {EPOCHS}", flush=True)
    net.eval()
    images, labels = load("t10k")
    with torch.no_grad():
        right = (net(images).argmax(1) == labels).sum().item()
    print(f"{right / 100:.2f} % of the 10,000 test images")
    torch.onnx.export(net, images[:1], str(pathlib.Path(__file__).parent / "model.onnx"), opset_version=13,
                      input_names=["image"], output_names=["logits"],
                      dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}})


main()
