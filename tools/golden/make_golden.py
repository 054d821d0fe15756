#!/usr/bin/env python3
"""Record what Hugging Face transformers computes for a model folder.

    make_golden.py --model DIR --out golden.safetensors [--vocab-seed N | --input-ids FILE]

The file written holds

    input_ids      [B, T] int32        B independent sequences
    hidden.0 .. L  [B, T, H] float32   embedding output, then every layer's output;
                                       the last one is after the final norm
    logits         [B, T, V] float32   float32 arithmetic on the stored weights
    logits_bf16    [B, T, V] float32   the same forward in bfloat16 arithmetic, widened
    greedy_prompt  [P] int32           the first P tokens of input_ids[0]
    greedy_tokens  [N] int32           greedy continuation in float32 (never stops early)
    greedy_margin  [N] float32         best minus second-best logit at each step

Attention is the eager implementation throughout.  Each of the three runs loads
its own copy of the model: the "dynamic" and "longrope" rotary embeddings keep
state from one forward call to the next, so a shared copy would let the long
forward leak into the greedy run.
"""
import argparse
import json

import torch
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager").eval()


def rope_state(model):
    """The inverse frequencies the model used last, to show which regime a run was in."""
    for name, buf in model.named_buffers():
        if name.endswith("inv_freq") and "original" not in name:
            return " ".join(f"{x:.4g}" for x in buf.flatten()[:6].tolist())
    return "-"


def random_ids(vocab, rows, length, seed):
    """Uniform ids; the first three are left out, being special tokens in the tiny models."""
    g = torch.Generator().manual_seed(seed)
    return torch.randint(min(3, vocab - 1), vocab, (rows, length), generator=g)


@torch.no_grad()
def greedy(model, prompt, steps):
    """Greedy decoding with the key/value cache, and the margin of each choice."""
    tokens, margins, cache = [], [], None
    step = prompt[None]
    for _ in range(steps):
        out = model(step, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        best = out.logits[0, -1].float().topk(2)
        tokens.append(best.indices[0].item())
        margins.append((best.values[0] - best.values[1]).item())
        step = best.indices[:1][None]
    return torch.tensor(tokens, dtype=torch.int32), torch.tensor(margins)


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--model", required=True, help="model folder (config.json, model.safetensors)")
    ap.add_argument("--out", required=True, help="file to write")
    ap.add_argument("--vocab-seed", type=int, default=0, help="seed of the random input ids")
    ap.add_argument("--input-ids", help="JSON file with the ids instead: a list of equally long lists")
    ap.add_argument("--rows", type=int, default=2)
    ap.add_argument("--length", type=int, default=80)
    ap.add_argument("--prompt", type=int, default=12, help="length of the greedy prompt")
    ap.add_argument("--greedy", type=int, default=40, help="greedy tokens to record")
    args = ap.parse_args()

    torch.manual_seed(0)
    model = load(args.model, torch.float32)
    if args.input_ids:
        with open(args.input_ids) as f:
            ids = torch.tensor(json.load(f))
    else:
        ids = random_ids(model.config.vocab_size, args.rows, args.length, args.vocab_seed)

    out = model(ids, output_hidden_states=True, use_cache=False)
    record = {"input_ids": ids.int(), "logits": out.logits}
    for i, h in enumerate(out.hidden_states):
        record[f"hidden.{i}"] = h
    print("rope frequencies in the forward run:", rope_state(model))

    half = load(args.model, torch.bfloat16)
    record["logits_bf16"] = half(ids, use_cache=False).logits.float()

    model = load(args.model, torch.float32)
    prompt = ids[0, :args.prompt]
    record["greedy_prompt"] = prompt.int()
    record["greedy_tokens"], record["greedy_margin"] = greedy(model, prompt, args.greedy)
    print("rope frequencies in the greedy run: ", rope_state(model))

    record = {k: v.detach().clone().contiguous() for k, v in record.items()}
    save_file(record, args.out)
    diff = (record["logits"] - record["logits_bf16"]).abs().max().item()
    print(f"smallest greedy margin {record['greedy_margin'].min():.4f}, "
          f"largest |float32 - bf16| logit difference {diff:.4f}")


if __name__ == "__main__":
    main()
