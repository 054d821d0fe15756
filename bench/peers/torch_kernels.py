#!/usr/bin/env python3
"""The cases of gpu_bench as torch.compile makes them (Inductor's kernels), with the same shapes and
method, so that both run in one session on one card.

    torch_kernels.py [--json FILE] [--filter REGEX] [--quick] [--budget SECONDS]

Compiling takes most of the time: cases that begin after the budget are listed as skipped.
`--device cpu` runs everything without compiling, on tiny shapes, to check the script.
"""

import argparse
import json
import re
import time
from functools import partial

import torch
import torch.nn.functional as F

from measure import LAUNCHES, Timer, describe, l2_bytes

DTYPE = torch.bfloat16
PAGE = 16
POSITIONS = 16384
LEAST_SLOTS = 1024
EPS = 1e-5
HEADS = [(32, 8, 128), (32, 8, 64), (32, 8, 96), (8, 1, 128), (8, 4, 256), (32, 32, 128)]
PRODUCTS = [  # k, rows of the weights that share x
    ("8b qkv", 4096, [4096, 1024, 1024]),
    ("8b o", 4096, [4096]),
    ("8b gate,up", 4096, [14336, 14336]),
    ("8b down", 14336, [4096]),
    ("8b head", 4096, [128256]),
    ("1b qkv", 2048, [2048, 512, 512]),
    ("1b o", 2048, [2048]),
    ("1b gate,up", 2048, [8192, 8192]),
    ("1b down", 8192, [2048]),
    ("1b head", 2048, [128256]),
]


def uniform(*shape, device):
    return torch.empty(shape, dtype=DTYPE, device=device).uniform_(-1, 1)


def angles(d, device):
    exponent = torch.arange(d // 2, device=device, dtype=torch.float32) / (d // 2)
    turn = torch.arange(POSITIONS, device=device)[:, None] * 10000.0**-exponent
    return torch.cat([turn.cos(), turn.sin()], dim=1)


def rotate(x, cos, sin):
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, b * cos + a * sin], dim=-1).to(x.dtype)


def rope_kv_write(qkv, pos, cs, slot, keys, values, hq, hk):
    q, k, v = qkv.split([hq, hk, hk], dim=1)
    cos, sin = cs[pos][:, None].chunk(2, dim=-1)
    page, offset = slot // PAGE, slot % PAGE
    keys[page, :, offset] = rotate(k, cos, sin)
    values[page, :, offset] = v
    return rotate(q, cos, sin)


def make_rope(n, hq, hk, d, device):
    pages = max(2 * n, LEAST_SLOTS) // PAGE
    qkv = uniform(n, hq + 2 * hk, d, device=device)
    keys, values = (uniform(pages, hk, PAGE, d, device=device) for _ in range(2))
    pos = torch.randperm(POSITIONS, device=device)[:n]
    slot = torch.randperm(pages * PAGE, device=device)[:n]
    return qkv, pos, angles(d, device), slot, keys, values, hq, hk


def rms_norm(x, w):
    square = x.float().pow(2).mean(-1, keepdim=True)
    return w * (x.float() * torch.rsqrt(square + EPS)).to(x.dtype)


def make_norm(n, h, device):
    return uniform(n, h, device=device), uniform(h, device=device)


def add_rms_norm(a, b, w):
    x = a + b
    return x, rms_norm(x, w)


def make_add(n, h, device):
    return uniform(n, h, device=device), uniform(n, h, device=device), uniform(h, device=device)


def silu_mul(gate, up):
    return F.silu(gate) * up


def make_silu(n, h, device):
    return uniform(n, h, device=device), uniform(n, h, device=device)


def linear(x, *weights):
    return [F.linear(x, w) for w in weights]


def make_linear(n, k, m, device):
    return uniform(n, k, device=device), *(uniform(rows, k, device=device) for rows in m)


def token_counts(options):
    return [1, 16, 256, 4096] if options.quick else [1, 4, 16, 64, 256, 1024, 4096, 16384]


def cases(options):
    """(group, shape, n, function, makes operands, bytes that must move, flops)."""
    for hq, hk, d in HEADS:
        for n in token_counts(options):
            moved = n * d * (4 * hq + 8 * hk + 4) + 8 * n
            make = partial(make_rope, n, hq, hk, d, options.device)
            yield "rope_kv_write", f"{hq}/{hk}x{d}", n, rope_kv_write, make, moved, 0
    for h in [4096, 14336]:
        for n in token_counts(options):
            make = partial(make_norm, n, h, options.device)
            yield "rms_norm", f"h={h}", n, rms_norm, make, 2 * (2 * n * h + h), 0
    for h in [2048, 4096, 8192, 14336]:
        for n in token_counts(options):
            make = partial(make_add, n, h, options.device)
            yield "add_rms_norm", f"h={h}", n, add_rms_norm, make, 2 * (4 * n * h + h), 0
    for h in [4096, 8192, 14336]:
        for n in token_counts(options):
            make = partial(make_silu, n, h, options.device)
            yield "silu_mul", f"h={h}", n, silu_mul, make, 6 * n * h, 0
    for name, k, m in PRODUCTS:
        for n in [1, 16] if options.quick else [1, 2, 4, 8, 16, 32, 64, 128]:
            make = partial(make_linear, n, k, m, options.device)
            moved = 2 * (sum(m) * k + n * k + n * sum(m))
            yield "linear", name, n, linear, make, moved, 2 * n * sum(m) * k


def measure(options, timer, function, make, moved):
    if options.device == "cuda":
        # Dynamo keeps a few versions of a function only, and then stops compiling it.
        torch._dynamo.reset()
        function = torch.compile(function, dynamic=False, fullgraph=True)
    l2 = l2_bytes(options.device)
    sets = [make() for _ in range(min(LAUNCHES, 8 * l2 // moved + 1))]
    works = [partial(function, *operands) for operands in sets]
    result = {"sets": len(sets), "cold": timer.time(works), "hot": None}
    if 2 * moved <= l2:
        result["hot"] = timer.time(works[:1], cold=False)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--filter", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--budget", type=float, default=480)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    options = parser.parse_args()
    if options.device == "cpu":
        options.quick = True

    begin = time.monotonic()
    timer = Timer(options.device)
    report = {"device": describe(options.device), "cases": [], "skipped": []}
    with torch.inference_mode():
        for group, shape, n, function, make, moved, flops in cases(options):
            name = f"{group}/{shape}/n={n}"
            if not re.search(options.filter, name) or (options.device == "cpu" and n > 16):
                continue
            if time.monotonic() - begin > options.budget:
                report["skipped"].append(name)
                continue
            result = {"group": group, "shape": shape, "n": n, "variant": "inductor"}
            result |= {"bytes": moved, "flops": flops}
            result |= measure(options, timer, function, make, moved)
            median = result["cold"]["median_us"]
            result["gb_per_s"] = 1e-3 * moved / median
            result["tflop_per_s"] = 1e-6 * flops / median
            report["cases"].append(result)
            print(f"{name:40} {median:10.2f} us {result['gb_per_s']:8.0f} GB/s", flush=True)
    report["seconds"] = time.monotonic() - begin
    if report["skipped"]:
        print(f"{len(report['skipped'])} cases skipped after {options.budget:.0f} s")
    if options.json:
        with open(options.json, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
