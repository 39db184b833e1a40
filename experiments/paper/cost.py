#!/usr/bin/env python3
"""What private inference costs by the share of the first two layers that is encrypted: time, ring multiplications,
encrypted outputs, bytes; partial beside full encryption of the two layers, and beside the authors' seconds.

    experiments/paper/cost.py out/cost --measured 50 75 100

Of AlexNet, VGG16 and ResNet18 with random weights, on which cost does not depend. For each percentage `privdnn plan`
plans for latency and for throughput and predicts; of both the one with less time for user and owner together in
messages of 8 images is taken. The percentages in --measured are also run (`privdnn bench networks`: owner and user as
two processes, one thread each, every decrypted integer compared with the reference); leave the machine alone meanwhile.
Writes OUT.csv, OUT.svg and OUT.png. Seconds are scaled to the images of the authors' half of the test set: predicted of
the user's encrypted part and the owner, measured from the first query to the last prediction, the rest of the network
included. Number of runs and expected time are printed first; runs that are there already (OUT.runs/) are not repeated.
--architectures and --measured let the measurements be done one at a time.

Needs python3-matplotlib. PRIVDNN names another program than build/release/privdnn.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import authors  # noqa: E402
import common  # noqa: E402

DATA_SETS = {"vgg16-cifar10": "cifar10", "alexnet-gtsrb": "gtsrb", "resnet18-tinyimagenet": "tiny-imagenet"}
IMAGES = 8
PLAN_SECONDS = 1
BENCH_SECONDS = 40


def network(architecture, percent, optimise):
    return ["--arch", architecture, "--percent", percent, "--image-budget", 1000, "--optimise", optimise]


def plan_file(runs, architecture, percent, optimise):
    return runs / f"plan-{architecture}-{percent}-{optimise}.json"


def bench_file(runs, architecture, percent):
    return runs / f"bench-{architecture}-{percent}.json"


def predicted(plan):
    """What the plan predicts for messages of IMAGES."""
    return next(p for p in plan["predicted"] if p["images"] == IMAGES)


def encrypted_ms(plan):
    return predicted(plan)["user_encrypted_ms_per_image"] + predicted(plan)["owner_ms_per_image"]


def row_of(runs, architecture, percent, measure):
    plans = [common.run(plan_file(runs, architecture, percent, optimise),
                        ["plan", *network(architecture, percent, optimise)]) for optimise in ("latency", "throughput")]
    plan = min(plans, key=encrypted_ms)
    segment = plan["segments"][0]
    data_set = DATA_SETS[architecture]
    published = authors.BY_PERCENT[data_set]["seconds"]
    row = {
        "architecture": architecture, "percent": percent, "plan": plan["optimise"],
        # A product of two polynomials, in transform form: N coefficients of each prime.
        "ring_multiplications": plan["user_macs_per_image"] // (segment["ring_dimension"] * len(segment["primes"])),
        "transforms": plan["user_forward_ntts_per_image"] + plan["user_inverse_ntts_per_image"],
        "encrypted_outputs": (segment["core_neurons"][1] + segment["shortcut_outputs"]) * segment["output_map"][0]
        * segment["output_map"][1],
        "bytes_up": plan["query_bytes_per_image"], "bytes_down": plan["reply_bytes_per_image"],
        "package_bytes": plan["package_bytes"],
        "predicted_user_ms": round(predicted(plan)["user_encrypted_ms_per_image"], 2),
        "predicted_owner_ms": round(predicted(plan)["owner_ms_per_image"], 2),
        "user_ms": "", "rest_ms": "", "owner_ms": "", "wall_ms": "",
        "integers_compared": "", "integers_that_differ": "",
        "seconds_predicted": round(encrypted_ms(plan) * authors.TEST_HALF[data_set] / 1000, 1), "seconds_measured": "",
        "authors_seconds": published[authors.PERCENTS.index(percent)] if percent in authors.PERCENTS else "",
    }
    result = bench_file(runs, architecture, percent)
    if measure or result.exists():
        bench = common.run(result, ["bench", "networks", *network(architecture, percent, plan["optimise"]), "--images",
                                    IMAGES, "--threads", 1, "--repeats", 3])["runs"][0]
        row.update(user_ms=round(bench["user_encrypted_ms_per_image"], 2),
                   rest_ms=round(bench["user_plain_ms_per_image"], 2),
                   owner_ms=round(bench["owner_ms_per_image"], 2), wall_ms=round(bench["wall_ms_per_image"], 2),
                   integers_compared=bench["integers_compared"], integers_that_differ=bench["integer_mismatches"],
                   seconds_measured=round(bench["wall_ms_per_image"] * authors.TEST_HALF[data_set] / 1000, 1))
    return row


def plot(out, rows):
    architectures = list(dict.fromkeys(row["architecture"] for row in rows))
    figure, panels = common.pyplot.subplots(2, len(architectures), figsize=(4.2 * len(architectures), 7), squeeze=False,
                                            sharex=True)
    for column, architecture in enumerate(architectures):
        mine = [row for row in rows if row["architecture"] == architecture]
        percents = [row["percent"] for row in mine]
        images = authors.TEST_HALF[DATA_SETS[architecture]]
        time, operations = panels[:, column]
        time.plot(authors.PERCENTS, authors.BY_PERCENT[DATA_SETS[architecture]]["seconds"], "--", color="C3",
                  label="the authors, 8 cores")
        for key, colour, label in (("user", "C0", "user, encrypted part"), ("owner", "C1", "owner")):
            time.plot(percents, [row[f"predicted_{key}_ms"] * images / 1000 for row in mine], "-", color=colour,
                      label=f"{label}, predicted")
            measured = [row for row in mine if row[f"{key}_ms"] != ""]
            time.plot([row["percent"] for row in measured], [row[f"{key}_ms"] * images / 1000 for row in measured], "o",
                      color=colour, label=f"{label}, measured")
        time.set_yscale("log")
        time.set_title(f"{architecture}, {images} images")
        operations.plot(percents, [row["ring_multiplications"] for row in mine], "o-", color="C0",
                        label="ring multiplications")
        operations.plot(percents, [row["encrypted_outputs"] for row in mine], "s-", color="C2",
                        label="encrypted outputs")
        operations.set_ylim(bottom=0)
        operations.set_xlabel("core neurons of both layers (%)")
    panels[0, 0].set_ylabel("seconds")
    panels[1, 0].set_ylabel("an image")
    for row in panels:
        row[-1].legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    common.save(figure, out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="where to write: OUT.csv, OUT.svg, OUT.png, OUT.runs/")
    parser.add_argument("--architectures", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument("--percents", nargs="+", type=int, default=authors.PERCENTS)
    parser.add_argument("--measured", nargs="*", type=int, default=[], help="percentages to run, not only predict")
    arguments = parser.parse_args()
    runs = pathlib.Path(arguments.out + ".runs")
    pairs = [(architecture, percent) for architecture in arguments.architectures for percent in arguments.percents]
    common.announce([(plan_file(runs, *pair, optimise), PLAN_SECONDS) for pair in pairs
                     for optimise in ("latency", "throughput")] +
                    [(bench_file(runs, *pair), BENCH_SECONDS) for pair in pairs if pair[1] in arguments.measured],
                    "of one core")
    rows = [row_of(runs, *pair, pair[1] in arguments.measured) for pair in pairs]
    common.write_csv(arguments.out + ".csv", rows)
    plot(arguments.out, rows)


if __name__ == "__main__":
    main()
