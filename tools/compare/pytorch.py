"""Forward and backward of one sequence: engrad against PyTorch, in turn, on this machine.

Development only. Needs PyTorch and a release build:

    cargo build --release
    python tools/compare/pytorch.py --model stories110m --rounds 10

Every round runs each contender once, so that what else the machine does meets all of them alike; ratios are taken
within rounds. Printed: best and median of each, and of the ratios.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

# name: dim, hidden, layers, heads, key/value heads, head dim, vocabulary, norms of queries and keys
MODELS = {
    "stories110m": (768, 2048, 12, 12, 12, 64, 32_000, False),
    "qwen3-0.6b": (1024, 3072, 28, 16, 8, 128, 151_936, True),
    "stories15m": (288, 768, 6, 6, 6, 48, 32_000, False),
}


def network(torch, size):
    """A Llama or Qwen3 of that size, tied, with random weights."""
    dim, hidden, layers, heads, kv_heads, head_dim, vocab, qk_norm = size
    nn, functional = torch.nn, torch.nn.functional

    def linear(inner, out):
        return nn.Linear(inner, out, bias=False)

    def rotate(x, cos, sin):
        first, second = x.chunk(2, -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.norms = nn.ModuleList(nn.RMSNorm(dim, eps=1e-5) for _ in range(2))
            self.q, self.k = linear(dim, heads * head_dim), linear(dim, kv_heads * head_dim)
            self.v, self.o = linear(dim, kv_heads * head_dim), linear(heads * head_dim, dim)
            self.gate, self.up, self.down = linear(dim, hidden), linear(dim, hidden), linear(hidden, dim)
            if qk_norm:
                self.q_norm, self.k_norm = nn.RMSNorm(head_dim, eps=1e-6), nn.RMSNorm(head_dim, eps=1e-6)

        def forward(self, x, cos, sin):
            batch, length, _ = x.shape
            h = self.norms[0](x)
            q = self.q(h).view(batch, length, heads, head_dim)
            k = self.k(h).view(batch, length, kv_heads, head_dim)
            v = self.v(h).view(batch, length, kv_heads, head_dim).transpose(1, 2)
            if qk_norm:
                q, k = self.q_norm(q), self.k_norm(k)
            q, k = rotate(q.transpose(1, 2), cos, sin), rotate(k.transpose(1, 2), cos, sin)
            mixed = functional.scaled_dot_product_attention(
                q, k, v, is_causal=True, enable_gqa=heads != kv_heads
            )
            x = x + self.o(mixed.transpose(1, 2).reshape(batch, length, heads * head_dim))
            h = self.norms[1](x)
            return x + self.down(functional.silu(self.gate(h)) * self.up(h))

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(vocab, dim)
            self.blocks = nn.ModuleList(Block() for _ in range(layers))
            self.norm = nn.RMSNorm(dim, eps=1e-5)
            nn.init.normal_(self.embedding.weight, std=0.02)

        def forward(self, tokens, targets):
            length = tokens.shape[1]
            x = self.embedding(tokens)
            frequencies = 10_000.0 ** (-torch.arange(0, head_dim, 2) / head_dim)
            angles = torch.outer(torch.arange(length), frequencies)
            cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
            for block in self.blocks:
                x = block(x, cos, sin)
            logits = functional.linear(self.norm(x), self.embedding.weight)
            return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    return Model()


def torch_contenders(arguments, size):
    """Name and function of each PyTorch contender; a function makes one pass and returns milliseconds."""
    import torch

    torch.manual_seed(1)
    torch.set_num_threads(arguments.threads)
    model = network(torch, size)
    tokens = torch.randint(0, size[6], (1, arguments.sequence + 1))
    inputs, targets = tokens[:, :-1], tokens[:, 1:]

    def timed(model, autocast):
        def run():
            model.zero_grad(set_to_none=True)
            started = time.perf_counter()
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                loss = model(inputs, targets)
            loss.backward()
            return (time.perf_counter() - started) * 1e3

        def warmed():
            for _ in range(arguments.warmup):
                run()
            milliseconds = run()
            model.zero_grad(set_to_none=True)
            return milliseconds

        return warmed

    contenders = {"torch fp32": timed(model, False), "torch autocast": timed(model, True)}
    if not arguments.no_pure_bf16:
        import copy

        contenders["torch bf16"] = timed(copy.deepcopy(model).to(torch.bfloat16), False)
    return contenders


def engrad(arguments, numerics):
    command = [
        arguments.engrad, "bench", "train", "--json", "--model", arguments.model, "--numerics", numerics,
        "--sequence", str(arguments.sequence), "--threads", str(arguments.threads),
        "--runs", "1", "--warmup", str(arguments.warmup), "--steps", "0",
    ]  # fmt: skip

    def run():
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")
        return json.loads(done.stdout)["forward_backward_ms"]["min"]

    return run


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    built = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(here, "../../target")), "release/engrad")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=MODELS, default="stories110m")
    parser.add_argument("--sequence", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--warmup", type=int, default=2, help="passes before each that counts")
    parser.add_argument("--engrad", default=built, help="the program to measure")
    parser.add_argument("--no-pure-bf16", action="store_true", help="leave out the model of bf16 weights")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()

    contenders = {f"engrad {numerics}": engrad(arguments, numerics) for numerics in ("fast", "bf16")}
    contenders |= torch_contenders(arguments, MODELS[arguments.model])
    times = {name: [] for name in contenders}
    for number in range(arguments.rounds):
        for name, run in contenders.items():
            times[name].append(run())
        print(f"round {number + 1}: " + ", ".join(f"{n} {t[-1]:.0f}" for n, t in times.items()), file=sys.stderr)

    best_bf16 = [min(pair) for pair in zip(*(t for n, t in times.items() if n in ("torch autocast", "torch bf16")))]
    ratios = {
        "engrad fast over torch fp32": [p / e for p, e in zip(times["torch fp32"], times["engrad fast"])],
        "engrad bf16 over torch's best bf16": [p / e for p, e in zip(best_bf16, times["engrad bf16"])],
    }
    if arguments.json:
        print(json.dumps({"milliseconds": times, "ratios": ratios}))
        return
    print(f"{arguments.model}, {arguments.sequence} tokens, {arguments.threads} threads: milliseconds, best and median")
    for name, runs in times.items():
        print(f"  {name:<36} {min(runs):8.0f} {statistics.median(runs):8.0f}")
    print("times as fast, best and median of rounds")
    for name, runs in ratios.items():
        print(f"  {name:<36} {max(runs):8.2f} {statistics.median(runs):8.2f}")


if __name__ == "__main__":
    main()
