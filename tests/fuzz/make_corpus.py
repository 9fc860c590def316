#!/usr/bin/env python3
"""Writes corpus/TARGET/: small inputs for each fuzz target, sound ones and ones that are wrong in one place.

    tests/fuzz/make_corpus.py          rewrites them, and removes other files
"""
import gzip
import json
import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"
HUGE = 2**63


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# Tokenizers.

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
          r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


PRINTING = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTES = [*PRINTING, *(byte for byte in range(256) if byte not in PRINTING)]  # in the order of GPT-2's ids
CHARACTERS = [chr(byte) if byte in PRINTING else chr(0x100 + i - len(PRINTING)) for i, byte in enumerate(BYTES)]


def byte_vocab(*tokens):
    return {token: id for id, token in enumerate([*CHARACTERS, *tokens])}


def added(content, id, special=True):
    return {"id": id, "content": content, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
            "special": special}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}


def split(regex):
    return {"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": False}


def tokenizer(vocab, merges=(), added_tokens=(), pre=BYTE_LEVEL, decoder=BYTE_LEVEL, **model):
    return {"version": "1.0", "added_tokens": list(added_tokens), "normalizer": None, "pre_tokenizer": pre,
            "post_processor": None, "decoder": decoder,
            "model": {"type": "BPE", "vocab": vocab, "merges": list(merges)} | model}


def tokenizers():
    words = byte_vocab("th", "the", "\u0120the", "aa")
    merges = ["t h", "th e", "\u0120 the", "a a"]
    end = [added("<|endoftext|>", 260), added("<any>", 261, special=False)]
    sequence = {"type": "Sequence", "pretokenizers": [split(CL100K), BYTE_LEVEL | {"use_regex": False}]}
    yield "bpe", tokenizer(words, merges, end)
    yield "bpe_pairs", tokenizer(words, [merge.split(" ") for merge in merges], end[:1])
    yield "bpe_cl100k", tokenizer(words, merges, pre=sequence, ignore_merges=True)
    yield "bytes", tokenizer(dict(zip(CHARACTERS, BYTES)), pre=BYTE_LEVEL | {"use_regex": False})
    yield "characters", tokenizer({"a": 0, "\u00e9": 1, "\u4e2d": 2}, (), [added("<|endoftext|>", 3)], None,
                                  {"type": "Fuse"})
    yield "numbers", {"pre_tokenizer": {"type": "WhitespaceSplit"},
                      "model": {"type": "WordLevel", "vocab": {"0": 0, "1": 1, "2": 2}, "unk_token": "<unk>"}}
    yield "bad_merge", tokenizer(words, ["t h", "q u"])
    yield "bad_merge_twice", tokenizer(words, ["t h", "t h"])
    yield "bad_merges_of_numbers", tokenizer(words, [1, 2])
    yield "bad_id_huge", tokenizer(words | {"aa": HUGE}, merges)
    yield "bad_id_negative", tokenizer(words | {"aa": -1}, merges)
    yield "bad_id_twice", tokenizer(words | {"aa": 0}, merges)
    yield "bad_added_id", tokenizer(words, merges, [added("<|endoftext|>", 2**31)])
    yield "bad_added_nothing", tokenizer(words, merges, [added("", 260)])
    yield "bad_byte_missing", tokenizer({"a": 0, "b": 1})
    yield "bad_normalizer", {"normalizer": {"type": "NFC"}, "model": {"type": "BPE"}}
    yield "bad_characters", tokenizer({"a": 0, "bc": 1}, (), (), None, {"type": "Fuse"})
    yield "bad_numbers", {"model": {"type": "WordLevel", "vocab": {"1": 0}}}
    yield "bad_sequence", tokenizer(words, merges, pre={"type": "Sequence", "pretokenizers": [split(GPT2), split(GPT2)]})
    yield "bad_type", [1, {"model": 3}]


def tokenizer_json():
    for name, value in tokenizers():
        yield name, compact(value)


def gguf():
    for name, value in tokenizers():
        if not name.startswith("bad_") or name == "bad_merge":
            yield name, compact(value)
    yield "bad_text_twice", compact(tokenizer({"\u00e9": 0, "\u00c3\u00a9": 1}, (), (), None, {"type": "Fuse"}))
    characters = tokenizer({"a": 0, "\u00e9": 1}, (), [added("\u00c3\u00a9", 2)], None, {"type": "Fuse"})
    yield "bad_special_is_a_character", compact(characters)


def vocab_and_merges():
    vocab = compact(byte_vocab("th", "he", "the", "<|endoftext|>"))
    yield "merges", "#version: 0.2\nt h\nh e\n\u0120 t\n\u0120t he\n"
    yield "merges_windows", "t h\r\nth e\r\n"
    yield "merges_of_one_letter", "a a\naa a\naa aa\n"
    yield "merges_backwards", "th e\nt h\n"
    yield "both", vocab + "\0#version: 0.2\nt h\nth e\n"
    yield "bad_line", "t h\nth\n"
    yield "bad_spaces", "t  h\n"
    yield "bad_token", "q u\n"
    yield "bad_utf8", b"t h\n\xff\xfe h\n"
    yield "bad_twice", "t h\nt h\n"
    yield "bad_end_id", compact(byte_vocab() | {"<|endoftext|>": 300}) + "\0"
    yield "bad_hole", compact(byte_vocab() | {"th": 257}) + "\0t h\n"
    yield "bad_array", "[]\0t h\n"


# Configs.

def config():
    base = {"name": "x", "data": {"train": ["a.txt"]}}
    full = base | {
        "seed": 7, "tokenizer": {"type": "bpe", "vocab_size": 512, "special_tokens": ["<|endoftext|>"]},
        "model": {"n_layers": 2, "d_model": 32, "n_heads": 4, "n_kv_heads": 2, "activation": "swiglu",
                  "norm": "rmsnorm", "position": "rope", "init": {"scheme": "gpt2", "std": 0.01}},
        "optimizer": {"learning_rate": 1e-3}, "schedule": {"warmup_steps": 10},
        "train": {"steps": 100, "batch_size": 4}}
    yield "small", compact(base)
    yield "full", json.dumps(full, indent=2)
    yield "all", compact(base | {"train": {"batch_size": "all", "time_budget": "1h30m"}})
    mix = {"mix": [{"files": ["a.jsonl"], "weight": 3}, {"files": "b.jsonl"}]}
    yield "mix", compact({"objective": {"type": "sft"}, "data": mix})
    yield "bad_mix", compact({"objective": {"type": "sft"}, "data": {"mix": [{"weight": 0}, 3, {"file": []}]}})
    yield "overrides", compact(base) + "\0model.n_layers=6\ntrain.steps=10\nname=y\nmodel.d_head=null\n"
    yield "override_deep", compact(base) + '\0model={"n_layers":2}\nmodel.init.std=0.5'
    yield "bad_key", compact(base | {"optimizer": {"learning_rat": 1}})
    yield "bad_twice", '{"name":"x","name":"y"}'
    yield "bad_ranges", compact(base | {"model": {"n_heads": -3, "dropout": 1.5, "n_ctx": HUGE, "d_model": 1e300}})
    yield "bad_heads", compact(base | {"model": {"n_heads": 4, "n_kv_heads": 3, "d_model": 30}})
    yield "bad_sizes", compact(base | {"model": {"n_layers": 100000, "d_model": 2**31, "n_heads": 1}})
    yield "bad_override", compact(base) + "\0.=1\n"
    yield "bad_number", '{"seed":1e400}'
    yield "bad_depth", "[" * 300
    yield "bad_nan", '{"optimizer":{"learning_rate":NaN}}'


def model_folder():
    gpt2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2, "n_positions": 6, "n_inner": 32,
            "vocab_size": 11, "activation_function": "gelu_new", "bos_token_id": 1, "eos_token_id": [2, 3]}
    llama = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 8, "num_attention_heads": 2,
             "num_key_value_heads": 1, "head_dim": 4, "intermediate_size": 12, "max_position_embeddings": 6,
             "vocab_size": 11, "rope_theta": 500.0, "hidden_act": "silu", "tie_word_embeddings": False}
    kiln = {"model_type": "kiln", "vocab_size": 11, "tie_word_embeddings": False,
            "model": {"n_layers": 2, "d_model": 8, "n_heads": 2, "n_kv_heads": 1, "d_head": 6, "d_mlp": 12, "n_ctx": 6,
                      "activation": "relu2", "norm": "rmsnorm", "position": "rope", "rope_theta": 500.0, "bias": False,
                      "qk_norm": True, "tie_embeddings": False}}
    parameters = {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}}
    reward = gpt2 | {"architectures": ["GPT2ForSequenceClassification"], "num_labels": 1, "id2label": {"0": "LABEL_0"}}
    yield "gpt2", compact(gpt2)
    yield "reward", compact(reward)
    yield "bad_labels", compact(reward | {"id2label": {"0": "bad", "1": "good"}})
    yield "llama", compact(llama)
    yield "llama_parameters", compact(llama | parameters)
    yield "kiln", compact(kiln)
    yield "kiln_alibi", compact(kiln | {"model": kiln["model"] | {"position": "alibi"}})
    yield "kiln_sinusoidal", compact(kiln | {"model": kiln["model"] | {"position": "sinusoidal"}})
    yield "bad_layers", compact(gpt2 | {"n_layer": 100000})
    yield "bad_sizes", compact(gpt2 | {"n_layer": -1, "n_embd": HUGE, "n_head": 1.5, "n_positions": "6"})
    yield "bad_vocabulary", compact(gpt2 | {"vocab_size": 2**31 - 1})
    yield "bad_activation", compact(gpt2 | {"activation_function": "tanh"})
    yield "bad_scaling", compact(llama | {"rope_scaling": {"type": "linear", "factor": 2}})
    yield "bad_parameters", compact(llama | {"rope_parameters": {"rope_type": "yarn"}})
    yield "bad_type", compact({"model_type": "t5"})
    yield "bad_array", "[]"


# Weights and tokens.

def safetensors_file(header, data=b""):
    text = header if isinstance(header, bytes) else compact(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def safetensors():
    floats = struct.pack("<4f", 1, 2, 3, 4)
    yield "one", safetensors_file({"w": tensor("F32", [2, 2], 0, 16)}, floats)
    yield "metadata", safetensors_file({"__metadata__": {"format": "pt"}, "w": tensor("F32", [4], 0, 16)}, floats)
    yield "types", safetensors_file({"a": tensor("F64", [1], 0, 8), "b": tensor("F16", [2], 8, 12),
                                     "c": tensor("BF16", [1, 2], 12, 16)}, floats)
    yield "integers", safetensors_file({"a": tensor("I64", [1], 0, 8), "b": tensor("I32", [1], 8, 12),
                                        "c": tensor("U8", [2], 12, 14), "d": tensor("I16", [1], 14, 16)}, floats)
    yield "scalar_and_empty", safetensors_file({"s": tensor("F32", [], 0, 4), "e": tensor("F32", [0, 3], 4, 4)},
                                               floats[:4])
    yield "spaces", safetensors_file(b"{}      ")
    yield "bad_boolean", safetensors_file({"b": tensor("BOOL", [4], 0, 4)}, floats[:4])
    yield "bad_length", struct.pack("<Q", HUGE) + b"{}"
    yield "bad_length_past_end", struct.pack("<Q", 100) + b"{}"
    yield "bad_shape", safetensors_file({"w": tensor("F32", [2**62, 4], 0, 16)}, floats)
    yield "bad_offsets", safetensors_file({"w": tensor("F32", [4], 0, 2**64 - 1)}, floats)
    yield "bad_backwards", safetensors_file({"w": tensor("F32", [4], 16, 0)}, floats)
    yield "bad_hole", safetensors_file({"w": tensor("F32", [3], 4, 16)}, floats)
    yield "bad_overlap", safetensors_file({"a": tensor("F32", [4], 0, 16), "b": tensor("F32", [2], 8, 16)}, floats)
    yield "bad_twice", safetensors_file(b'{"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},'
                                        b'"w":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}')
    yield "bad_dtype", safetensors_file({"w": tensor("F4", [4], 0, 2)}, b"ab")
    yield "bad_utf8", safetensors_file(b'{"\xff":1}')
    yield "bad_nul", safetensors_file(b"{}\0")
    yield "bad_short", b"\x01\x02"


def weights_index():
    shards = {"w": "a.safetensors", "x": "a.safetensors", "y": "b.safetensors"}
    yield "two", compact({"metadata": {"total_size": 24}, "weight_map": shards})
    yield "one", compact({"weight_map": {"y": "b.safetensors"}})
    for name, path in {"out": "../out.safetensors", "root": "/dev/null", "link": "link.safetensors", "dots": "..",
                       "none": "c.safetensors", "nothing": ""}.items():
        yield f"bad_{name}", compact({"weight_map": shards | {"w": path}})
    yield "bad_number", compact({"weight_map": {"w": 7}})
    yield "bad_tensor", compact({"weight_map": shards | {"z": "b.safetensors"}})
    yield "bad_missing", compact({"weight_map": {"w": "a.safetensors"}})
    yield "bad_empty", compact({"weight_map": {}})


def llmc_model():
    def model(version=3, positions=2, vocabulary=3, layers=1, heads=1, width=2, padded=4, magic=20240326, cut=0):
        elements = (padded + positions) * width + layers * (12 * width * width + 13 * width) + 2 * width
        header = struct.pack("<8i", magic, version, positions, vocabulary, layers, heads, width, padded).ljust(1024, b"\0")
        data = b"".join(struct.pack("<f", i / 8)[2 if version == 5 else 0:] for i in range(min(elements, 1000)))
        return (header + data)[: -cut or None]

    yield "float32", model()
    yield "bfloat16", model(version=5, layers=2, heads=2, width=4)
    yield "bad_cut", model(cut=4)
    yield "bad_magic", model(magic=20240520)
    yield "bad_version", model(version=4)
    yield "bad_negative", model(layers=-1)
    yield "bad_sizes", model(positions=2**31 - 1, vocabulary=2**31 - 1, padded=2**31 - 1, layers=100000, width=2**31 - 1)
    yield "bad_padding", model(vocabulary=9)
    yield "bad_heads", model(heads=3, width=4)
    yield "bad_header", model()[:1000]


def token_file():
    def header(magic, version, count, text_bytes=0):
        return struct.pack("<IIQQQ", magic, version, count, text_bytes, 0).ljust(1024, b"\0")

    ids16, ids32 = struct.pack("<5H", 1, 2, 3, 65535, 0), struct.pack("<3I", 1, 70000, 2)
    yield "raw", ids16
    yield "empty", b""
    yield "uint16", header(20240520, 1, 5, 17) + ids16
    yield "uint32", header(20240801, 7, 3) + ids32
    yield "bad_odd", ids16[:-1]
    yield "bad_count", header(20240520, 1, HUGE) + ids16
    yield "bad_version", header(20240801, 1, 3) + ids32
    yield "bad_cut", header(20240801, 7, 3) + ids32[:-1]
    yield "bad_token", header(20240801, 7, 1) + b"\xff\xff\xff\xff"
    yield "bad_header", header(20240520, 1, 0)[:1000]


def http_request():
    host = "Host: localhost\r\n"
    post = "POST /v1/completions HTTP/1.1\r\n" + host + "Content-Type: application/json\r\n"
    yield "get", "GET /v1/series?run=a%20b&points=10 HTTP/1.1\r\n" + host + "\r\n"
    yield "old", "GET / HTTP/1.0\r\n\r\n"
    yield "post", post + 'Content-Length: 14\r\n\r\n{"prompt": ""}'
    yield "chunks", post + 'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a":\r\n2;x=y\r\n1}\r\n0\r\nT: r\r\n\r\n'
    yield "two", "GET /a HTTP/1.1\r\n" + host + "\r\nHEAD /b HTTP/1.1\r\n" + host + "\r\n"
    yield "bad_percent", "GET /%zz HTTP/1.1\r\n" + host + "\r\n"
    yield "bad_nul", "GET /%00 HTTP/1.1\r\n" + host + "\r\n"
    yield "bad_target", "GET v1 HTTP/1.1\r\n" + host + "\r\n"
    yield "bad_version", "GET / HTTP/2.0\r\n" + host + "\r\n"
    yield "bad_hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n"
    yield "bad_lengths", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    yield "bad_both", post + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "bad_chunk", post + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    yield "bad_header", "GET / HTTP/1.1\r\n" + host + "X: " + "x" * 2000 + "\r\n\r\n"
    yield "bad_body", post + "Content-Length: 999999\r\n\r\n"


def request_body():
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hi \u00e9"}]}]
    yield "chat", compact({"model": "m", "messages": talk, "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "n": 2,
                           "stop": ["a", "b"], "stream": True, "stream_options": {"include_usage": True}, "seed": -1,
                           "logprobs": True, "top_logprobs": 3, "logit_bias": {"5": -100}, "user": "u", "tools": []})
    yield "completion", compact({"prompt": ["a", "b"], "max_tokens": 0, "echo": True, "logprobs": 2, "top_k": 5,
                                 "min_p": 0.1, "repetition_penalty": 1.1, "presence_penalty": 1, "stop": None})
    yield "tokens", compact({"prompt": [[1, 2], [3]], "frequency_penalty": -2})
    yield "bad_role", compact({"messages": [{"role": "tool", "content": "x"}]})
    yield "bad_part", compact({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})
    yield "bad_tools", compact({"messages": talk, "tools": [{"type": "function"}]})
    yield "bad_range", compact({"messages": talk, "temperature": 3})
    yield "bad_field", compact({"prompt": "a", "max_tokenz": 4})
    yield "bad_prompt", compact({"prompt": [1, "a"]})
    yield "bad_json", '{"prompt": "a"'
    yield "bad_twice", '{"prompt": "a", "prompt": "b"}'
    yield "bad_depth", "[" * 10000
    yield "bad_utf8", b'{"prompt": "\xff"}'


def jsonl():
    yield "two", '{"text":"One."}\n{"text":"Two \\u00e9 \\ud83d\\ude00","more":[1,{}]}\n'
    yield "windows", '{"text":"a\\n---\\nb"}\r\n\r\n{"text":""}\r\n{"text":"c"}'
    yield "separators", "first\n---\nsecond\r\n---\r\n"
    yield "bad_field", '{"txt":"a"}\n'
    yield "bad_type", '{"text":["a"]}\n'
    yield "bad_json", '{"text":"a"\n'
    yield "bad_surrogate", '{"text":"\\ud800"}\n'
    yield "bad_utf8", b'{"text":"\xff"}\n'
    yield "bad_nul", '{"text":"a"}\0\n'
    yield "bad_depth", "[" * 500 + "\n"


def prompt():
    yield "empty", ""
    yield "sentence", "The cat's hats (12345 of them) sat.  That's that!\n\nCaf\u00e9\u2026\n"
    yield "special", "<|start|>cat<|endoftext|> <|endofsentence|>\n\n\n<|paragraph|>"
    yield "scripts", "\u4e2d\u6587 \u0416\u0436 \u0663 \u00bd \ud83d\ude00 \u017f\u212a\u3000\u00a0\u0085".encode(
        "utf-16", "surrogatepass").decode("utf-16")
    yield "spaces", "a    b\t\t\r\n\r\n   \n x 1  2"
    yield "bytes", bytes(range(256))
    yield "broken", b"\xe2\x82 \xed\xa0\x80 \xf0\x9f\x98 \xc0\xaf\xef\xbb\xbf\x80"
    yield "long", "ab" * 60 + " " * 70 + "\u00e9" * 50
    yield "numbers", "12 7 33"


# A run.

DIGEST = {"size": 2, "xxh3": "1349cde127705c16"}  # of "{}"


def manifest():
    names = ["config.json", "kiln.json", "model.safetensors", "optimizer.safetensors", "trainer.json"]
    sound = {"format_version": 1, "kiln_version": "0.1.0", "step": 7, "config_xxh3": "0123456789abcdef",
             "files": {name: DIGEST for name in names}}

    def listing(name):
        return compact(sound | {"files": sound["files"] | {name: DIGEST}})

    yield "sound", compact(sound)
    yield "first_format", compact({key: sound[key] for key in ("format_version", "files")})
    yield "roundabout", listing("../checkpoint/config.json")
    yield "bad_out", listing("../out.txt")
    yield "bad_link", listing("link")
    yield "bad_root", listing("/dev/null")
    yield "bad_folder", listing(".")
    yield "bad_long", listing("x" * 300)
    yield "bad_newer", compact(sound | {"format_version": 2})
    yield "bad_step", compact(sound | {"step": -1})
    yield "bad_hash", compact(sound | {"config_xxh3": "g"})
    yield "bad_size", compact(sound | {"files": sound["files"] | {"kiln.json": {"size": HUGE, "xxh3": "0" * 16}}})
    yield "bad_missing", compact(sound | {"files": {}})
    yield "bad_files", compact(sound | {"files": [DIGEST]})


def run_files():
    kiln = {"format_version": 1, "vocab_size": 11, "config": {"name": "x", "model": {"n_layers": 2}}, "directory": "."}
    state = {"step": 7, "tokens": 700, "windows": 3, "seconds": 1.5, "seed": 1337, "threads": 2, "best_loss": 2.5,
             "validation_loss": None, "total_steps": 10}
    row = {"step": 5, "tokens": 50, "seconds": 0.5, "loss": 2.5, "learning_rate": 1e-3, "grad_norm": None,
           "tokens_per_second": 100.0, "validation_loss": None}
    rows = "".join(compact(row | {"step": step}) + "\n" for step in (4, 5, 6))
    yield "kiln", "kiln.json\n" + compact(kiln)
    yield "kiln_bad_vocabulary", "kiln.json\n" + compact(kiln | {"vocab_size": HUGE})
    yield "kiln_bad_config", "kiln.json\n" + compact(kiln | {"config": {"model": {"n_layers": "2"}}})
    yield "kiln_bad_newer", "kiln.json\n" + compact(kiln | {"format_version": 99})
    yield "trainer", "trainer.json\n" + compact(state)
    yield "trainer_bad_step", "trainer.json\n" + compact(state | {"step": -1})
    yield "trainer_bad_seed", "trainer.json\n" + compact(state | {"seed": 2**64})
    yield "metrics", "metrics.jsonl\n" + rows
    yield "metrics_cut_off", "metrics.jsonl\n" + rows[:-5]
    yield "metrics_bad_row", "metrics.jsonl\n" + rows + "{}\n[1]\nnull\n" + rows
    yield "latest", "latest\nstep-00000007\n"
    yield "latest_out", "latest\n../step-00000007\n"
    yield "best", "best\nstep-00000007"
    yield "best_long", "best\nstep-99999999999999999999\n"
    yield "bad_name", "no file of a run"


ZSTD = bytes.fromhex("28b52ffd") + bytes([0x20, 5]) + (5 << 3 | 1).to_bytes(3, "little") + b"Hello"  # one raw block


def compressed():
    member = gzip.compress(b"Hello, hello, hello.", mtime=0)
    yield "gzip", member
    yield "gzip_two", member + gzip.compress(b"", mtime=0)
    yield "gzip_zeros", gzip.compress(bytes(2**20), mtime=0)
    yield "gzip_bad_bomb", gzip.compress(bytes(2**22), mtime=0)
    yield "gzip_bad_cut", member[:-1]
    yield "gzip_bad_checksum", member[:-8] + bytes(8)
    yield "gzip_bad_rest", member + b"more"
    yield "zstd", ZSTD
    yield "zstd_two", ZSTD + ZSTD
    yield "zstd_skipped", bytes.fromhex("502a4d18") + (3).to_bytes(4, "little") + b"abc" + ZSTD
    yield "zstd_bad_cut", ZSTD[:-1]
    yield "zstd_bad_size", ZSTD.replace(bytes([0x20, 5]), bytes([0x20, 6]))
    yield "zstd_bad_window", bytes.fromhex("28b52ffd") + bytes([0x00, 0xF8]) + ZSTD[6:]
    yield "zstd_bad_bomb", bytes.fromhex("28b52ffd0050") + 9 * (2**17 << 3 | 2).to_bytes(3, "little").join((b"", b"a"))
    yield "bad_text", "neither"


def conversations():
    answer = {"role": "assistant", "content": "a"}
    messages = [{"role": "user", "content": [{"type": "text", "text": "é"}]}, answer]
    replies = [{"role": "assistant", "text": "a", "rank": 1, "replies": []},
               {"role": "assistant", "text": "b", "rank": 0, "deleted": True}]
    records = [{"messages": [{"role": "system", "content": "s"}, *messages]},
               {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]},
               {"prompt": "q", "completion": "a"}, {"prompt": messages[:1], "completion": [answer]},
               {"instruction": "i", "input": "x", "output": "o"}, {"instruction": "i", "instances": [{"output": "o"}]},
               {"prompt": {"role": "prompter", "text": "q", "replies": replies}}, {"text": "t"}, {"messages": []}]
    yield "lines", "\n".join(map(compact, records))
    yield "array", compact(records)
    for name, record in (("bad_role", {"messages": [answer | {"role": "x"}]}),
                         ("bad_content", {"messages": [{"role": "user"}]}),
                         ("bad_part", {"messages": [answer | {"content": [{"type": "image"}]}]}),
                         ("bad_calls", {"messages": [answer | {"tool_calls": [1]}]}), ("bad_list", {"messages": {}}),
                         ("bad_rank", {"prompt": {"role": "user", "text": "", "replies": [{"rank": "x"}]}}),
                         ("bad_keys", {"prompt": "q", "chosen": "a"}), ("bad_value", 7)):
        yield name, compact(record)
    yield "array_bad_json", "[{"
    yield "array_bad_nul", "[]\0["
    yield "bad_utf8", b'{"text":"\xff"}'


def chat_template():
    turn = "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    loop, opening = "{% for m in messages %}", "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    chatml = loop + turn + "{% endfor %}" + opening
    yield "chatml", chatml
    yield "chatml_marked", loop + "{% generation %}" + turn + "{% endgeneration %}{% endfor %}" + opening
    yield "chatml_macro", ("{%- macro f(m, n=none) -%}\n" + turn + "\n{%- endmacro -%}\n" + loop +
                           "{{ f(m, n=1) }}{% endfor %}" + opening)
    yield "chatml_careful", ("{%- set ns = namespace(n=0, all=[]) %}{% for m in messages[::1] if m is mapping %}"
                             "{%- set ns.n = ns.n + loop.index0 * 2 // 3 % 5 - -1 %}{% if not m.content is string or "
                             "m['content'] | length > 9999 and 'x' not in m.content.split('y')[-1] %}{% continue %}"
                             "{% elif tools is defined %}{% break %}{% else %}" + turn + "{% endif %}{% endfor %}" + opening)
    yield "llama3", ("{%- for m in messages %}\n  {%- set c = '<|start_header_id|>' ~ m.role ~ '<|end_header_id|>\\n\\n' "
                     "~ m.content | trim ~ '<|eot_id|>' %}\n  {{- ('<|begin_of_text|>' if loop.first else '') + c }}\n"
                     "{%- endfor %}{% if add_generation_prompt %}"
                     "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}\n")
    yield "brackets", ("{% set all = messages[1:] %}" + loop.replace("messages", "all") + "{% if m.role == 'user' %}{{ bos_token ~ "
                       "'[U] ' ~ (messages[0].content if loop.first) ~ m.content.strip() ~ ' [/U]' }}{% else %}"
                       "{{ ' ' + m.content + ' ' + eos_token }}{% endif %}{% endfor %}")
    yield "bad_thoughts", chatml.replace("m.content", "m.content.split('s')[-1]")
    yield "bad_inst", "{{ bos_token }}" + loop + "{{ '[INST] ' ~ m.content ~ ' [/INST]' }}{% endfor %}"
    yield "bad_filters", ("{{ messages | selectattr('role', 'eq', 'user') | list | length }}{{ 'a-b'.split('-', 1) | join }}"
                          "{{ messages[0].items() | first | last | upper | replace('A', \"b\") | default('', true) }}")
    yield "bad_set", "{% set a, b = (1, 2), {'k': [3]} %}{% set c %}{{ a[0] + b.k[-1] }}{% endset %}{{ c ~ 2 * 3 }}"
    yield "bad_endless", "{% for i in range(9999999) %}{{ messages }}{% endfor %}"
    yield "bad_refusal", "{{ raise_exception('no') }}"
    yield "bad_tag", "{% if messages %}{# a #}{{ '\\u00e9\\x41' }"
    yield "bad_end", chatml + "{% endfor %}"


def judgements():
    user, good, bad = ({"role": role, "content": text} for role, text in
                       (("user", "q"), ("assistant", "a"), ("assistant", "b")))
    tree = {"role": "prompter", "text": "q", "replies": [
        {"role": "assistant", "text": "a", "rank": 1, "replies": [{"role": "prompter", "text": "r"}]},
        {"role": "assistant", "text": "b", "rank": 0}, {"role": "assistant", "text": "c", "rank": 1}]}
    own = {"rater": "é", "item": "1f", "pass": 0, "messages": [user],
           "answers": [{"text": "a", "source": "x"}, {"text": "b", "source": "y"}, "c"], "shown": [2, 0, 1]}
    records = [{"prompt": "q", "chosen": "a", "rejected": "b", "margin": 2},
               {"chosen": [user, good], "rejected": [user, bad]},
               {"prompt": "q", "chosen": [user, good], "rejected": [user, bad]},
               {"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"},
               {"prompt": "q", "completion": "a", "label": True}, {"prompt": "q", "completion": "d", "label": False},
               {"query": "q", "sample0": "a", "sample1": "b", "sample2": "c", "best": 1},
               {"instruction": "q", "input": "r", "response1": "a", "response2": "b", "cmp_key": "x_y", "annotator1": 0,
                "annotator2": 2}, {"prompt": tree}, own | {"order": [[1], [0, 2]]}]
    yield "lines", "\n".join(map(compact, records))
    yield "array", compact(records)
    yield "own", "\n".join(map(compact, (own | {"order": [[1]], "rest": [0, 2]}, own | {"pass": 1, "order": [[2]]},
                                         {"rater": "é", "item": "1f", "undo": True}, {"item": "2", "skip": True})))
    yield "edit", compact(own | {"order": [], "rest": [0, 1], "edit": "e"})
    yield "skipped", "\n".join(map(compact, ({"prompt": "q", "chosen": "a", "rejected": " a"},
                                             {"prompt": "q", "answers": []}, {"prompt": "", "chosen": "a", "rejected": "b"})))
    for name, record in (("bad_number", own | {"order": [[3]]}), ("bad_twice", own | {"order": [[0], [0]]}),
                         ("bad_group", own | {"order": [[]]}), ("bad_order", own | {"order": []}),
                         ("bad_shown", own | {"order": [[0]], "shown": [1, 1]}),
                         ("bad_label", {"prompt": "q", "completion": "a", "label": "yes"}),
                         ("bad_best", {"query": "q", "sample0": "a", "best": -1}),
                         ("bad_transcript", {"chosen": "a", "rejected": "b"}),
                         ("bad_annotator", {"instruction": "q", "response1": "a", "response2": "b", "annotator1": 1.5}),
                         ("bad_rank", {"prompt": tree | {"replies": [{"role": "assistant", "text": "", "rank": []}]}}),
                         ("bad_keys", {"text": "t"}), ("bad_value", 7)):
        yield name, compact(record)


TARGETS = (chat_template, compressed, config, conversations, gguf, http_request, jsonl, judgements, llmc_model, manifest,
           model_folder, prompt, request_body, run_files, safetensors, token_file, tokenizer_json, vocab_and_merges,
           weights_index)


def main():
    for target in TARGETS:
        folder = CORPUS / target.__name__
        folder.mkdir(parents=True, exist_ok=True)
        seeds = dict(target())
        for old in folder.iterdir():
            if old.name not in seeds:
                old.unlink()
        for name, content in seeds.items():
            (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


if __name__ == "__main__":
    main()
