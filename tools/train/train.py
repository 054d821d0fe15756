#!/usr/bin/env python3
"""Train a small Llama-architecture model on the token files prepare.py wrote.

    train.py --data DIR --out DIR --minutes 8.5

The learning rate follows the clock, not a step count: warm-up, a plateau, then a straight
line to zero that ends when --minutes (counted from the start of the process) are over.

Small models decoded greedily fall into loops. With --loops S, the last share S of the time adds
sequence-level unlikelihood training (Welleck et al., 2019, arXiv:1908.04319): the model continues
prompts from the corpus greedily and is pushed away from every token that completes a sequence of
four tokens it has written before, while the ordinary loss goes on beside it.

Written to --out: model.safetensors (bf16), config.json, generation_config.json, log.json.
The numbers and samples printed at the end come from the bf16 weights, computed in float32.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

BOS, EOT = 0, 1
PROMPTS = [
    "Once upon a time there was a little girl who lived in a cottage at the edge of a great forest.",
    "Once upon a time there lived a king who had three sons.",
    "There was once a poor woodcutter who",
    "The old witch looked at the prince and said,",
    "A fox was walking through the wood one day when he met",
    "Long ago, in a land by the sea, there lived a fisherman and his wife.",
    "The princess opened the door and saw",
    "\"Where are you going?\" asked the rabbit.",
    "When the snow had melted and the spring had come,",
    "The dragon lived in a cave on the top of the mountain, and",
    "Dorothy and the Scarecrow walked along the road until",
    "In the middle of the night the boy woke up, for he had heard",
]


# ---------------------------------------------------------------- model, with Hugging Face's names

class Attention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.q_proj = nn.Linear(c.hidden, c.heads * c.head_dim, bias=False)
        self.k_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.v_proj = nn.Linear(c.hidden, c.kv_heads * c.head_dim, bias=False)
        self.o_proj = nn.Linear(c.heads * c.head_dim, c.hidden, bias=False)

    def forward(self, x, cos, sin, cache=None):
        b, t, _ = x.shape

        def split(y):
            return y.view(b, t, -1, self.c.head_dim).transpose(1, 2)

        def rotate(y):
            lo, hi = y.chunk(2, -1)
            return (y * cos + torch.cat((-hi, lo), -1) * sin).to(y.dtype)

        q, k, v = rotate(split(self.q_proj(x))), rotate(split(self.k_proj(x))), split(self.v_proj(x))
        if cache is not None:                # keys and values so far, and how many they are
            keys, values, n = cache
            keys[:, :, n:n + t], values[:, :, n:n + t] = k, v
            k, v = keys[:, :, :n + t], values[:, :, :n + t]
        y = F.scaled_dot_product_attention(q, k, v, is_causal=t > 1, enable_gqa=True)
        return self.o_proj(y.transpose(1, 2).reshape(b, t, -1))


class Mlp(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gate_proj = nn.Linear(c.hidden, c.intermediate, bias=False)
        self.up_proj = nn.Linear(c.hidden, c.intermediate, bias=False)
        self.down_proj = nn.Linear(c.intermediate, c.hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm = nn.RMSNorm(c.hidden, c.eps)
        self.self_attn = Attention(c)
        self.post_attention_layernorm = nn.RMSNorm(c.hidden, c.eps)
        self.mlp = Mlp(c)
        self.drop = nn.Dropout(c.dropout)

    def forward(self, x, cos, sin, cache=None):
        x = x + self.drop(self.self_attn(self.input_layernorm(x), cos, sin, cache))
        return x + self.drop(self.mlp(self.post_attention_layernorm(x)))


class Llama(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c
        self.embed_tokens = nn.Embedding(c.vocab, c.hidden)
        self.layers = nn.ModuleList(Layer(c) for _ in range(c.layers))
        self.norm = nn.RMSNorm(c.hidden, c.eps)
        inv = 1.0 / c.theta ** (torch.arange(0, c.head_dim, 2).float() / c.head_dim)
        angle = torch.outer(torch.arange(c.context).float(), inv)
        self.register_buffer("cos", torch.cat((angle, angle), -1).cos(), persistent=False)
        self.register_buffer("sin", torch.cat((angle, angle), -1).sin(), persistent=False)
        for name, p in self.named_parameters():
            if p.dim() == 2:
                std = 0.02 if "embed" in name else p.shape[1] ** -0.5
                nn.init.normal_(p, std=std * (0.3 if "o_proj" in name or "down_proj" in name else 1))

    def forward(self, ids, targets=None):
        x = self.embed_tokens(ids)
        cos, sin = self.cos[:ids.shape[1]], self.sin[:ids.shape[1]]
        for layer in self.layers:
            x = layer(x, cos, sin)
        logits = F.linear(self.norm(x), self.embed_tokens.weight).float()
        if targets is None:
            return logits
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1, reduction="none")


# ---------------------------------------------------------------- optimizer

@torch.compile(dynamic=False)
def orthogonal(g):
    """Newton-Schulz: the nearest (semi-)orthogonal matrix, roughly, for a stack of matrices."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    if g.shape[-2] > g.shape[-1]:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        y = x @ x.mT
        x = a * x + (b * y + c * y @ y) @ x
    return x.mT if g.shape[-2] > g.shape[-1] else x


class Muon(torch.optim.Optimizer):
    """Momentum whose update is made orthogonal; matrices of one shape go through as one stack."""

    def __init__(self, params, lr, momentum=0.95, weight_decay=0.1):
        params = list(params)
        groups = [{"params": [p for p in params if p.shape == s]} for s in {p.shape for p in params}]
        super().__init__(groups, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            params = group["params"]
            grads = [p.grad for p in params]
            for p in params:
                if "m" not in self.state[p]:
                    self.state[p]["m"] = torch.zeros_like(p)
            bufs = [self.state[p]["m"] for p in params]
            torch._foreach_lerp_(bufs, grads, 1 - group["momentum"])
            update = orthogonal(torch.stack(torch._foreach_lerp(grads, bufs, group["momentum"])))
            scale = 0.2 * max(params[0].shape) ** 0.5     # the size of an AdamW update
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(params, list(update.float().unbind(0)), alpha=-group["lr"] * scale)


# ---------------------------------------------------------------- data

class Mix:
    """Windows that begin at a paragraph, after <|bos|>, drawn from the groups by weight."""

    def __init__(self, folder, weights, context, newlines, device):
        self.context, self.tokens, self.starts, self.share = context, [], [], []
        for name, weight in weights.items():
            flat = np.fromfile(os.path.join(folder, f"train.{name}.u16"), np.uint16)
            paragraph = np.flatnonzero(np.isin(flat, newlines)) + 1
            starts = np.union1d(paragraph, np.flatnonzero(flat == BOS) + 1)
            starts = starts[starts < len(flat) - context]
            self.tokens.append(torch.from_numpy(flat.astype(np.int32)).to(device))
            self.starts.append(torch.from_numpy(starts).to(device))
            self.share.append(weight * len(flat))
        self.size = sum(len(t) for t in self.tokens)
        self.share = torch.tensor(self.share) / sum(self.share)

    def batch(self, rows):
        counts = torch.bincount(torch.multinomial(self.share, rows, True), minlength=len(self.share)).tolist()
        out = []
        for tokens, starts, n in zip(self.tokens, self.starts, counts):
            at = starts[torch.randint(len(starts), (n,), device=starts.device)]
            out.append(tokens[at[:, None] + torch.arange(self.context, device=at.device)].long())
        targets = torch.cat(out)
        inputs = F.pad(targets[:, :-1], (1, 0), value=BOS)
        return inputs, targets


class HeldOut:
    """Each piece of `context` tokens is scored on its own, after <|bos|>."""

    def __init__(self, folder, context, device):
        flat = np.fromfile(os.path.join(folder, "heldout.u16"), np.uint16).astype(np.int64)
        with open(os.path.join(folder, "heldout.json")) as f:
            docs = json.load(f)
        first = list(np.flatnonzero(flat == BOS)) + [len(flat)]
        assert len(first) == len(docs) + 1
        inputs, targets, self.group = [], [], []
        for d, lo, hi in zip(docs, first, first[1:]):
            for at in range(lo + 1, hi, context):
                piece = flat[at:min(hi, at + context)]
                row = np.full(context, -1)
                row[:len(piece)] = piece
                targets.append(row)
                inputs.append(np.concatenate(([BOS], np.maximum(row[:-1], 0))))
                self.group.append(d["group"])
        self.inputs = torch.from_numpy(np.stack(inputs)).to(device)
        self.targets = torch.from_numpy(np.stack(targets)).to(device)
        self.bytes = {g: sum(d["bytes"] for d in docs if d["group"] == g) for g in sorted(set(self.group))}

    @torch.no_grad()
    def score(self, loss_of, rows, pieces=10 ** 9):
        nats, count = {g: 0.0 for g in self.bytes}, {g: 0 for g in self.bytes}
        for i in range(0, min(pieces, len(self.inputs)), rows):
            ids, targets = self.inputs[i:i + rows], self.targets[i:i + rows]
            pad = rows - len(ids)
            loss = loss_of(F.pad(ids, (0, 0, 0, pad)), F.pad(targets, (0, 0, 0, pad), value=-1))
            loss = loss.view(rows, -1).double().sum(1).tolist()
            for g, nat, n in zip(self.group[i:i + rows], loss, (targets >= 0).sum(1).tolist()):
                nats[g] += nat
                count[g] += n
        nats["all"], count["all"] = sum(nats.values()), sum(count.values())
        size = dict(self.bytes, all=sum(self.bytes.values()))
        nats, count = {g: n for g, n in nats.items() if count[g]}, {g: n for g, n in count.items() if n}
        return {g: {"loss": nats[g] / count[g], "perplexity": math.exp(nats[g] / count[g]),
                    "bits_per_byte": nats[g] / math.log(2) / size[g], "tokens": count[g], "bytes": size[g]}
                for g in nats}


# ---------------------------------------------------------------- greedy text and its loops

@torch.no_grad()
def greedy(model, ids, steps):
    """ids [rows, prompt] -> [rows, prompt + steps]; goes on after <|eot|>, the caller cuts there."""
    c, (rows, n), kind = model.c, ids.shape, ids.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else torch.float32
    store = torch.zeros(c.layers, 2, rows, c.kv_heads, n + steps, c.head_dim, dtype=dtype, device=ids.device)
    done, new = 0, ids
    for _ in range(steps):
        end = done + new.shape[1]
        x = model.embed_tokens(new)
        for layer, (keys, values) in zip(model.layers, store):
            x = layer(x, model.cos[done:end], model.sin[done:end], (keys, values, done))
        new = F.linear(model.norm(x[:, -1:]), model.embed_tokens.weight).argmax(-1)
        ids, done = torch.cat((ids, new), 1), end
    return ids


def repeats(ids, prompt, n=4):
    """Which tokens after the prompt complete a sequence of n tokens seen before, and which count."""
    key = sum(ids[:, i:ids.shape[1] - n + 1 + i] * 4096 ** i for i in range(n))
    again = F.pad((key[:, :, None] == key[:, None, :]).tril(-1).any(-1), (n - 1, 0))
    alive = (ids[:, prompt:] == EOT).cumsum(1) == 0
    return again[:, prompt:] & alive, alive


def loop_loss(model, data, rows, steps):
    prompt = torch.randint(8, 48, ()).item()
    inputs, _ = data.batch(rows)
    model.eval()
    ids = greedy(model, inputs[:, :prompt], steps)
    model.train()
    bad, alive = repeats(ids, prompt)
    nats = model(ids[:, :-1], ids[:, 1:]).view(rows, -1)[:, prompt - 1:]
    unlikely = -torch.log(1 - torch.exp(-nats) * 0.9999)
    return (unlikely * bad).sum() / alive.sum(), bad.sum() / alive.sum()


# ---------------------------------------------------------------- main

def save(model, path):
    state = {"model." + k: v.detach().bfloat16().cpu().contiguous() for k, v in model.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})
    return state


def main():
    born = time.time()
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = ap.add_argument
    add("--data", required=True, help="folder prepare.py wrote")
    add("--out", required=True)
    add("--minutes", type=float, default=8.5, help="from the start of the process to the last step")
    add("--mix", default="tale=3,child=2,novel=1", help="how often a text of each group is drawn")
    add("--init", help="model.safetensors to start from")
    add("--batch", type=int, default=128, help="windows in a step")
    add("--context", type=int, default=1024)
    add("--lr", type=float, default=3e-3)
    add("--embed-lr", type=float, default=3e-3)
    add("--weight-decay", type=float, default=0.1)
    add("--dropout", type=float, default=0.0)
    add("--warmup", type=float, default=0.01, help="share of the time")
    add("--decay", type=float, default=0.6, help="share of the time")
    add("--loops", type=float, default=0.0, help="share of the time, at the end, that trains loops away")
    add("--loop-rows", type=int, default=1024, help="greedy continuations in such a step")
    add("--loop-chunk", type=int, default=1024, help="how many of them at a time")
    add("--loop-steps", type=int, default=176, help="their length")
    add("--loop-weight", type=float, default=1.0)
    add("--vocab", type=int, default=4096)
    add("--hidden", type=int, default=256)
    add("--layers", type=int, default=6)
    add("--heads", type=int, default=4)
    add("--kv-heads", type=int, default=2)
    add("--head-dim", type=int, default=64)
    add("--intermediate", type=int, default=768)
    add("--theta", type=float, default=10000.0)
    add("--eps", type=float, default=1e-5)
    add("--report", type=float, default=20.0, help="seconds between the lines of the log")
    add("--held-pieces", type=int, default=10 ** 9, help="pieces of held-out text scored for such a line")
    add("--seed", type=int, default=1)
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("highest")
    device = "cuda" if torch.cuda.is_available() else "cpu"

    from tokenizers import Tokenizer
    tok = Tokenizer.from_file(os.path.join(args.data, "tokenizer.json"))
    newlines = [i for s, i in tok.get_vocab().items() if s.endswith("ĊĊ")]
    weights = {k: float(v) for k, v in (item.split("=") for item in args.mix.split(","))}
    data = Mix(args.data, weights, args.context, newlines, device)
    held = HeldOut(args.data, args.context, device)

    model = Llama(args).to(device)
    if args.init:
        state = {k.removeprefix("model."): v.float() for k, v in load_file(args.init).items()}
        model.load_state_dict(state)
    total = sum(p.numel() for p in model.parameters())
    matrices = [p for n, p in model.named_parameters() if p.dim() == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.dim() == 1 or "embed" in n]
    adam = torch.optim.AdamW([{"params": [p for p in others if p.dim() == 2]},
                              {"params": [p for p in others if p.dim() == 1], "weight_decay": 0.0}],
                             lr=args.embed_lr, betas=(0.9, 0.95), weight_decay=0.01, fused=device == "cuda")
    optimizers = [(Muon(matrices, args.lr, weight_decay=args.weight_decay), args.lr), (adam, args.embed_lr)]
    fast = torch.compile(model, dynamic=False)

    def loss_of(ids, targets):
        with torch.autocast(device, torch.bfloat16):
            return fast(ids, targets)

    print(f"{total} parameters, {data.size} training tokens, {held.targets.ge(0).sum().item()} held out")
    log, step, tokens, running, began, reported = [], 0, 0, [], None, 0.0
    looped = None                           # the shares of repeated tokens, once that phase is on
    end = born + 60 * args.minutes
    while True:
        now = time.time()
        if step == 5:                       # compilation is over
            began = now
        done = (now - began) / (end - began) if began else 0.0
        if done >= 1 or now > end:
            break
        factor = min(1.0, max(done, 1e-4) / args.warmup if began else 1e-2,
                     (1 - done) / args.decay)
        for opt, lr in optimizers:
            for group in opt.param_groups:
                group["lr"] = lr * factor
        ids, targets = data.batch(args.batch)
        loss = loss_of(ids, targets).mean()
        loss.backward()
        if done > 1 - args.loops:
            if looped is None:
                save(model, os.path.join(args.out, "before_loops.safetensors"))
                looped, reported = [], 0.0
            chunks = args.loop_rows // args.loop_chunk
            for _ in range(chunks):
                with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
                    extra, share = loop_loss(model, data, args.loop_chunk, args.loop_steps)
                (args.loop_weight / chunks * extra).backward()
                looped.append(share.item())
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for opt, _ in optimizers:
            opt.step()
        model.zero_grad(set_to_none=True)
        step += 1
        tokens += ids.numel()
        running.append(loss.detach())
        if step % 10 == 0 or device == "cpu":
            running[-1].item()              # keep the clock honest
        if now - reported > args.report:
            reported = now
            model.eval()
            with torch.autocast(device, torch.bfloat16):     # not compiled: once is not worth it
                score = held.score(model, args.batch, args.held_pieces)
            model.train()
            log.append({"seconds": round(now - born, 1), "step": step, "tokens": tokens,
                        "train": torch.stack(running).mean().item(),
                        "heldout": {g: round(s["loss"], 4) for g, s in score.items()}})
            if looped:
                log[-1]["repeated"] = sum(looped[-5:]) / len(looped[-5:])
            running = []
            print(json.dumps(log[-1]), flush=True)

    # What is kept is bf16; everything from here on is about those weights, in float32.
    state = save(model, os.path.join(args.out, "model.safetensors"))
    model.load_state_dict({k.removeprefix("model."): v.float() for k, v in state.items()})
    model.eval()
    from transformers import GenerationConfig, LlamaConfig
    LlamaConfig(
        architectures=["LlamaForCausalLM"], vocab_size=args.vocab, hidden_size=args.hidden,
        intermediate_size=args.intermediate, num_hidden_layers=args.layers, num_attention_heads=args.heads,
        num_key_value_heads=args.kv_heads, head_dim=args.head_dim, max_position_embeddings=args.context,
        rms_norm_eps=args.eps, rope_parameters={"rope_type": "default", "rope_theta": args.theta},
        tie_word_embeddings=True, bos_token_id=BOS, eos_token_id=EOT, dtype="bfloat16",
    ).save_pretrained(args.out)
    GenerationConfig(bos_token_id=BOS, eos_token_id=EOT).save_pretrained(args.out)

    final = held.score(model, 16)
    print(json.dumps({"steps": step, "tokens": tokens, "final": final}, indent=1))
    samples = []
    for prompt in PROMPTS:
        ids = greedy(model, torch.tensor([tok.encode(prompt).ids], device=device), 160)[0].tolist()
        samples.append(tok.decode(ids[:ids.index(EOT)] if EOT in ids else ids))
        print("---\n" + samples[-1])
    with open(os.path.join(args.out, "log.json"), "w") as f:
        json.dump({"arguments": {k: v for k, v in vars(args).items() if k not in ("data", "out", "init")},
                   "parameters": total, "steps": step, "tokens": tokens, "log": log, "final": final,
                   "samples": samples}, f, indent=1)


if __name__ == "__main__":
    main()
