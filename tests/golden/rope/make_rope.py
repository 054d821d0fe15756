#!/usr/bin/env python3
"""Record the rotary frequencies that transformers computes: make_rope.py > frequencies.json

Made with transformers 5.17.0 and torch 2.11.0. Each case holds a config.json, a sequence length, and
the inverse frequencies and attention scaling of the model's rotary embedding for a sequence of that
length processed whole, with the cosines and sines of its last position.
"""
import json

import torch
from transformers import AutoConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding
from transformers.models.phi3.modeling_phi3 import Phi3RotaryEmbedding

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 256,
    "hidden_size": 512, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "max_position_embeddings": 4096,
}
PHI3 = LLAMA | {"architectures": ["Phi3ForCausalLM"], "model_type": "phi3", "pad_token_id": 0,
                "original_max_position_embeddings": 1024, "hidden_size": 384}


def llama(rope, **more):
    return LLAMA | {"rope_parameters": rope} | more


def longrope(**more):
    rotary = 96
    return {"rope_type": "longrope", "rope_theta": 10000.0,
            "short_factor": [1.0 + 0.01 * i for i in range(rotary // 2)],
            "long_factor": [1.1 + 0.37 * i for i in range(rotary // 2)]} | more


CASES = {
    "default": (llama({"rope_type": "default", "rope_theta": 10000.0}), 4096),
    "default_theta_5e5_dim_64": (
        llama({"rope_type": "default", "rope_theta": 500000.0}, head_dim=64), 1000),
    "linear": (llama({"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}), 100),
    "old_form": (LLAMA | {"rope_theta": 1e6, "rope_scaling": {"type": "linear", "factor": 2.5}}, 9),
    "llama3": (llama({"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0,
                      "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                      "original_max_position_embeddings": 8192}, max_position_embeddings=131072),
               131072),
    "llama3_small": (llama({"rope_type": "llama3", "rope_theta": 10000.0, "factor": 6.7,
                            "low_freq_factor": 1.5, "high_freq_factor": 5.0,
                            "original_max_position_embeddings": 512}, head_dim=64), 77),
    "yarn": (llama({"rope_type": "yarn", "rope_theta": 1000000.0, "factor": 4.0,
                    "original_max_position_embeddings": 32768}, max_position_embeddings=131072),
             131072),
    "yarn_ratio": (llama({"rope_type": "yarn", "rope_theta": 10000.0, "factor": None,
                          "original_max_position_embeddings": 256, "beta_fast": 16, "beta_slow": 2,
                          "truncate": False}), 500),
    "yarn_low_end": (llama({"rope_type": "yarn", "rope_theta": 10000.0, "factor": 3.0,
                            "original_max_position_embeddings": 64}, head_dim=64), 190),
    "yarn_high_end": (llama({"rope_type": "yarn", "rope_theta": 10.0, "factor": 3.0,
                             "original_max_position_embeddings": 1024}, head_dim=64), 190),
    "yarn_mscale": (llama({"rope_type": "yarn", "rope_theta": 10000.0, "factor": 40.0,
                           "original_max_position_embeddings": 4096, "mscale": 1.0,
                           "mscale_all_dim": 0.707}, max_position_embeddings=163840), 5000),
    "yarn_attention_factor": (llama({"rope_type": "yarn", "rope_theta": 10000.0, "factor": 2.0,
                                     "original_max_position_embeddings": 2048,
                                     "attention_factor": 1.25}), 500),
    "dynamic_short": (llama({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}), 4096),
    "dynamic_long": (llama({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0}), 5000),
    "dynamic_longer": (llama({"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0},
                             head_dim=64), 16384),
    "longrope_short": (PHI3 | {"rope_parameters": longrope()}, 1024),
    "longrope_long": (PHI3 | {"rope_parameters": longrope()}, 1025),
    "longrope_su": (PHI3 | {"rope_theta": 10000.0,
                            "rope_scaling": {"type": "su", "original_max_position_embeddings": 1024,
                                             "short_factor": longrope()["short_factor"],
                                             "long_factor": longrope()["long_factor"]}}, 4096),
    "longrope_attention_factor": (
        PHI3 | {"rope_parameters": longrope(attention_factor=1.5, factor=2.0)}, 2000),
    "partial": (PHI3 | {"partial_rotary_factor": 0.75, "rope_theta": 10000.0}, 300),
    "partial_longrope": (
        PHI3 | {"partial_rotary_factor": 0.5,
                "rope_parameters": longrope(short_factor=[1.0] * 24, long_factor=[3.0] * 24)}, 3000),
}


def record(raw, length):
    fields = {key: value for key, value in json.loads(json.dumps(raw)).items() if key != "model_type"}
    config = AutoConfig.for_model(raw["model_type"], **fields)
    kind = Phi3RotaryEmbedding if raw["model_type"] == "phi3" else LlamaRotaryEmbedding
    rotary = kind(config)
    cos, sin = rotary(torch.zeros(1), torch.arange(length)[None])
    half = rotary.inv_freq.numel()
    return {"config": raw, "sequence_length": length,
            "attention_scaling": float(rotary.attention_scaling),
            "inv_freq": rotary.inv_freq.tolist(),
            "last_cos": cos[0, -1, :half].tolist(), "last_sin": sin[0, -1, :half].tolist()}


print(json.dumps({name: record(*case) for name, case in CASES.items()}, indent=1))
