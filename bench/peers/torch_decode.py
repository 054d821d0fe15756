#!/usr/bin/env python3
"""One decode step of a model in the shape of Llama, compiled by torch.compile and replayed as one
CUDA graph: random bf16 weights, a static KV cache, greedy choice of the next token.

    torch_decode.py --shape 8b|1b [--batch 1] [--context 512] [--mode MODE] [--json FILE]

The step attends to all `context` cached positions, the new token's own included.
`--device cpu --shape tiny` runs it without compiling, to check the script.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F

from measure import describe, summary

EPS = 1e-5
DTYPE = torch.bfloat16


@dataclass(frozen=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    inner: int
    vocabulary: int
    tied: bool


SHAPES = {
    "8b": Shape(4096, 32, 32, 8, 128, 14336, 128256, False),
    "1b": Shape(2048, 16, 32, 8, 64, 8192, 128256, True),
    "tiny": Shape(64, 2, 4, 2, 16, 128, 256, True),
}


def rms_norm(x, w):
    square = x.float().pow(2).mean(-1, keepdim=True)
    return w * (x.float() * torch.rsqrt(square + EPS)).to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


def make_weights(shape, device):
    def normal(*size):
        return torch.empty(size, dtype=DTYPE, device=device).normal_(std=0.02)

    s = shape
    layers = [
        {
            "attention_norm": normal(s.hidden) + 1,
            "qkv": normal((s.heads + 2 * s.kv_heads) * s.head_dim, s.hidden),
            "o": normal(s.hidden, s.heads * s.head_dim),
            "mlp_norm": normal(s.hidden) + 1,
            "gate_up": normal(2 * s.inner, s.hidden),
            "down": normal(s.hidden, s.inner),
        }
        for _ in range(s.layers)
    ]
    embedding = normal(s.vocabulary, s.hidden)
    head = embedding if s.tied else normal(s.vocabulary, s.hidden)
    return {"embedding": embedding, "layers": layers, "norm": normal(s.hidden) + 1, "head": head}


def make_step(shape, weights, caches, cs):
    """The function (tokens [b], position [1]) -> next tokens [b]."""
    s = shape

    def attend(x, layer, cache, position, cos, sin):
        batch = x.shape[0]
        qkv = F.linear(x, layer["qkv"]).view(batch, s.heads + 2 * s.kv_heads, 1, s.head_dim)
        q, k, v = qkv.split([s.heads, s.kv_heads, s.kv_heads], dim=1)
        keys, values = cache
        keys.index_copy_(2, position, rotate(k, cos, sin))
        values.index_copy_(2, position, v)
        y = F.scaled_dot_product_attention(rotate(q, cos, sin), keys, values, enable_gqa=True)
        return F.linear(y.reshape(batch, -1), layer["o"])

    def step(tokens, position):
        cos, sin = cs[position].chunk(2, dim=-1)
        x = F.embedding(tokens, weights["embedding"])
        for layer, cache in zip(weights["layers"], caches):
            x = x + attend(rms_norm(x, layer["attention_norm"]), layer, cache, position, cos, sin)
            gate, up = F.linear(rms_norm(x, layer["mlp_norm"]), layer["gate_up"]).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, layer["down"])
        return F.linear(rms_norm(x, weights["norm"]), weights["head"]).argmax(dim=-1)

    return step


def angles(context, d, device):
    exponent = torch.arange(d // 2, device=device, dtype=torch.float32) / (d // 2)
    turn = torch.arange(context, device=device)[:, None] * 500000.0**-exponent
    return torch.cat([turn.cos(), turn.sin()], dim=1)


def time_graph(step, operands, samples):
    """Milliseconds of each replay of the step's graph, and seconds that compiling it took."""
    begin = time.monotonic()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(*operands)
    torch.cuda.synchronize()
    compiling = time.monotonic() - begin
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(*operands)
    for _ in range(5):
        graph.replay()
    events = [[torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in range(samples)]
    for first, last in events:
        first.record()
        graph.replay()
        last.record()
    torch.cuda.synchronize()
    return [first.elapsed_time(last) for first, last in events], compiling


def time_eager(step, operands, samples):
    times = []
    for _ in range(samples):
        begin = time.perf_counter()
        step(*operands)
        times.append(1e3 * (time.perf_counter() - begin))
    return times, 0.0


def bytes_read(shape, batch, context):
    """Of weights (of the embedding only the rows used) and of the KV cache."""
    s = shape
    per_layer = s.hidden * (2 * s.heads + 2 * s.kv_heads) * s.head_dim + 3 * s.hidden * s.inner
    weights = s.layers * per_layer + s.vocabulary * s.hidden
    cache = s.layers * batch * context * 2 * s.kv_heads * s.head_dim
    return 2 * (weights + cache)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--samples", type=int, default=100)
    modes = ["default", "max-autotune-no-cudagraphs"]
    parser.add_argument("--mode", default=modes[0], choices=modes)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--json")
    options = parser.parse_args()

    shape, device = SHAPES[options.shape], options.device
    torch.manual_seed(1)
    with torch.inference_mode():
        size = (options.batch, shape.kv_heads, options.context, shape.head_dim)
        caches = [
            [torch.empty(size, dtype=DTYPE, device=device).uniform_(-1, 1) for _ in range(2)]
            for _ in range(shape.layers)
        ]
        cs = angles(options.context, shape.head_dim, device)
        step = make_step(shape, make_weights(shape, device), caches, cs)
        tokens = torch.randint(shape.vocabulary, (options.batch,), device=device)
        position = torch.tensor([options.context - 1], device=device)
        if device == "cuda":
            step = torch.compile(step, dynamic=False, fullgraph=True, mode=options.mode)
        run = time_graph if device == "cuda" else time_eager
        times, compiling = run(step, (tokens, position), options.samples)

    report = {"device": describe(device), "shape": options.shape, "sizes": asdict(shape)}
    report |= {"batch": options.batch, "context": options.context, "mode": options.mode}
    report |= {"step": summary(times, "ms"), "compile_s": compiling}
    median = report["step"]["median_ms"]
    moved = bytes_read(shape, options.batch, options.context)
    report |= {"bytes": moved, "gb_per_s": 1e-6 * moved / median}
    report["tokens_per_s"] = 1e3 * options.batch / median
    print(
        f"{options.shape} batch {options.batch} context {options.context}: {median:.3f} ms "
        f"({report['step']['min_ms']:.3f} to {report['step']['max_ms']:.3f}), "
        f"{report['gb_per_s']:.0f} GB/s, {report['tokens_per_s']:.0f} tokens/s"
    )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
