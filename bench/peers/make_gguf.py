#!/usr/bin/env python3
"""Random bf16 weights in the shape of a Llama's config.json, as a GGUF file for llama-bench.

    make_gguf.py FOLDER/config.json OUT.gguf

Needs the gguf package (and with it numpy). llama-quantize makes the other formats of the result.
The tokenizer holds as many entries as the model, and is good for nothing else.
"""

import argparse
import json
import pathlib
import sys

import gguf
import numpy

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
from gguf_keys import write_shape  # noqa: E402

STD = 0.02
BF16 = gguf.GGMLQuantizationType.BF16
BYTES = 256
SPECIAL = {
    "<unk>": gguf.TokenType.UNKNOWN,
    "<s>": gguf.TokenType.CONTROL,
    "</s>": gguf.TokenType.CONTROL,
}


def read_config(path):
    config = json.loads(pathlib.Path(path).read_text())
    if config.get("model_type") != "llama":
        raise SystemExit(f"{path}: model_type is {config.get('model_type')!r}, expected 'llama'")
    heads = config["num_attention_heads"]
    config.setdefault("head_dim", config["hidden_size"] // heads)
    config.setdefault("num_key_value_heads", heads)
    return config


def layer_tensors(config):
    hidden, inner, d = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    q, kv = config["num_attention_heads"] * d, config["num_key_value_heads"] * d
    return {
        "attn_norm": (hidden,),
        "attn_q": (q, hidden),
        "attn_k": (kv, hidden),
        "attn_v": (kv, hidden),
        "attn_output": (hidden, q),
        "ffn_norm": (hidden,),
        "ffn_gate": (inner, hidden),
        "ffn_up": (inner, hidden),
        "ffn_down": (hidden, inner),
    }


def tensors(config):
    """Names as in GGUF -> shapes [out, in]."""
    table = (config["vocab_size"], config["hidden_size"])
    result = {"token_embd": table, "output_norm": (config["hidden_size"],)}
    if not config.get("tie_word_embeddings", False):
        result["output"] = table
    for i in range(config["num_hidden_layers"]):
        result |= {f"blk.{i}.{name}": shape for name, shape in layer_tensors(config).items()}
    return result


def random_tensor(shape, generator):
    if len(shape) == 1:  # a norm; llama.cpp wants these in float32
        return numpy.ones(shape, numpy.float32)
    values = STD * generator.standard_normal(shape, numpy.float32)
    return gguf.quants.quantize(values, BF16)


def add_shape(writer, config):
    write_shape(writer, config)
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_BF16)


def add_tokenizer(writer, size):
    types = dict(SPECIAL)
    types |= {f"<0x{i:02X}>": gguf.TokenType.BYTE for i in range(BYTES)}
    types |= {f"t{i}": gguf.TokenType.NORMAL for i in range(len(types), size)}
    writer.add_tokenizer_model("llama")
    writer.add_token_list(list(types)[:size])
    writer.add_token_scores([0.0] * size)
    writer.add_token_types(list(types.values())[:size])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)


def write(config, out):
    """One tensor in memory at a time."""
    writer = gguf.GGUFWriter(out, "llama")
    add_shape(writer, config)
    add_tokenizer(writer, config["vocab_size"])
    shapes = tensors(config)
    for name, shape in shapes.items():
        if len(shape) == 1:
            size, kind = 4 * shape[0], gguf.GGMLQuantizationType.F32
        else:
            size, kind = 2 * shape[0] * shape[1], BF16
        writer.add_tensor_info(f"{name}.weight", shape, numpy.dtype(numpy.float32), size, kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    generator = numpy.random.default_rng(1)
    for shape in shapes.values():
        writer.write_tensor_data(random_tensor(shape, generator))
    writer.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("out")
    options = parser.parse_args()
    write(read_config(options.config), options.out)


if __name__ == "__main__":
    main()
