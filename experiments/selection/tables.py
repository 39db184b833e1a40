#!/usr/bin/env python3
"""Tables and plots of core-neuron selection, as in Ren et al., PoPETs 2024(3), section 5.

    export PRIVDNN_DATA=~/data
    experiments/selection/tables.py combinations OUT --data-set mnist --sizes 1,1 1,2 2,2 1,3 2,3
    experiments/selection/tables.py combinations OUT --model lenet5-emnist.onnx --data-set emnist-letters13 --sizes 1,1 1,2
    experiments/selection/tables.py percent OUT --model vgg16-cifar10.onnx --data-set cifar10 --percents 50 60 70 80 90 100

`combinations` evaluates every combination of each size and says which place each method's pick has among them: OUT.csv,
and a cloud of all combinations (A_s against A_r) for each size as SVG and PNG. `percent` grows one selection and writes
A_s and A_r for each percentage: OUT.csv and a plot. `passes`: of all images through what lies behind the segment; a
candidate takes two, one while the first layer is chosen. `random` tries as many candidates as greedy search costs. Number of combinations and expected time are printed first. Runs
that are there already (OUT.runs/) are not repeated; one that was stopped goes on from its checkpoint.

Needs python3-matplotlib. PRIVDNN names another program than build/release/privdnn.
"""

import argparse
import csv
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import common  # noqa: E402

# Name in the table: options. The order of the paper's greedy search is "layers".
METHODS = {"greedy": [], "greedy, layers": ["--method", "greedy", "--order", "layers"]} | {
    name: [] for name in ("swap", "random", "norm", "fpgm", "hrank", "greedy-forward", "norm+greedy", "fpgm+greedy")}


def select(arguments, name, runs, options):
    """The JSON of `privdnn select OPTIONS`, from an earlier run if there is one."""
    checkpoint = runs / f"{name}.journal"
    command = ["select", "--threads", arguments.threads, "--checkpoint", checkpoint]
    command += [arguments.model] if arguments.model else []
    command += ["--data-set", arguments.data_set, "--split", arguments.split, "--top-k", arguments.top_k]
    command += ["--eval-images", arguments.eval_images] if arguments.eval_images else []
    command += ["--resume"] if checkpoint.exists() else []
    return common.run(runs / f"{name}.json", command + options, checkpoint)


def combinations(arguments):
    out = pathlib.Path(arguments.out)
    runs = out.with_name(out.name + ".runs")
    rows = []
    for size in arguments.sizes:
        tag = size.replace(",", "-")
        table = runs / f"{tag}-all.csv"
        everything = select(arguments, f"{tag}-all", runs,
                            ["--method", "exhaustive", "--counts", size, "--all-results", str(table)])
        with open(table, newline="") as file:
            found = [{key: float(row[key]) for key in ("accuracy_separated", "accuracy_without_core", "score")}
                     for row in csv.DictReader(file)]
        figure, axes = common.pyplot.subplots(figsize=(6, 5))
        axes.scatter([f["accuracy_without_core"] for f in found], [f["accuracy_separated"] for f in found], s=4,
                     color="0.7", label=f"all {len(found)} combinations", rasterized=True)
        greedy_passes = 0
        for method, options in ({"exhaustive": []} | METHODS).items():
            # As many candidates as greedy search may look at: two passes over the images each.
            budget = ["--tries", str(round(greedy_passes / 2))] if method == "random" else []
            run = everything if method == "exhaustive" else select(
                arguments, f"{tag}-{method.replace(', ', '-')}", runs,
                ["--counts", size] + (options or ["--method", method]) + budget)
            if method == "greedy":
                greedy_passes = run["image_evaluations"] / run["images"]
            place = 1 + sum(f["score"] > run["score"] + 1e-9 for f in found)
            images = run["images"]
            rows.append({
                "sizes": size, "combinations": len(found), "method": method, "place": place,
                "place_percent": round(100 * place / len(found), 2), "score": round(run["score"], 5),
                "accuracy_original": run["accuracy_original"], "accuracy_separated": run["accuracy_separated"],
                "accuracy_without_core": run["accuracy_without_core"],
                "passes": round(run["image_evaluations"] / images, 1), "seconds": round(run["seconds"], 3),
                "selection": json.dumps(run["selection"])})
            if method in ("norm", "greedy", "swap", "exhaustive"):
                axes.plot(run["accuracy_without_core"], run["accuracy_separated"],
                          {"norm": "s", "greedy": "^", "swap": "o", "exhaustive": "x"}[method], label=method,
                          fillstyle="none", markersize=9)
        axes.set_xlabel("accuracy without the owner, A_r (%)")
        axes.set_ylabel("accuracy of the authorised user, A_s (%)")
        axes.set_title(f"{arguments.data_set}: {size.replace(',', ' and ')} core neurons")
        axes.legend()
        common.save(figure, out.with_name(f"{out.name}-{tag}"))
        common.write_csv(out.with_suffix(".csv"), rows)


def percent(arguments):
    out = pathlib.Path(arguments.out)
    runs = out.with_name(out.name + ".runs")
    rows = []
    before = None
    for share in sorted(arguments.percents):
        options = ["--percent", str(share), "--out", str(runs / f"{share}.selection.json")]
        # Each selection holds the one before; rankings see to that by themselves.
        options += ["--method", arguments.method]
        if arguments.method.endswith("greedy"):
            options += ["--amend", before] if before else []
            options += ["--greedy-step", str(arguments.greedy_step), "--order", arguments.order]
        options += ["--racing"] if arguments.racing else []
        run = select(arguments, str(share), runs, options)
        before = str(runs / f"{share}.selection.json")
        rows.append({"percent": share, "accuracy_original": run["accuracy_original"],
                     "accuracy_separated": run["accuracy_separated"],
                     "accuracy_without_core": run["accuracy_without_core"],
                     "passes": round(run["image_evaluations"] / run["images"], 1), "images": run["images"],
                     "seconds": round(run["seconds"], 1)})
        common.write_csv(out.with_suffix(".csv"), rows)
    figure, axes = common.pyplot.subplots(figsize=(6, 4))
    for key, label in (("accuracy_original", "A_o"), ("accuracy_separated", "A_s"), ("accuracy_without_core", "A_r")):
        axes.plot([r["percent"] for r in rows], [r[key] for r in rows], "--" if key == "accuracy_original" else "o-",
                  label=label)
    axes.set_xlabel("core neurons of both layers (%)")
    axes.set_ylabel("accuracy (%)" if arguments.top_k == 1 else f"top-{arguments.top_k} accuracy (%)")
    axes.set_ylim(0, 100)
    axes.set_title(f"{arguments.data_set}, {arguments.method}")
    axes.legend()
    common.save(figure, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(required=True)
    for run, name in ((combinations, "combinations"), (percent, "percent")):
        kind = kinds.add_parser(name)
        kind.set_defaults(run=run)
        kind.add_argument("out", help="where to write: OUT.csv, OUT*.svg, OUT*.png, OUT.runs/")
        kind.add_argument("--model", help="ONNX model; default: the LeNet-5 that the program carries")
        kind.add_argument("--data-set", required=True)
        kind.add_argument("--split", default="validation")
        kind.add_argument("--eval-images", type=int, help="so many images, drawn at random; default: all")
        kind.add_argument("--top-k", type=int, default=1)
        kind.add_argument("--threads", type=int, default=2)
        if run is combinations:
            kind.add_argument("--sizes", nargs="+", default=["1,1", "1,2", "2,2", "1,3", "2,3"])
        else:
            kind.add_argument("--percents", nargs="+", type=int, default=list(range(50, 101, 5)))
            kind.add_argument("--method", default="norm+greedy")
            kind.add_argument("--order", default="layers", help="of the greedy search; default: layers, the paper's")
            kind.add_argument("--greedy-step", type=int, default=1)
            kind.add_argument("--racing", action="store_true")
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
