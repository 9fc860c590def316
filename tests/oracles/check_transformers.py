"""Holds kiln to transformers: its checkpoints loaded there as they lie, and models made there read by kiln.

    check_transformers.py KILN        # the program; trains small models on data/tales.txt in a temporary folder

Needs transformers with PyTorch, which the test suite does without (check_exports.py stands in). For every model: each
token's probability at every position, the ids and the text of some strings, and what it says greedily. For reward
models: the scores of some answers, one by one and in a padded batch; with PEFT, also of adapters over their base.
Prints what was compared; exits 1 where something differs.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import tokenizers
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

try:
    import peft
except ImportError:
    peft = None

from model_files import need

TALES = Path(__file__).resolve().parents[2] / "data" / "tales.txt"
TOLERANCE = 2e-5  # of a logarithm: both sum in float, from the same weights
TEXTS = [
    "Once there lived a young blacksmith, who split logs.",
    "  Two spaces, a\ttab,\n\n\nthree line ends   ",
    "12345 + 678 = 13023; it's, we'll, I'D",
    "Gr\u00fc\u00dfe, \u4f60\u597d, \u0434\u0430, \U0001f642!",
    "<|endoftext|> written out",
    "The old smith said: I was here before you were.\n",
]
BPE = {"type": "bpe", "vocab_size": 400, "special_tokens": ["<|endoftext|>"]}
GPT2 = {"n_layers": 2, "d_model": 48, "n_heads": 4, "n_ctx": 64}
LLAMA = {**GPT2, "activation": "swiglu", "norm": "rmsnorm", "position": "rope", "bias": False, "n_kv_heads": 2}
TRAINED = {  # tokenizer and model of the runs that transformers is to load
    "gpt2": (BPE, GPT2),
    "gpt2, gelu_new, untied, without biases": (
        {**BPE, "pattern": "cl100k"}, {**GPT2, "activation": "gelu_new", "tie_embeddings": False, "bias": False}),
    "gpt2, characters": ({"type": "char", "special_tokens": ["<|endoftext|>"]}, {**GPT2, "activation": "relu"}),
    "gpt2, bytes": ({"type": "byte"}, GPT2),
    "llama": (BPE, {**LLAMA, "tie_embeddings": True}),
    "llama, untied, theta 300, heads of 6": (BPE, {**LLAMA, "tie_embeddings": False, "rope_theta": 300, "d_head": 6}),
}
REWARDS = {  # reward models: the language model of TRAINED that each begins as, and its adapters
    "gpt2, reward": ("gpt2", None),
    "gpt2, bytes, reward": ("gpt2, bytes", None),
    "llama, reward": ("llama", None),
    "gpt2, reward, adapters": ("gpt2", {"rank": 4}),
    "llama, untied, reward, adapters": ("llama, untied, theta 300, heads of 6", {"rank": 4, "rslora": True}),
}
PROMPT = "Which letter?"
ANSWERS = [
    "a", "b", "bad cab", "abba\nabba", "12345", "Gr\u00fc\u00dfe, \u4f60\u597d!", "\u00ff and \u00fe",
    "A longer one pads all others.",
]
MARKS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = ("{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}{{ (message['content'] | trim) + "
          "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
SMALL = {"vocab_size": 400, "bos_token_id": 0, "eos_token_id": 0}
GPT2_MADE = {**SMALL, "n_positions": 64, "n_embd": 48, "n_layer": 2, "n_head": 4, "initializer_range": 0.2}
LLAMA_MADE = {
    **SMALL, "max_position_embeddings": 64, "hidden_size": 48, "intermediate_size": 112, "num_hidden_layers": 2,
    "num_attention_heads": 4, "initializer_range": 0.2,
}
MADE = {  # the models that kiln is to read, by their class: config's class, config, type, size of a shard
    "GPT2LMHeadModel": ("GPT2", GPT2_MADE, torch.float32, "5GB"),
    "GPT2LMHeadModel, untied, gelu": (
        "GPT2", {**GPT2_MADE, "tie_word_embeddings": False, "activation_function": "gelu"}, torch.float32, "5GB"),
    "LlamaForCausalLM, in shards": ("Llama", {**LLAMA_MADE, "num_key_value_heads": 2}, torch.float32, "50KB"),
    "LlamaForCausalLM, bf16, tied, theta 500": (
        "Llama",
        {**LLAMA_MADE, "tie_word_embeddings": True, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        torch.bfloat16, "5GB"),
    "GPT2ForSequenceClassification": ("GPT2", {**GPT2_MADE, "num_labels": 1, "pad_token_id": 0}, torch.float32, "5GB"),
    "LlamaForSequenceClassification, bf16, in shards": (
        "Llama", {**LLAMA_MADE, "num_labels": 1, "pad_token_id": 0}, torch.bfloat16, "50KB"),
}


class Kiln:
    def __init__(self, path):
        self.path = str(Path(path).resolve())

    def __call__(self, *arguments, text=None):
        command = [self.path, *map(str, arguments)]
        done = subprocess.run(command, input=text.encode() if text is not None else None, capture_output=True)
        need(done.returncode == 0, f"kiln {' '.join(command[1:3])}: {done.stderr.decode()}")
        return done.stdout.decode()

    def train(self, folder, tokenizer, model):
        data = {"train": [str(TALES)], "document_separator": "<|endoftext|>"}
        return self.run(folder, {"tokenizer": tokenizer, "data": data, "model": model})

    def train_reward(self, folder, tokenizer, model, lora):
        """A checkpoint of a reward model, or of adapters, that began as a language model; a's make answers better."""
        folder.mkdir()
        pairs = [{"prompt": PROMPT, "chosen": f"{i} {'a' * (1 + i % 5)}", "rejected": f"b {i}"} for i in range(60)]
        for kind, some in (("judged", pairs), ("held_out", pairs[::6])):
            (folder / f"{kind}.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in some))
        config = {
            "init_from": str(self.train(folder / "base", tokenizer, model)),
            "chat": {"template": "chatml"},
            "data": {"train": [str(folder / "judged.jsonl")], "validation": [str(folder / "held_out.jsonl")]},
            "objective": {"type": "reward"},
        }
        return self.run(folder / "reward", config | ({"lora": lora} if lora else {}), steps=20, eval_every=20)

    def run(self, folder, config, **changes):
        folder.mkdir()
        train = {"steps": 200, "batch_size": 4, "eval_every": 0, "checkpoint_every": 0, "precision": "fp32"}
        config = {**config, "train": {**train, **changes}}
        (folder / "config.json").write_text(json.dumps(config))
        self("train", folder / "config.json", "--run", folder / "run", "--quiet")
        checkpoints = folder / "run" / "checkpoints"
        return checkpoints / (checkpoints / "latest").read_text().strip()


def compare_ids(kiln, folder, tokenizer):
    known = json.loads((folder / "tokenizer.json").read_text())
    by_character = known["decoder"]["type"] == "Fuse"  # and no other character can be encoded
    texts = [text for text in TEXTS if not by_character or set(text) <= set(known["model"]["vocab"])]
    for text in texts:
        ours = json.loads(kiln("tokenizer", "encode", "--tokenizer", folder, "--json", text=text))
        theirs = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
        need(ours == theirs, f"ids of {text!r}: {ours}, {theirs} in transformers")
        decoded = tokenizer.decode(theirs, clean_up_tokenization_spaces=False)
        back = kiln("tokenizer", "decode", "--tokenizer", folder, "--json", text=json.dumps(ours))
        need(decoded.rstrip("\n") == back.rstrip("\n"), f"text of {ours}: {back!r}, {decoded!r} in transformers")
    return len(texts)


def compare_probabilities(kiln, folder, model, ids, text):
    """The largest difference of a log probability, and of how many."""
    predictions = json.loads(kiln("inspect", folder, "--prompt", text, "--top", 100000, "--json"))
    with torch.no_grad():
        logs = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    need(len(predictions) == len(ids) - 1 > 0, f"{len(ids)} ids, {len(predictions)} predictions")
    largest = 0.0
    for row, prediction, came in zip(logs, predictions, ids[1:]):
        need(prediction["token"]["id"] == came, "the predictions are of other ids")
        need(len(prediction["top"]) == len(row), f"{len(prediction['top'])} tokens, {len(row)} in transformers")
        for entry in prediction["top"]:
            ours = torch.tensor(entry["probability"], dtype=torch.double).log()
            largest = max(largest, abs(ours - row[entry["token"]["id"]]).item())
    return largest, logs[:-1].numel()


def compare(kiln, folder):
    """kiln and transformers on one folder; says what was compared."""
    model, loading = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    left = {name: keys for name, keys in loading.items() if keys}
    need(not left, f"tensors left over or missing: {left}")
    model.eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = compare_ids(kiln, folder, tokenizer)
    prompt = TEXTS[0]
    ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    largest, compared = compare_probabilities(kiln, folder, model, ids, prompt)
    need(largest < TOLERANCE, f"log probabilities differ by up to {largest}")
    prompt = "Once there"
    inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
    generated = model.generate(**inputs, max_new_tokens=20, do_sample=False)
    news = generated[0, inputs["input_ids"].shape[1] :]
    theirs = tokenizer.decode(news, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    ours = kiln("sample", folder, "--prompt", prompt, "--greedy", "--max-tokens", 20)
    need(ours.rstrip("\n") == theirs.rstrip("\n"), f"greedily: {ours!r}, {theirs!r} in transformers")
    return f"{type(model).__name__}, {type(tokenizer).__name__}: {compared} log probabilities within {largest:.1e}, " \
           f"{texts} texts' ids, a greedy text"


def load_scoring(folder, **options):
    """A reward model, of which every tensor must be there, and no other; the head of a base may be missing."""
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, **options)
    left = {name: keys for name, keys in loading.items() if keys}
    if options:  # the base of adapters
        left = {name: keys for name, keys in left.items() if not set(keys) <= {"score.weight", "lm_head.weight"}}
    need(not left, f"tensors left over or missing: {left}")
    return model


def score_differences(model, tokenizer, texts, scores):
    """The largest difference of a score, one text at a time and all in a batch."""
    model.eval()
    with torch.no_grad():
        alone = [model(**tokenizer(text, return_tensors="pt")).logits[0, 0] for text in texts]
        together = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits[:, 0]
    scores = torch.tensor(scores)
    return max((torch.stack(alone) - scores).abs().max().item(), (together - scores).abs().max().item())


def compare_scores(kiln, scratch, folder, model):
    """kiln on one folder and transformers or PEFT on the model that it holds; says what was compared."""
    merged, answers, scored = (scratch / name for name in ("merged", "answers.jsonl", "scored.jsonl"))
    answers.write_text(json.dumps({"prompt": PROMPT, "answers": [{"text": text} for text in ANSWERS]}) + "\n")
    kiln("score", folder, "--data", answers, "--output", scored, "--precision", "fp32", "--quiet")
    kiln("export", folder, "--to", "hf", "--output", merged)
    config = json.loads((merged / "config.json").read_text())
    scale = config.get("kiln_rewards", {"mean": 0, "deviation": 1})
    read = json.loads(scored.read_text())
    scores = [answer["score"] * scale["deviation"] + scale["mean"] for answer in read["answers"]]
    tokenizer = AutoTokenizer.from_pretrained(merged)
    tokenizer.pad_token_id = model.config.pad_token_id = config["pad_token_id"]
    talks = [[*read["messages"], {"role": "assistant", "content": answer["text"]}] for answer in read["answers"]]
    texts = [tokenizer.apply_chat_template(talk, tokenize=False).removesuffix("\n") for talk in talks]
    need(len(texts) == len(ANSWERS), f"{len(texts)} answers were scored")
    largest = max(score_differences(each, tokenizer, texts, scores) for each in (model, load_scoring(merged)))
    need(largest < TOLERANCE, f"scores differ by up to {largest}")
    return f"{type(model).__name__}, {type(tokenizer).__name__}: {len(texts)} scores from {min(scores):.3f} to " \
           f"{max(scores):.3f} within {largest:.1e}, also after kiln export"


def load_adapters(folder):
    """Adapters over their base, which gets rows for the chat template's tokens first."""
    config = json.loads((folder / "adapter_config.json").read_text())
    base = load_scoring(config["base_model_name_or_path"], num_labels=1)
    base.resize_token_embeddings(len(AutoTokenizer.from_pretrained(folder)))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*missing adapter keys")
        return peft.PeftModel.from_pretrained(base, folder)


def check_reward(kiln, folder, base, lora):
    checkpoint = kiln.train_reward(folder, *TRAINED[base], lora)
    return compare_scores(kiln, folder, checkpoint, load_adapters(checkpoint) if lora else load_scoring(checkpoint))


def check_made(kiln, folder, name, case):
    made = make(folder / "made", name.split(",")[0], *case)
    if "SequenceClassification" in name:
        return compare_scores(kiln, folder, made, load_scoring(made))
    return compare(kiln, made)


def make(folder, kind, config_kind, config, dtype, shard):
    """A model with random weights, and a tokenizer that the tokenizers library has trained, saved by transformers."""
    torch.manual_seed(1)
    scores = kind.endswith("ForSequenceClassification")
    model = getattr(transformers, kind)(getattr(transformers, config_kind + "Config")(**config))
    for name, parameter in model.named_parameters():  # biases and norms start alike, which would hide their places
        if parameter.dim() == 1:
            torch.nn.init.normal_(parameter, 1.0 if "weight" in name else 0.0, 0.2)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard)
    bpe = tokenizers.ByteLevelBPETokenizer()
    bpe.train([str(TALES)], vocab_size=400, special_tokens=MARKS if scores else MARKS[:1], show_progress=False)
    bpe.save(str(folder / "plain.json"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(folder / "plain.json"),
                                                     bos_token="<|endoftext|>", eos_token="<|endoftext|>")
    if scores:
        tokenizer.chat_template = CHATML
    (folder / "plain.json").unlink()
    tokenizer.save_pretrained(folder)
    return folder


def main():
    kiln = Kiln(sys.argv[1])
    print(f"transformers {transformers.__version__}, tokenizers {tokenizers.__version__}, PyTorch {torch.__version__}, "
          f"{'PEFT ' + peft.__version__ if peft else 'no PEFT, so no adapters'}")
    failures = 0
    with tempfile.TemporaryDirectory(prefix="kiln-transformers-") as scratch:
        cases = [(name, lambda folder, case=case: compare(kiln, kiln.train(folder, *case)))
                 for name, case in TRAINED.items()]
        cases += [(name, lambda folder, name=name, case=case: check_made(kiln, folder, name, case))
                  for name, case in MADE.items()]
        cases += [(name, lambda folder, case=case: check_reward(kiln, folder, *case))
                  for name, case in REWARDS.items() if peft or not case[1]]
        for number, (name, check) in enumerate(cases):
            try:
                print(f"{name}: {check(Path(scratch) / str(number))}", flush=True)
            except Exception as error:  # the next model is another matter
                failures += 1
                print(f"{name}: FAILED: {error}", flush=True)
                if not isinstance(error, ValueError):
                    traceback.print_exc(file=sys.stdout)
    sys.exit(f"{failures} of {len(cases)} failed" if failures else 0)


if __name__ == "__main__":
    main()
