"""How the time of forward and backward grows with a model's size, its layers and the sequence.

Python's standard library and a release build are enough:

    cargo build --release
    python3 tools/compare/scaling.py --rounds 5

Every round runs each model and each sequence once, so that what else the machine does meets all of them alike; the
figure of each is its best. Cost that is linear in the work shows as equal times per floating-point operation; cost that
is linear in layers or tokens, as a straight line through the measured points, from which the largest deviation is
printed. Nothing is asserted: what a line should look like is for the reader to say.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

MODELS = ["stories15m", "stories42m", "stories110m", "qwen3-0.6b"]
SEQUENCES = [256, 512, 1024, 2048, 4096]
LAYERS = [2, 4, 6, 8, 12]

# The shape of Stories15M with any number of layers, as `engrad bench train --model FILE.toml` reads it.
DESCRIPTION = """dim = 288
hidden = 768
layers = {layers}
heads = 6
kv_heads = 6
head_dim = 48
vocab = 32000
sequence = 256
"""


def measure(arguments, model, sequence, numerics):
    """One run of `engrad bench train`, as its report."""
    command = [
        arguments.engrad, "bench", "train", "--json", "--model", model, "--numerics", numerics,
        "--sequence", str(sequence), "--threads", str(arguments.threads),
        "--runs", str(arguments.runs), "--warmup", "1", "--steps", "0",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def line(points):
    """Intercept and slope of the least-squares line of relative errors, and the largest relative deviation from it."""
    # Each point weighs 1/y², so that a short run counts as much as a long one.
    weights = [1 / y**2 for _, y in points]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, points)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, points)) / total
    spread = sum(w * (x - mean_x) ** 2 for w, (x, _) in zip(weights, points))
    slope = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, points)) / spread
    intercept = mean_y - slope * mean_x
    deviation = max(abs(y - intercept - slope * x) / y for x, y in points)
    return intercept, slope, deviation


def deviation_from_mean(values):
    mean = statistics.mean(values)
    return max(abs(value - mean) / mean for value in values)


class Series:
    """Measurements that differ in one thing."""

    def __init__(self, name, cases):
        self.name = name
        self.cases = cases  # (label, model, sequence, what is varied)
        self.best = {}
        self.reports = {}

    def run(self, arguments):
        for label, model, sequence, _ in self.cases:
            report = measure(arguments, model, sequence, arguments.numerics)
            milliseconds = report["forward_backward_ms"]["min"]
            if label not in self.best or milliseconds < self.best[label]:
                self.best[label] = milliseconds
                self.reports[label] = report

    def rows(self):
        for label, _, sequence, varied in self.cases:
            yield label, sequence, varied, self.best[label], self.reports[label]


def share(report):
    """Of the register peak, in percent, from the run whose time is shown."""
    value = report["share_of_peak_best"]
    return "    -" if value is None else f"{100 * value:5.1f}"


def print_models(series):
    print("models: milliseconds of forward and backward, share of the register peak, picoseconds per FLOP")
    print(f"  {'':<14} {'ms':>9} {'% peak':>7} {'ps/FLOP':>9}")
    costs = []
    for label, _, _, best, report in series.rows():
        costs.append(best * 1e9 / report["flops"])
        print(f"  {label:<14} {best:9.1f} {share(report):>7} {costs[-1]:9.2f}")
    print(f"  largest deviation from the mean cost of a FLOP: {100 * deviation_from_mean(costs):.1f} %\n")


def print_layers(series):
    print("layers, of Stories15M's shape: milliseconds, and those of a layer without what no layer costs (the head)")
    points = [(layers, best) for _, _, layers, best, _ in series.rows()]
    intercept, slope, deviation = line(points)
    print(f"  {'layers':>8} {'ms':>9} {'% peak':>7} {'ms/layer':>9} {'of line':>8}")
    for _, _, layers, best, report in series.rows():
        fitted = intercept + slope * layers
        per_layer = (best - intercept) / layers
        print(f"  {layers:8} {best:9.1f} {share(report):>7} {per_layer:9.2f} {100 * (best / fitted - 1):+7.1f}%")
    print(f"  line: {intercept:.1f} ms and {slope:.2f} ms for each layer; largest deviation {100 * deviation:.1f} %\n")


def print_sequences(series):
    print("sequences, of Stories15M: milliseconds, and those without attention's quadratic part, which is taken to cost as")
    print("much for each FLOP as the rest of that run")
    rows = []
    for label, sequence, _, best, report in series.rows():
        quadratic = best * attention_flops(report, sequence) / report["flops"]
        rows.append((label, sequence, best, best - quadratic, report))
    intercept, slope, deviation = line([(sequence, rest) for _, sequence, _, rest, _ in rows])
    print(f"  {'sequence':>8} {'ms':>9} {'% peak':>7} {'without':>9} {'us/token':>9} {'of line':>8}")
    for label, sequence, best, rest, report in rows:
        fitted = intercept + slope * sequence
        print(
            f"  {label:>8} {best:9.1f} {share(report):>7} {rest:9.1f} {1e3 * rest / sequence:9.1f}"
            f" {100 * (rest / fitted - 1):+7.1f}%"
        )
    print(f"  line: {intercept:.1f} ms and {1e3 * slope:.1f} us for each token; largest deviation {100 * deviation:.1f} %")


def attention_flops(report, sequence):
    """Causal attention's share of a report's operations: six for each layer, query feature and pair of positions that
    the mask leaves. What `report` counts is linear in tokens otherwise."""
    layers, query_features = 6, 6 * 48
    return 6.0 * layers * query_features * sequence * report["batch"] * sequence


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    built = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(here, "../../target")), "release/engrad")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numerics", choices=["fast", "bf16", "f32"], default="fast")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=2, help="passes of each run that count, after one that does not")
    parser.add_argument("--small", action="store_true", help="leave out Qwen3-0.6B, which needs 7 GB")
    parser.add_argument("--engrad", default=built, help="the program to measure")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:

        def layered(layers):
            path = os.path.join(folder, f"{layers}-layers.toml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(DESCRIPTION.format(layers=layers))
            return path

        models = [model for model in MODELS if not (arguments.small and model == "qwen3-0.6b")]
        all_series = {
            print_models: Series("models", [(model, model, 256, None) for model in models]),
            print_layers: Series("layers", [(f"{n} layers", layered(n), 256, n) for n in LAYERS]),
            print_sequences: Series("sequences", [(str(n), "stories15m", n, n) for n in SEQUENCES]),
        }
        for number in range(arguments.rounds):
            for series in all_series.values():
                series.run(arguments)
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    print(f"{arguments.numerics}, {arguments.threads} threads, best of {arguments.rounds} × {arguments.runs} passes\n")
    for show, series in all_series.items():
        show(series)


if __name__ == "__main__":
    main()
