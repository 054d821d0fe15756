#!/usr/bin/env python3
"""Writes bench/results/h200/README.md from the JSON files beside it.

    bench/h200_page.py            write it
    bench/h200_page.py --check    exit 1 if it is stale
"""

import json
import pathlib
import sys

FOLDER = pathlib.Path(__file__).resolve().parent / "results" / "h200"
READ_ROOF = "read_gb_per_s"


def load(name):
    return json.loads((FOLDER / name).read_text())


def shape_of(model):
    return model.split("-")[2].split()[0]  # "Llama-3.1-8B shape"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def decode(results, roofs):
    peers = {("8B" if p["shape"] == "8b" else "1B", p["batch"]): p for p in results["torch_compile"]}
    rows = []
    for first, second in zip(*results["rounds"]):
        shape, batch = shape_of(first["model"]), first["batch_size"]
        step = [r["decode_step_ms"] for r in (first, second)]
        peer = peers.get((shape, batch))
        rate = first["decode_gb_per_s"]
        rows.append([
            shape, batch,
            f"{step[0]['median']:.3f} ({step[0]['min']:.3f} to {step[0]['max']:.3f})",
            f"{step[1]['median']:.3f}",
            f"{rate:.0f}", f"{rate / roofs[READ_ROOF] * 100:.0f} %",
            f"{peer['step']['median_ms']:.3f}" if peer else "not measured",
            f"{peer['step']['median_ms'] / step[0]['median']:.2f} x" if peer else "",
        ])
    return table(["shape", "batch", "ms a step, first round (min to max)", "second round", "GB/s",
                  "of the read roof", "torch.compile, ms", "gain"], rows)


def gains(results):
    names = sorted({name for r in results["results"] for name in r["gain_percent"]},
                   key=lambda n: (n == "nothing (noise)", n == "all of them", n))
    cell = lambda s: f"{s['median']:+.2f} % ({s['min']:+.1f} to {s['max']:+.1f})"
    return table(["fusion"] + [f"{shape_of(r['model'])}, batch {r['batch_size']}"
                               for r in results["results"]],
                 [[name] + [cell(r["gain_percent"][name]["generate"]) for r in results["results"]]
                  for name in names])


def linear_fusions(results):
    columns = ["before", "none", "rope_kvcache and act_mul", "and linear_add", "all four"]
    return table(["shape", "batch"] + columns,
                 [[shape_of(r["model"]), r["batch_size"]] + [f"{r[c]:.3f}" for c in columns]
                  for r in results["results"]])


def kernels(results, torch):
    cases = {(c["group"], c["shape"], c["n"], c["variant"]): c for c in results["cases"]}
    native = {(c["group"], c["shape"], c["n"]): c for c in torch["cases"]}
    copy = results["roofs"]["copy_gb_per_s"]
    rows = []
    for (group, shape, n, variant), c in cases.items():
        if group != "rope_kv_write" or variant != "fused" or n not in (1, 16, 128, 1024, 4096, 16384):
            continue
        us = lambda v: f"{cases[group, shape, n, v]['cold']['median_us']:.2f}" \
            if (group, shape, n, v) in cases else "-"
        peer = native.get((group, shape, n))
        share = c["bytes"] / c["cold"]["median_us"] / 1e3 / copy
        rows.append([shape, n, us("fused"), us("unfused"), us("naive"),
                     f"{peer['cold']['median_us']:.2f}" if peer else "-", f"{share * 100:.0f} %"])
    return table(["heads q/kv x dim", "tokens", "fused, us", "rope, then kv_write",
                  "one block a token, fused", "torch.compile", "of the copy roof"], rows)


def attention(results):
    cases = {(c["shape"], c["n"], c["variant"]): c for c in results["cases"]}
    paged = {(c["shape"], c["n"]): c for c in results["cudnn_paged"]["cases"]
             if c["page"] == 16 and str(c["queries"]) == c["shape"].split()[-1]}
    rows = []
    for shape, n, variant in cases:
        if variant != "wgmma":
            continue
        heads, tokens = shape.split()[1:]
        us = lambda v: " and ".join(f"{r['median_us']:.1f}" for r in cases[shape, n, v]["rounds"]) \
            if (shape, n, v) in cases else "-"
        ours = cases[shape, n, "wgmma"]
        rows.append([heads, f"{n} x {tokens}", us("wgmma"), f"{ours['tflop_per_s']:.0f}",
                     us("mma.sync"), us("torch cudnn"), us("torch flash"),
                     f"{paged[shape, n]['median_us']:.1f}" if (shape, n) in paged else "-"])
    return table(["heads q/kv x dim", "tokens", "wgmma, us", "TFLOP/s", "mma.sync", "torch, cuDNN",
                  "torch, flash", "cuDNN, pages of 16"], rows)


def by_hand(results):
    rows = []
    for native, hand in zip(results["rounds"][0], results["rounds_hand_written"][0]):
        pair = [r["decode_step_ms"]["median"] for r in (native, hand)]
        prompt = [r["prompt_tokens_per_s"]["median"] for r in (native, hand)]
        rows.append([shape_of(native["model"]), native["batch_size"], *(f"{x:.3f}" for x in pair),
                     *(f"{x:.0f}" for x in prompt)])
    return table(["shape", "batch", "generated code, ms a step", "by hand", "prompt, tokens/s",
                  "by hand"], rows)


def is_shown(cell):
    usual = cell.get("kv_dtype", "bfloat16") == "bfloat16" and cell.get("kv_layout", "NHD") == "NHD"
    return "absent" not in cell and cell["dtype"] == "bfloat16" and cell["cache"] == "cold" and usual


def native(results):
    times = {}
    for cell in results["cells"]:
        if is_shown(cell):
            shape = (cell["op"], cell.get("width"), cell.get("d"), cell.get("hq"), cell.get("hk"))
            times.setdefault(shape, {}).setdefault(cell["tokens"], {})[cell["variant"]] = cell
    shown = [("rms_norm", 4096, None, None, None), ("add_rms_norm", 4096, None, None, None),
             ("silu_mul", 14336, None, None, None), ("rope_kv_write", None, 128, 32, 8),
             ("rope_kv_write", None, 64, 32, 8), ("qk_norm_rope_kv_write", None, 128, 32, 8)]
    rows = []
    for shape in shown:
        for tokens, variants in times[shape].items():
            if tokens not in (1, 64, 1024, 16384):
                continue
            size = shape[1] or f"{shape[3]}/{shape[4]} heads of {shape[2]}"
            us = lambda v: f"{variants[v]['median_us']:.2f}" if v in variants else ""
            rows.append([shape[0], size, tokens, us("fused"), us("custom"), us("native"),
                         f"{variants['native']['roof_share'] * 100:.0f} %"])
    return table(["op", "width", "tokens", "one kernel by hand, us", "its parts by hand",
                  "generated", "of the copy roof"], rows)


def beside_torch(results):
    times = {}
    for case in results["cases"]:
        times.setdefault(case["n"], {})[case["variant"]] = case["cold"]
    cell = lambda t: f"{t['median_us']:.2f} ({t['min_us']:.2f} to {t['max_us']:.2f})"
    return table(["tokens", "by hand, us", "generated", "torch.compile"],
                 [[n] + [cell(v[c]) for c in ("fused", "native", "torch.compile")]
                  for n, v in sorted(times.items()) if "torch.compile" in v])


def rows_beside_torch(results):
    times = {}
    for case in results["cases"]:
        times.setdefault((case["op"], case["width"], case["n"]), {})[case["variant"]] = case
    rows = []
    for (op, width, n), variants in sorted(times.items(), key=lambda entry: entry[0]):
        us = lambda v: f"{variants[v]['median_us']:.2f}" if v in variants else ""
        ratio = variants["native"]["median_us"] / variants["torch.compile"]["median_us"]
        rows.append([op, width, n, us("fused"), us("custom"), us("native"), us("torch.compile"),
                     f"{ratio:.2f}"])
    return table(["op", "width", "tokens", "one kernel by hand, us", "its parts by hand", "generated",
                  "torch.compile", "generated / torch.compile"], rows)


def rope_on_and_off(results):
    cell = lambda gain: f"{gain['median']:+.2f} % ({gain['low']:+.2f} to {gain['high']:+.2f})"
    return table(["shape", "batch", "prompt", "generating", "noise of it"],
                 [[shape_of(r["model"]), r["batch_size"], cell(r["prompt"]["gain_percent"]),
                   cell(r["generate"]["gain_percent"]),
                   f"{r['generate']['gain_percent']['noise']:.2f} %"] for r in results["results"]])


def page():
    measured = load("kernels.json")
    roofs = measured["roofs"]
    results = load("decode.json")
    prompt = results["prefill_2048"]["prompt_tokens_per_s"]
    return f"""# One NVIDIA H200

Generated from the JSON files in this folder by `bench/h200_page.py`; each file names its commands.
Random bf16 weights and data, medians, on {results['date']}; what was measured in one session on one
card says the `note` of each file.

Roofs: copy {roofs['copy_gb_per_s']:.0f} GB/s, read {roofs[READ_ROOF]:.0f} GB/s,
bf16 product {roofs['matrix_bf16_tflop_per_s']:.0f} TFLOP/s (cuBLASLt, 8192 cubed).

## One decode step, 512 to 576 positions

{decode(results, roofs)}

`torch.compile`: `bench/peers/torch_decode.py`, one CUDA graph, in an earlier session of the day.

## Fusions of projections, up to 16 tokens: ms a step, in one session

{linear_fusions(load('linear_fusions.json'))}

"before" is the commit before these fusions. The sum and the norm inside a product lose at batch 8,
so they are off where nothing asks for them.

## Generated code

In whole models, first round of each:

{by_hand(results)}

Op by op, operands not in the L2 cache (`matrix.json`, from which `rules.json` is made):

{native(load('matrix.json'))}

RoPE and KV write, 32/8 heads of 128, beside what torch.compile makes of the same function, in one
call on one card (`native.json`):

{beside_torch(load('native.json'))}

RMSNorm, add and RMSNorm, and SiLU times a factor likewise (`native_rows.json`):

{rows_beside_torch(load('native_rows.json'))}

## A prompt of 2048 tokens, 8B

{prompt['median']:.0f} tokens/s ({prompt['min']:.0f} to {prompt['max']:.0f}); with 7.5 G weights in
products that is {prompt['median'] * 2 * 7.5e9 / 1e12:.0f} TFLOP/s.

## Start-up, 8B, 256 sequences, all capture sizes

```
{chr(10).join(results['startup'][:3])}
```

## Gain of each fusion, generating, on and off in turn

{gains(load('fusions.json'))}

`fuse_rope_kvcache` alone, `fuse_linear_rope_kvcache` off in both (`rope_ab.json`):

{rope_on_and_off(load('rope_ab.json'))}

## RoPE and KV write, operands not in the L2 cache

{kernels(measured, load('torch_kernels.json'))}

## Prefill attention, causal, operands not in the L2 cache

{attention(load('attention.json'))}

Ours and cuDNN's paged attention read the cache in pages of 16, torch reads contiguous keys and
values. Two rounds of ours. wgmma and the last column are of other sessions than the rest, as
`attention.json` says.

All cases (norms, products, decode attention, sampling, hot cache): `kernels.json`, made by
`gpu_bench --json`.
"""


def main():
    path = FOLDER / "README.md"
    text = page()
    if "--check" in sys.argv[1:]:
        if not path.exists() or path.read_text() != text:
            print(f"{path} is stale: run bench/h200_page.py", file=sys.stderr)
            return 1
        return 0
    path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
