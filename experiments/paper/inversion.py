#!/usr/bin/env python3
"""Images that an owner makes out of what it sees of a user's: pictures and scores of `privdnn attack invert`.

    export PRIVDNN_DATA=~/data
    experiments/paper/inversion.py out/inversion-mnist --data-set mnist
    experiments/paper/inversion.py out/inversion-cifar10 --data-set cifar10 --model models/vgg16-cifar10.onnx \\
      --selection out/cifar10.runs/50.selection.json --steps 200

Writes OUT.png, a row for each image: the original, then what is found from the segment's results in the clear
(`features`), with each channel times an unknown factor as the authors' prototype scales them (`scaled`), from the
encrypted channels only (`encrypted`), and from a query of privdnn (`query`); and OUT.csv with the scores of all images
that were attacked. The expected time is printed first. A run that is there already (OUT.runs/) is not repeated, so
other options need another OUT.

Needs python3-matplotlib. PRIVDNN names another program than build/release/privdnn.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import common  # noqa: E402

# Of a step for an image and of the rest, on one core of an Intel Xeon.
SECONDS = {"mnist": (0.0006, 1), "cifar10": (0.013, 2)}


def interval(found):
    return f"[{found['low']:+.3f}, {found['high']:+.3f}]"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="where to write: OUT.csv, OUT.png, OUT.runs/")
    parser.add_argument("--model", help="ONNX model; default: the LeNet-5 that the program carries")
    parser.add_argument("--selection", help="core neurons; default: the embedded model's")
    parser.add_argument("--data-set", required=True)
    parser.add_argument("--split", default="test-half")
    parser.add_argument("--count", type=int, default=4, help="images in the picture")
    parser.add_argument("--attacked", type=int, default=24, help="images that are attacked")
    parser.add_argument("--steps", type=int, default=1000, help="of the search for an image")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    out = pathlib.Path(arguments.out)
    result = pathlib.Path(arguments.out + ".runs") / "invert.json"
    step, rest = SECONDS.get(arguments.data_set, (0.02, 5))
    common.announce([(result, rest + step * arguments.steps * arguments.attacked)], "of one core")
    out.parent.mkdir(parents=True, exist_ok=True)

    command = ["attack", "invert"] + ([arguments.model] if arguments.model else [])
    command += ["--selection", arguments.selection] if arguments.selection else []
    for name in ("data_set", "split", "count", "attacked", "steps", "seed", "threads"):
        command += ["--" + name.replace("_", "-"), getattr(arguments, name)]
    # The search alone, with 200 images to know pixels by. One packing for all: reconstructions from results in the clear
    # do not depend on it.
    command += ["--method", "gradient", "--samples", 200, "--image-budget", 1000, "--out", arguments.out + ".png"]
    report = common.run(result, command)

    def row_of(name, scores, over=None, verdict=""):
        return {"view": name, "images": report["images"], "steps": report["steps"],
                "psnr_db": round(scores["psnr_mean"], 2), "ssim": round(scores["ssim_mean"], 3),
                "psnr_over_blind_guess_99": interval(over["psnr"]) if over else "",
                "ssim_over_blind_guess_99": interval(over["ssim"]) if over else "", "verdict": verdict}

    rows = [row_of("one of the attacker's images", report["one_image"]),
            row_of("the mean of them", report["mean_image"])]
    for view in report["reconstructions"]:
        if view["view"] == "query":
            verdict = "says nothing" if report["query_equals_guess"] else "differs from other queries"
        else:
            verdict = "reconstructed" if view["better_than_blind_guess"] else "no better than a blind guess"
        rows.append(row_of(view["view"], view, view["over_one_image"], verdict))
    common.write_csv(arguments.out + ".csv", rows)


if __name__ == "__main__":
    main()
