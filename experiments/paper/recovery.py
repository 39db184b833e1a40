#!/usr/bin/env python3
"""What an attacker with labelled images of its own makes of a package, by the share of the first two layers that is
encrypted: A_s, A_r, A_rec (known weights at a tenth of the rate, and frozen) and A_t, beside the authors' figures.

    export PRIVDNN_DATA=~/data
    experiments/selection/tables.py percent out/cifar10 --model models/vgg16-cifar10.onnx --data-set cifar10
    experiments/paper/recovery.py out/cifar10-recovery --model models/vgg16-cifar10.onnx --data-set cifar10 \\
      --selections out/cifar10.runs --percents 50 75 100 --epochs 16 --batch 32

Selections are those of `selection/tables.py percent`, whose reports also have A_s and A_r of all percentages. Writes
OUT.svg and OUT.png, OUT.csv too after every run; A_rec and A_t are of the half of the test images that neither chose the
selection nor belongs to the attacker (`--split validation`, as the authors do). Number of runs and expected time are
printed first. Runs that are there already (OUT.runs/) are not repeated, so other epochs need another OUT; one that was
stopped goes on. The authors train for 64 epochs, 512 from nothing, which are the defaults: for VGG16 that is a quarter
of an hour of one core a percentage.

Needs python3-matplotlib. PRIVDNN names another program than build/release/privdnn.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import authors  # noqa: E402
import common  # noqa: E402

# Of the paper's network for it, on one core of an Intel Xeon with AMX: an epoch of 1,000 samples, and the five passes
# over the images that judge.
SECONDS = {"mnist": (0.05, 3), "cifar10": (5.6, 120), "gtsrb": (2.3, 35), "tiny-imagenet": (37, 125)}
# How `attack` is called, and the plot's colour and label.
KINDS = {
    "recover": (["recover"], "C2", "A_rec"),
    "scratch": (["scratch"], "C4", "A_t, from nothing"),
    "freeze": (["recover", "--freeze"], "C3", "A_rec, known weights frozen"),
}
# Columns of the same images: the attacked network's accuracies, and that of the attacker's before it trains.
TOP1 = {"original": "accuracy_original", "separated": "accuracy_separated", "without_core": "accuracy_without_core",
        "before_training": "accuracy_before_training"}


def attacks(arguments):
    """(kind, percent or None, file of the result) in the order in which they are run."""
    runs = pathlib.Path(arguments.out + ".runs")
    for kind in arguments.attacks:
        for percent in [None] if kind == "scratch" else sorted(arguments.percents):
            yield kind, percent, runs / (kind + (f"-{percent}" if percent else "") + ".json")


def attack(arguments, kind, percent, result):
    checkpoint = result.with_suffix(".state")
    command = ["attack", *KINDS[kind][0]] + ([arguments.model] if arguments.model else [])
    command += ["--data-set", arguments.data_set, "--split", arguments.split, "--seed", arguments.seed]
    command += ["--threads", arguments.threads, "--checkpoint", checkpoint]
    command += ["--selection", pathlib.Path(arguments.selections) / f"{percent}.selection.json"] if percent else []
    command += ["--samples", arguments.samples] if arguments.samples else []
    epochs = arguments.scratch_epochs if kind == "scratch" else arguments.epochs
    command += ["--epochs", epochs]
    command += ["--batch", arguments.batch] if arguments.batch else []
    command += ["--learning-rate", arguments.learning_rate] if arguments.learning_rate else []
    return common.run(result, command, checkpoint)


def row_of(arguments, kind, percent, report):
    after = "accuracy_after_training" + ("_top5" if arguments.top_k == 5 else "")
    published = None
    if kind == "scratch":
        published = authors.SCRATCH.get(arguments.data_set)
    elif percent in authors.PERCENTS:
        figures = authors.BY_PERCENT.get(arguments.data_set, {}).get(kind)
        published = figures[authors.PERCENTS.index(percent)] if figures else None
    return {
        "attack": kind, "percent": percent or "", "accuracy": round(report[after], 2), "authors": published or "",
        "top_k": arguments.top_k, **{name + "_top1": round(report[key], 2) if key in report else ""
                                     for name, key in TOP1.items()},
        "weights": report["weights"], "weights_unknown": report["weights_unknown"],
        "samples": report["samples"], "samples_from": report["samples_from"], "test_images": report["test_images"],
        "epochs": report["epochs"], "batch": report["options"]["batch"],
        "learning_rate": report["options"]["learning_rate"], "seed": arguments.seed,
        "seconds": round(report["seconds"], 1),
    }


def selections(arguments):
    """(percent, A_s, A_r) as the search for the selections reported them."""
    found = []
    for report in pathlib.Path(arguments.selections).glob("*.json"):
        if report.stem.isdigit():
            run = json.loads(report.read_text())
            found.append((int(report.stem), run["accuracy_separated"], run["accuracy_without_core"]))
    return sorted(found)


def plot(arguments, rows):
    figure, axes = common.pyplot.subplots(figsize=(7, 5))
    published = authors.BY_PERCENT.get(arguments.data_set, {})

    def plot_published(key, colour, label):
        if key in published:
            axes.plot(authors.PERCENTS, published[key], "--", color=colour, alpha=0.6, label=f"{label}, the authors'")

    found = selections(arguments)
    for index, key, colour, label in ((1, "separated", "C0", "A_s"), (2, "without_core", "C1", "A_r")):
        axes.plot([f[0] for f in found], [f[index] for f in found], "o-", color=colour, label=label, markersize=4)
        plot_published(key, colour, label)
    for kind, (_, colour, label) in KINDS.items():
        mine = [row for row in rows if row["attack"] == kind]
        if kind == "scratch":
            for row in mine:
                axes.axhline(row["accuracy"], color=colour, label=f"{label}, {row['epochs']} epochs")
            if arguments.data_set in authors.SCRATCH:
                axes.axhline(authors.SCRATCH[arguments.data_set], linestyle="--", color=colour, alpha=0.6,
                             label=f"{label}, 512 epochs, the authors'")
            continue
        if mine:
            axes.plot([row["percent"] for row in mine], [row["accuracy"] for row in mine], "s-", color=colour,
                      label=f"{label}, {mine[0]['epochs']} epochs")
        plot_published(kind, colour, f"{label}, 64 epochs")
    axes.set_xlabel("core neurons of both layers (%)")
    axes.set_ylabel("accuracy (%)" if arguments.top_k == 1 else f"top-{arguments.top_k} accuracy (%)")
    axes.set_ylim(0, 100)
    axes.set_title(arguments.data_set)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    common.save(figure, arguments.out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="where to write: OUT.csv, OUT.svg, OUT.png, OUT.runs/")
    parser.add_argument("--model", help="ONNX model; default: the LeNet-5 that the program carries")
    parser.add_argument("--data-set", required=True)
    parser.add_argument("--selections", required=True, help="directory with PERCENT.json and PERCENT.selection.json")
    parser.add_argument("--percents", nargs="+", type=int, default=authors.PERCENTS)
    parser.add_argument("--attacks", nargs="*", choices=KINDS, default=list(KINDS), help="none: plot A_s and A_r alone")
    parser.add_argument("--split", default="validation", help="the attacker's images: train or validation (default)")
    parser.add_argument("--samples", type=int, help="default: 1,000, or all of fewer")
    parser.add_argument("--epochs", type=int, default=64)
    parser.add_argument("--scratch-epochs", type=int, default=512)
    parser.add_argument("--batch", type=int, help="default: the recipe's")
    parser.add_argument("--learning-rate", type=float, help="default: the recipe's")
    parser.add_argument("--top-k", type=int, choices=(1, 5), default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    epoch, judging = SECONDS.get(arguments.data_set, (10, 100))
    epoch *= (arguments.samples or 1000) / 1000
    common.announce([(result, judging + epoch * (arguments.scratch_epochs if kind == "scratch" else arguments.epochs))
                     for kind, _, result in attacks(arguments)], "of one core")
    pathlib.Path(arguments.out).parent.mkdir(parents=True, exist_ok=True)
    rows = []
    plot(arguments, rows)
    for kind, percent, result in attacks(arguments):
        rows.append(row_of(arguments, kind, percent, attack(arguments, kind, percent, result)))
        common.write_csv(arguments.out + ".csv", rows)
        plot(arguments, rows)


if __name__ == "__main__":
    main()
