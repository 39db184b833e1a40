"""What the scripts of experiments share: runs of the program that aren't repeated, tables, plots.

Needs python3-matplotlib. PRIVDNN names another program than build/release/privdnn.
"""

import csv
import json
import os
import pathlib
import subprocess
import sys

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROGRAM = os.environ.get("PRIVDNN", str(ROOT / "build/release/privdnn"))


def settings(command):
    """What the result of a command depends on, in a line."""
    kept = [word for word in map(str, command) if word != "--resume"]
    if "--threads" in kept:
        at = kept.index("--threads")
        del kept[at:at + 2]
    return " ".join(kept)


def run(result, command, checkpoint=None):
    """What `privdnn COMMAND --json` prints, kept in the file `result`; from there if an earlier run has written it.

    The command is kept beside it: one with other settings doesn't get that result. `checkpoint`, where the command
    keeps an unfinished run, goes when it is finished. Ends the script on failure; a report with exit code 1 is none,
    but says that the answer is no.
    """
    result.parent.mkdir(parents=True, exist_ok=True)
    made_by = result.with_suffix(".command")
    if result.exists():
        if not made_by.exists() or made_by.read_text() != settings(command):
            sys.exit(f"{result}: made with other settings than `{settings(command)}`; take another OUT, or remove it")
    else:
        made_by.write_text(settings(command))
        command = [PROGRAM, *map(str, command), "--json"]
        print(" ".join(command), file=sys.stderr, flush=True)
        done = subprocess.run(command, stdout=subprocess.PIPE)
        if done.returncode not in (0, 1) or not done.stdout:
            sys.exit(f"{result.stem}: failed; what it said is above")
        part = result.with_name(result.name + ".part")
        part.write_bytes(done.stdout)
        part.rename(result)
        if checkpoint:
            checkpoint.unlink(missing_ok=True)
    return json.loads(result.read_text())


def announce(runs, seconds):
    """Says how many of the runs (pairs of a result file and its expected seconds) are there and what is left."""
    left = [expected for result, expected in runs if not result.exists()]
    print(f"{len(runs)} runs, {len(runs) - len(left)} of them there already; the others take about "
          f"{sum(left) / 60:.1f} minutes {seconds}", file=sys.stderr, flush=True)


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def save(figure, path):
    for kind in ("svg", "png"):
        metadata = {"Date": None} if kind == "svg" else None
        figure.savefig(f"{path}.{kind}", dpi=110, bbox_inches="tight", metadata=metadata)
    pyplot.close(figure)
