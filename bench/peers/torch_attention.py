#!/usr/bin/env python3
"""The prefill cases of gpu_bench through torch's scaled_dot_product_attention, by cuDNN and by
FlashAttention, with the same shapes and method. Keys and values are contiguous here; ours lie in
pages of 16 tokens.

    torch_attention.py [--json FILE] [--filter TEXT]
"""

import argparse
import json
import time
from functools import partial

import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from measure import LAUNCHES, Timer, describe, l2_bytes

DTYPE = torch.bfloat16
HQ, HK = 32, 8
BACKENDS = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}


def cases():
    """(head dim, sequences, tokens of each)."""
    for d in [64, 96, 128, 256]:
        for tokens in [512, 2048, 8192]:
            yield d, 1, tokens
        yield d, 4, 2048


def uniform(*shape):
    return torch.empty(shape, dtype=DTYPE, device="cuda").uniform_(-1, 1)


def make(sequences, tokens, d):
    # Memory in the order [sequence, token, head, element], as projections leave it.
    return [uniform(sequences, tokens, h, d).transpose(1, 2) for h in (HQ, HK, HK)]


def attend(q, k, v):
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def measure(timer, backend, sequences, tokens, d, moved):
    sets = min(LAUNCHES, 8 * l2_bytes("cuda") // moved + 1)
    works = [partial(attend, *make(sequences, tokens, d)) for _ in range(sets)]
    with sdpa_kernel(backend):
        return {"sets": sets, "cold": timer.time(works), "hot": None}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json")
    parser.add_argument("--filter", default="")
    options = parser.parse_args()

    timer = Timer("cuda")
    report = {"device": describe("cuda"), "cases": [], "failed": []}
    report["device"]["cudnn"] = torch.backends.cudnn.version()
    begin = time.monotonic()
    with torch.inference_mode():
        for d, sequences, tokens in cases():
            for variant, backend in BACKENDS.items():
                shape = f"prefill {HQ}/{HK}x{d} {tokens}"
                name = f"attention/{shape}/n={sequences}/{variant}"
                if options.filter not in name:
                    continue
                moved = 2 * sequences * tokens * d * (2 * HQ + 2 * HK)
                flops = 2 * sequences * HQ * d * tokens * (tokens + 1)
                try:
                    result = measure(timer, backend, sequences, tokens, d, moved)
                except RuntimeError as error:
                    report["failed"].append({"case": name, "why": str(error)})
                    print(f"{name:45} {error}", flush=True)
                    continue
                rate = 1e-6 * flops / result["cold"]["median_us"]
                report["cases"].append({
                    "group": "attention", "shape": shape, "n": sequences, "variant": variant,
                    "bytes": moved, "flops": flops, **result, "tflop_per_s": rate,
                })
                print(f"{name:45} {result['cold']['median_us']:10.2f} us {rate:8.1f} TFLOP/s",
                      flush=True)
    report["seconds"] = time.monotonic() - begin
    if options.json:
        with open(options.json, "w") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
