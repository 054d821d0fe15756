#!/usr/bin/env python3
"""GGUF twins of golden models and tokenizers, written with the package gguf of llama.cpp.

    python3 -m venv /tmp/gguf && /tmp/gguf/bin/pip install gguf==0.19.0 transformers==5.17.0
    /tmp/gguf/bin/python tools/golden/make_gguf.py tests/golden

writes tests/golden/gguf/:
  <model>.gguf       the model of tests/golden/models, by the rules of llama.cpp's converter:
                     matrices in bf16, vectors in f32, rows of q and k in the order of its rope,
                     Gemma's norms plus one; its tokenizer is one of tests/golden/tokenizers
  tok_<name>.gguf    only the metadata of that tokenizer
  spm_scores.json    merges that transformers derives from the scores in gemma2.gguf
  types.gguf         rows of random blocks of each quantized type, "<TYPE>", and what they stand for
                     according to gguf.quants, "<TYPE>.f32"
Nothing of this is needed to build or test.
"""
import json
import sys
from pathlib import Path

import gguf
import numpy as np
from gguf import quants
from gguf.constants import GGMLQuantizationType as Type

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from gguf_keys import write_shape  # noqa: E402

NAMES = {
    "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
GEMMA_NAMES = NAMES | {
    "post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
TEMPLATE = ("{% for m in messages %}{{ bos_token }}{{ m['role'] }}: {{ m['content'] }}"
            "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}")


def read_safetensors(path):
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8:8 + size])
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "BF16", entry
        begin, end = entry["data_offsets"]
        bits = np.frombuffer(data[8 + size + begin:8 + size + end], dtype="<u2")
        yield name, bits.reshape(entry["shape"])


def to_f32(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def permute(rows, heads):  # conversion/llama.py, LlamaModel.permute
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def gguf_name(name, names):
    stem, ending = name.rsplit(".", 1)
    if not stem.startswith("model.layers."):
        return f"{names[stem]}.{ending}"
    layer, below = stem[len("model.layers."):].split(".", 1)
    return f"blk.{layer}.{names[below]}.{ending}"


def write_keys(writer, config, arch):
    write_shape(writer, config)
    if arch == "gemma2":
        writer.add_attn_logit_softcapping(config["attn_logit_softcapping"])
        writer.add_final_logit_softcapping(config["final_logit_softcapping"])
        writer.add_sliding_window(config["sliding_window"])
        return
    rope = config["rope_parameters"]
    writer.add_rope_dimension_count(config["head_dim"])
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def write_model(golden, name, arch, tokenizer, out):
    folder = golden / "models" / name
    config = json.loads((folder / "config.json").read_text())
    writer = gguf.GGUFWriter(out / f"{name}.gguf", arch)
    write_keys(writer, config, arch)
    write_tokenizer(writer, golden, tokenizer)
    writer.add_chat_template(TEMPLATE)
    names = GEMMA_NAMES if arch == "gemma2" else NAMES
    for tensor, bits in read_safetensors(folder / "model.safetensors"):
        if arch == "llama" and "q_proj" in tensor:
            bits = permute(bits, config["num_attention_heads"])
        if arch == "llama" and "k_proj" in tensor:
            bits = permute(bits, config["num_key_value_heads"])
        if bits.ndim == 1:
            values = to_f32(bits)
            if arch == "gemma2" and tensor.endswith("norm.weight"):
                values = values + np.float32(1)
            writer.add_tensor(gguf_name(tensor, names), values)
        else:
            writer.add_tensor(gguf_name(tensor, names),
                              np.ascontiguousarray(bits).view(np.uint8), raw_dtype=Type.BF16)
    close(writer)


def close(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


PRE = {"gpt2": "gpt-2", "llama3": "llama-bpe", "qwen2": "qwen2"}


def write_tokenizer(writer, golden, name):
    text = (golden / "tokenizers" / f"{name}.tokenizer.json").read_text()
    tokenizer = json.loads(text)
    model = tokenizer["model"]
    special = {t["content"] for t in tokenizer["added_tokens"] if t["special"]}
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    assert [model["vocab"][t] for t in tokens] == list(range(len(tokens)))
    sentence_piece = model["byte_fallback"]
    kinds = []
    for token in tokens:
        kind = gguf.TokenType.NORMAL
        if token == model["unk_token"]:
            kind = gguf.TokenType.UNKNOWN
        elif token in special:
            kind = gguf.TokenType.CONTROL
        elif sentence_piece and token.startswith("<0x"):
            kind = gguf.TokenType.BYTE
        kinds.append(kind)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    frame = json.dumps(tokenizer["post_processor"])
    writer.add_tokenizer_model("llama" if sentence_piece else "gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    if sentence_piece:
        writer.add_token_scores(scores_of(tokens, merges))
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
    else:
        writer.add_tokenizer_pre(PRE[name])
        writer.add_token_merges(merges)
        writer.add_bos_token_id(0)
        writer.add_eos_token_id(1)
        writer.add_add_bos_token("SpecialToken" in frame)


def scores_of(tokens, merges):  # as SentencePiece trains them: the earlier, the higher
    first = {}
    for rank, merge in enumerate(merges):
        first.setdefault(merge.replace(" ", ""), -float(rank))
    return [first.get(token, -1e4) for token in tokens]


def write_scored_merges(golden, out):
    from transformers.convert_slow_tokenizer import generate_merges

    reader = gguf.GGUFReader(out / "gemma2.gguf")
    field = {key: reader.fields[f"tokenizer.ggml.{key}"].contents()
             for key in ("tokens", "scores", "token_type")}
    normal = [i for i, kind in enumerate(field["token_type"]) if kind == gguf.TokenType.NORMAL]
    vocab = {field["tokens"][i]: i for i in normal}
    scores = {field["tokens"][i]: field["scores"][i] for i in normal}
    merges = [list(pair) for pair in generate_merges(vocab, scores)]
    (out / "spm_scores.json").write_text(json.dumps(merges, ensure_ascii=False, indent=0) + "\n")


# Where scales stand in a block: f16, which random bytes must not make infinite.
SCALES = {Type.Q8_0: [0], Type.Q4_0: [0], Type.Q5_0: [0], Type.Q4_K: [0, 2], Type.Q6_K: [208]}


def write_types(out):
    random = np.random.default_rng(1)
    writer = gguf.GGUFWriter(out / "types.gguf", "llama")
    for kind, places in SCALES.items():
        block, size = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (5, 512 // block, size), dtype=np.uint8)
        for place in places:
            scales = random.normal(0, 0.02, blocks.shape[:2]).astype(np.float16)
            blocks[:, :, place:place + 2] = scales[:, :, None].view(np.uint8)
        rows = blocks.reshape(5, -1)
        writer.add_tensor(kind.name, rows, raw_dtype=kind)
        writer.add_tensor(f"{kind.name}.f32", quants.dequantize(rows, kind))
    close(writer)


def main():
    golden = Path(sys.argv[1])
    out = golden / "gguf"
    out.mkdir(exist_ok=True)
    write_model(golden, "llama_yarn", "llama", "llama3", out)
    write_model(golden, "gemma2", "gemma2", "spm_bpe", out)
    for name in ("gpt2", "qwen2"):
        writer = gguf.GGUFWriter(out / f"tok_{name}.gguf", "llama")
        write_tokenizer(writer, golden, name)
        close(writer)
    write_scored_merges(golden, out)
    write_types(out)


main()
