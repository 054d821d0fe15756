#!/usr/bin/env python3
"""Clean the corpus, train the tokenizer and write the token files that train.py reads.

    prepare.py --list CORPUS.md --texts DIR --out DIR

The table in CORPUS.md names every text and its group (tale, child or novel).
--texts holds one file for each row, under the name in the table's first column:

    pg<number>.txt    Project Gutenberg plain text, header and licence included
    se_<name>.xhtml   the chapters of a Standard Ebooks edition, one after the other
    md_<name>.md      plain markdown, "## " before each chapter

Written to --out:

    tokenizer.json, tokenizer_config.json   the tokenizer, as Hugging Face reads it
    train.<group>.u16, heldout.u16          tokens, <|bos|> document <|eot|> ...
    heldout.json                            the held-out documents and their size in bytes

A document is a chapter or a single tale.  About 2 % of them are held out, chosen
by a hash of their text, so the choice does not depend on order or on a seed.
"""
import argparse
import hashlib
import html
import json
import os
import re

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

BOS, EOT = "<|bos|>", "<|eot|>"
# The Llama-3 pattern: contractions, words, up to three digits, punctuation, newlines, spaces.
PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
           r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")

# Parts of a book that are not the story.
FRONT = re.compile(
    r"^(the )?(preface|contents|table of contents|introduction|introductory|index|notes?\b|foreword|"
    r"list of|illustrations|dedication|dedicated|to the reader|glossary|appendix|transcriber|"
    r"advertisement|footnotes?|bibliography|books? by|by the same|author'?s? note|"
    r"acknowledg|publisher|suggestions for|some suggestions|pronounc|an? explanation|note on|sources)", re.I)
# Words that have no place in what a model says, whatever a book of 1900 thought of them.
BARRED = re.compile(r"\b(nigger|niggers|nigga|darky|darkies|darkey|darkeys|pickaninn\w*|piccaninn\w*|"
                    r"coons?\b(?=.{0,40}(song|black))|chinam[ae]n|jap\b|wop\b|kike\b|jewess|squaw\w*|redskins?)\b", re.I)
COMMON = set("the and of to a in he was that it his her she you had with as for they at on but not "
             "is him so all be said then there were them my one who out up when".split())


# ---------------------------------------------------------------- reading the three formats

def read_gutenberg(raw):
    """-> list of (heading, paragraphs); a paragraph is a list of lines as printed."""
    start = re.search(r"\*\*\* ?START OF TH.*?\*\*\*[^\n]*\n|\*END[^\n]*SMALL PRINT[^\n]*\n", raw, re.S)
    end = re.search(r"\n[^\n]*(\*\*\* ?END OF TH|End of (the )?Project Gutenberg)", raw)
    raw = raw[start.end() if start else 0:end.start() if end else len(raw)]
    for _ in range(3):                                    # notes in brackets may nest
        raw = re.sub(r"\[[^\[\]]*\]", "", raw)
    lines = [line.rstrip() for line in raw.split("\n")]

    chapters, heading, paragraphs = [], "", []
    block, blank = [], 9

    def flush():
        """Decide what the block of lines just read is: a heading or a paragraph."""
        nonlocal heading, paragraphs
        text = " ".join(line.strip() for line in block)
        if not re.search(r"[A-Za-z]", text):
            return
        letters = re.sub(r"[^A-Za-z]", "", text)
        title = len(text) < 90 and len(block) <= 3 and not re.search(r"[,;\"'”’]$", text) and (
            letters.isupper() or re.match(r"(chapter|part|book|story)\s+([ivxlc]+|\d+)\b", text, re.I)
            or re.fullmatch(r"[IVXLC]+\.?", text)
            or (before >= 3 and not text.endswith(".") and len(text.split()) <= 10))
        if title:
            if paragraphs:
                chapters.append((heading, paragraphs))
                heading, paragraphs = "", []
            heading = heading + "\n" + text
        else:
            paragraphs.append(list(block))

    before = 9
    for line in lines + [""]:
        if line.strip():
            if not block:
                before = blank
            block.append(line)
            blank = 0
        else:
            if block:
                flush()
                block = []
            blank += 1
    chapters.append((heading, paragraphs))
    return chapters


def read_markdown(raw):
    body = raw.split("-------", 1)[-1]
    body = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", body)
    chapters, heading, paragraphs = [], "", []
    for block in re.split(r"\n\s*\n", body):
        if block.lstrip().startswith("#"):
            if paragraphs:
                chapters.append((heading, paragraphs))
                heading, paragraphs = "", []
            heading = heading + "\n" + block.strip("# \n")
        elif block.strip():
            paragraphs.append([line for line in block.split("\n") if line.strip()])
    chapters.append((heading, paragraphs))
    return chapters


def read_xhtml(raw):
    chapters = []
    raw = re.sub(r"<a [^>]*epub:type=\"noteref\".*?</a>", "", raw)
    raw = re.sub(r"<(figure|table)\b.*?</\1>", "", raw, flags=re.S)
    for part in re.split(r"<!-- file -->|(?=<article|<section)", raw):
        heading = " ".join(re.findall(r"<(?:h[1-6]|hgroup)\b.*?</(?:h[1-6]|hgroup)>", part, re.S))
        part = re.sub(r"<(header|hgroup|h[1-6])\b.*?</\1>", "", part, flags=re.S)
        paragraphs = []
        for p in re.findall(r"<p\b[^>]*>(.*?)</p>", part, re.S):
            verse = "<br/>" in p
            p = re.sub(r"<br/>", "\n", p) if verse else re.sub(r"\s+", " ", p)
            p = html.unescape(re.sub(r"<[^>]+>", "", p))
            lines = [line.strip() for line in p.split("\n") if line.strip()]
            if lines:
                paragraphs.append([("    " if verse else "") + line for line in lines])
        if paragraphs:
            chapters.append((re.sub(r"<[^>]+>|\s+", " ", heading).strip(), paragraphs))
    return chapters


# ---------------------------------------------------------------- cleaning

def is_front(heading):
    """Headings come one to a line; the last counts, unless it only says by whom the part is."""
    lines = [line.strip(" .*_") for line in heading.split("\n") if line.strip(" .*_")]
    while len(lines) > 1 and re.match(r"by\b", lines[-1], re.I):
        lines.pop()
    return bool(lines and FRONT.match(lines[-1]))


def is_verse(lines):
    if len(lines) < 2:
        return bool(lines) and lines[0].startswith("      ")
    indented = sum(line.startswith("  ") for line in lines)
    return indented >= 0.75 * len(lines) or max(len(line.strip()) for line in lines[:-1]) < 48


def clean(text):
    """One paragraph on one line, in a small character set: ASCII, the em dash, Latin accents."""
    for a, b in (("\u2018", "'"), ("\u2019", "'"), ("\u02bc", "'"), ("\u201c", '"'), ("\u201d", '"'),
                 ("\u2026", "..."), ("\u2013", "-"), ("\u2010", "-"), ("\u2011", "-"), ("\u2014", "--"),
                 ("\u2015", "--"), ("\u2e3a", "--"), ("\u2e3b", "--"), ("\u00a0", " "), ("\u202f", " "),
                 ("\u200a", ""), ("\u2009", " "), ("\u2060", ""), ("\u00ad", ""), ("\ufeff", ""),
                 ("``", '"'), ("''", '"'), ("\u00e6", "ae"), ("\u0153", "oe"), ("&c.", "etc.")):
        text = text.replace(a, b)
    text = re.sub(r"\{\d+\}|\[Pg ?\d+\]|\[\d+\]|\[[A-Z]\]", "", text)
    text = re.sub(r"_([^_]*)_", r"\1", text).replace("_", "")
    text = re.sub(r"[*=+~|^\\]", "", text)
    text = re.sub(r"\s*-{2,}\s*", "\u2014", text)
    text = re.sub(r"\s*\.( ?\.){2,}", "...", text)
    text = re.sub(r"\s+", " ", text).strip()
    return re.sub(r" ([,;:.!?])(?!\.)", r"\1", text)


OPEN = r"(?:(?<=^)|(?<=[\s(\u2014\"]))'(?!(?:tis|twas|twere|twill|em|cause|bout|neath|gainst|twixt|un|n)\b)(?=[\w\"\u2014])"
CLOSE = r"(?<=[,.!?;:\u2014])'(?=[\s)\u2014\"]|$)"


def double_quotes(paragraphs):
    """British books put speech in single quotes; make it double everywhere."""
    text = "\n".join(paragraphs)
    if len(re.findall(r"(?m)(?:^|[\s\u2014])'(?=[A-Z])", text)) < 2 * text.count('"') / 2:
        return paragraphs
    result = []
    for p in paragraphs:
        p = p.replace('"', "\x01")
        p = re.sub(OPEN, '"', p)
        p = re.sub(CLOSE, '"', p)
        result.append(p.replace("\x01", "'"))
    return result


def uncapital(text):
    """A document's first words are often printed in capitals: 'ONCE UPON a time'."""
    m = re.match(r"[\"']?((?:[A-Z][A-Z']*[,]? )+)(?=[\"']?[A-Za-z])", text)
    if not m or len(m.group(1).strip()) < 2:
        return text
    words = m.group(1)
    if words.strip() in ("A", "I", "O") or sum(c.isalpha() for c in words) < 3:
        return text
    low = words[0] + words[1:].lower()
    return text[:m.start(1)] + re.sub(r"\bi\b", "I", low) + text[m.end(1):]


def documents(name, raw):
    reader = {"pg": read_gutenberg, "md": read_markdown, "se": read_xhtml}[name[:2]]
    for heading, paragraphs in reader(raw):
        if is_front(heading):
            continue
        out, verse = [], 0
        for lines in paragraphs:
            if is_verse(lines):
                verse += sum(map(len, lines))
                if len(lines) <= 4 and out:          # a short rhyme may stay in its tale
                    out.append("\n".join(clean(line) for line in lines))
                continue
            text = clean(" ".join(line.strip() for line in lines))
            if FRONT.match(text) and len(text) < 60 or re.match(r"(produced by|e-?text|transcri)", text, re.I):
                continue
            if re.search(r"[a-z]", text) and not re.match(r"\([0-9*]+\)|[0-9]+[.)]", text) \
                    and not re.search(r"gutenberg|copyright|http|www\.", text, re.I):
                out.append(text)
        while out and not re.match(r"[\"']{0,2}[A-Z]", out[0]):
            out.pop(0)
        size = len(out)
        out = [p for p in out if not BARRED.search(p)]
        text = "\n\n".join(out)
        if not out or len(out) < 0.97 * size - 1 or verse > 0.3 * (len(text) + 1):
            continue
        out = double_quotes(out)
        out[0] = uncapital(out[0])
        text = "\n\n".join(out)
        if not fault(text):
            yield text


def fault(text):
    """Why a document is no running English prose (a list, a note, another language), or None."""
    words = re.findall(r"[A-Za-z']+", text.lower())
    paragraphs = text.split("\n\n")
    if re.search(r"(?m)^(Sources?|Parallels|Remarks)[.:]", text):
        return "notes on a tale"
    plain = sum(c.isalpha() or c in " \n,.'\"" for c in text)
    foreign = sum(ord(c) > 126 and c != "\u2014" for c in text)
    if len(text) < 300:
        return "short"
    if sum(w in COMMON for w in words) < 0.3 * len(words):
        return "uncommon words"
    if plain < 0.95 * len(text) or foreign > 0.004 * len(text):
        return "odd characters"
    if sum(c.isdigit() for c in text) > 0.005 * len(text):
        return "digits"
    if sum(len(p) < 40 for p in paragraphs) > 0.6 * len(paragraphs):
        return "short lines"
    return None


class Seen:
    """Drops a document most of which has been met before (the same tale in two books)."""

    def __init__(self):
        self.shingles = set()

    def __call__(self, text):
        words = re.findall(r"[a-z]+", text.lower())
        hashes = {hash(tuple(words[i:i + 8])) for i in range(0, max(1, len(words) - 8))}
        old = sum(h in self.shingles for h in hashes)
        self.shingles |= hashes
        return old > 0.3 * len(hashes)


# ---------------------------------------------------------------- tokenizer

def train_tokenizer(texts, vocab):
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab, special_tokens=[BOS, EOT], show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())))
    tok.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A {BOS} $B", special_tokens=[(BOS, tok.token_to_id(BOS))])
    return tok


def table(path):
    """The rows of the table in CORPUS.md: file name and group."""
    for line in open(path):
        cells = [c.strip() for c in line.split("|")[1:-1]]
        if len(cells) > 2 and cells[1] in ("tale", "child", "novel"):
            yield cells[0].strip("`"), cells[1]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--list", required=True, help="CORPUS.md")
    ap.add_argument("--texts", required=True, help="folder with the texts")
    ap.add_argument("--out", required=True)
    ap.add_argument("--vocab", type=int, default=4096)
    ap.add_argument("--context", type=int, default=1024, help="written to tokenizer_config.json")
    ap.add_argument("--held-out", type=float, default=0.02)
    args = ap.parse_args()
    os.makedirs(args.out, exist_ok=True)

    train, held, seen = {"tale": [], "child": [], "novel": []}, [], Seen()
    for name, group in table(args.list):
        raw = open(os.path.join(args.texts, name), encoding="utf-8").read()
        for text in documents(name, raw):
            if seen(text):
                continue
            digest = hashlib.sha256(text.encode()).digest()
            if int.from_bytes(digest[:4], "big") < args.held_out * 2 ** 32:
                held.append({"file": name, "group": group, "bytes": len(text.encode()), "text": text})
            else:
                train[group].append(text)

    tok = train_tokenizer((t for group in train.values() for t in group), args.vocab)
    tok.save(os.path.join(args.out, "tokenizer.json"))
    with open(os.path.join(args.out, "tokenizer_config.json"), "w") as f:
        json.dump({"add_bos_token": True, "bos_token": BOS, "clean_up_tokenization_spaces": False,
                   "eos_token": EOT, "model_max_length": args.context,
                   "tokenizer_class": "PreTrainedTokenizerFast"}, f, indent=2)
        f.write("\n")

    eot = tok.token_to_id(EOT)

    def write(name, texts):
        ids = [e.ids + [eot] for e in tok.encode_batch(texts)]
        flat = np.fromiter((i for doc in ids for i in doc), np.uint16)
        flat.tofile(os.path.join(args.out, name))
        size = sum(len(t.encode()) for t in texts)
        print(f"{name}: {len(texts)} documents, {size} bytes, {len(flat)} tokens")

    for group, texts in train.items():
        write(f"train.{group}.u16", texts)
    write("heldout.u16", [d["text"] for d in held])
    with open(os.path.join(args.out, "heldout.json"), "w") as f:
        json.dump(held, f)


if __name__ == "__main__":
    main()
