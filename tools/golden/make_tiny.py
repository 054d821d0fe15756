#!/usr/bin/env python3
"""Write tiny models with random bf16 weights, for tests of unusual configurations.

    make_tiny.py --kind llama_dynamic|phi3_longrope --out DIR [--seed N]

Both are built so that an 80-token input is past the length at which the rotary
embedding changes and a 52-token one is before it.  Record their outputs with
make_golden.py.
"""
import argparse
import os

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, Phi3Config

COMMON = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0, tie_word_embeddings=False)


def llama_dynamic():
    return LlamaConfig(
        vocab_size=256, hidden_size=128, intermediate_size=112, num_hidden_layers=2,
        num_attention_heads=8, num_key_value_heads=2, head_dim=64, rms_norm_eps=1e-6,
        max_position_embeddings=64,
        rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10000.0}, **COMMON)


def phi3_longrope():
    n = 16  # half of head_dim, one factor for each rotated pair
    return Phi3Config(
        vocab_size=320, hidden_size=64, intermediate_size=160, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, rms_norm_eps=1e-5,
        max_position_embeddings=512, original_max_position_embeddings=64,
        rope_parameters={
            "rope_type": "longrope", "rope_theta": 10000.0,
            "short_factor": [round(1.0 + 0.03 * i + 0.07 * (i % 3), 4) for i in range(n)],
            "long_factor": [round(1.1 + 0.45 * i + 0.3 * (i % 4), 4) for i in range(n)]}, **COMMON)


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--kind", required=True, choices=["llama_dynamic", "phi3_longrope"])
    ap.add_argument("--out", required=True, help="folder to write")
    ap.add_argument("--seed", type=int, default=7)
    args = ap.parse_args()

    torch.manual_seed(args.seed)
    model = AutoModelForCausalLM.from_config(globals()[args.kind](), dtype=torch.float32)
    for name, p in model.named_parameters():
        if p.dim() == 1:  # norm weights: around one, but not one
            p.copy_(1 + 0.1 * torch.randn_like(p))
        else:             # large enough that the layers matter and logits spread out
            p.copy_(1.4 * p.shape[1] ** -0.5 * torch.randn_like(p))
    model = model.to(torch.bfloat16)
    model.save_pretrained(args.out)
    generation = os.path.join(args.out, "generation_config.json")
    if os.path.exists(generation):
        os.remove(generation)


if __name__ == "__main__":
    main()
