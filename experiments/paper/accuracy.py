#!/usr/bin/env python3
"""Accuracy of the five networks as they were trained (A_o), on the half of the test images that chose nothing, beside
the authors' figures.

    PRIVDNN_DATA=~/data experiments/paper/accuracy.py out/accuracy --models models

Models are DIRECTORY/NAME.onnx, as the recipes (experiments/train-NAME.sh DIRECTORY) write them; without
lenet5-mnist.onnx the one that the program carries counts. What isn't there is left out, or with --train trained by its
recipe first, which takes hours. Writes OUT.csv. Number of runs and expected time are printed first; runs that are there
already (OUT.runs/) are not repeated.

Needs python3-matplotlib. PRIVDNN names another program than build/release/privdnn.
"""

import argparse
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import authors  # noqa: E402
import common  # noqa: E402

# The recipe's name, data set, the authors' data set, labels that count, and seconds on one core of an Intel Xeon: of
# the evaluation, and of the training.
NETWORKS = [
    ("lenet5-mnist", "mnist", "mnist", 1, 1, 150),
    ("lenet5-emnist", "emnist-letters13", "emnist-letters", 1, 1, 200),
    ("alexnet-gtsrb", "gtsrb", "gtsrb", 1, 7, 450),
    ("vgg16-cifar10", "cifar10", "cifar10", 1, 25, 4000),
    ("resnet18-tinyimagenet", "tiny-imagenet", "tiny-imagenet", 5, 25, 4500),
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="where to write: OUT.csv, OUT.runs/")
    parser.add_argument("--models", type=pathlib.Path, default=pathlib.Path("models"), help="directory of NAME.onnx")
    parser.add_argument("--train", action="store_true", help="train what isn't there")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    runs = pathlib.Path(arguments.out + ".runs")

    def model_of(name):
        return arguments.models / f"{name}.onnx"

    def there(name):
        return name == "lenet5-mnist" or model_of(name).exists()

    networks = [network for network in NETWORKS if arguments.train or there(network[0])]
    if len(networks) < len(NETWORKS):
        left_out = ", ".join(name for name, *_ in NETWORKS if not there(name))
        print(f"left out, not in {arguments.models}: {left_out} (--train trains them)", file=sys.stderr)
    common.announce([(runs / f"{name}.json", evaluation + (0 if there(name) else training))
                     for name, _, _, _, evaluation, training in networks], "of one core")
    rows = []
    for name, data_set, published, top_k, _, _ in networks:
        if not there(name):
            subprocess.run([common.ROOT / f"experiments/train-{name}.sh", arguments.models], check=True,
                           stdout=subprocess.DEVNULL, env={**os.environ, "PRIVDNN": common.PROGRAM})
        model = [model_of(name)] if model_of(name).exists() else []
        report = common.run(runs / f"{name}.json", ["eval", *model, "--data-set", data_set, "--split", "test-half",
                                                    "--threads", arguments.threads])
        rows.append({"network": name, "data_set": data_set, "images": report["images"],
                     "accuracy_top1": round(report["accuracy_original"], 2),
                     "accuracy_top5": round(report["accuracy_top5"], 2),
                     "authors": authors.ORIGINAL[published], "authors_top_k": top_k})
        common.write_csv(arguments.out + ".csv", rows)


if __name__ == "__main__":
    main()
