"""Small random decoders with real tokenizers and a chat template, saved to disk as any hub model is."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

CHAT_TEMPLATE = (
    "{% for message in messages %}<|start|>{{ message['role'] }}\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant\n{% endif %}"
)
SPECIAL = ["<unk>", "<|start|>", "<|end|>", "<|pad|>"]
SOURCES: dict[int, str] = {
    0: "Sick leave is paid for 20 days a year.",
    1: "The limit for a hotel in London is 165 pounds a night.",
    2: "在宅勤務は週に3日までとする。申請は前日の17時までに行う。",
    12: 'The "green" form [2] goes to the office; see [12] and "Annex 4" (page 7).',
    120: "通信費として月額2000円を支給する。😀 Zürich – naïve café",
    7: '"',
    33: "",
    41: "Receipts must be handed in within 30 days of the end of the trip. " * 8,
    5: "two\nlines of [text]",
}
_CORPUS = [
    *SOURCES.values(),
    'The limit in London is 165 pounds. [4 "limit for a hotel"] It holds (see [12]).[1] Then [120 "a night"]. [3]',
    'Each parent gets 45 working days of paid parental leave. [1 "45 working days"]\nApply before it starts. [2]',
    '在宅勤務は週に3日まで。[2 "週に3日まで"]\n申請は前日までに行う。[12]「第5条」による。[1]',
    "Nothing was found about that. The office is open from Monday to Friday, 8 a.m. to 5 p.m.",
]


def byte_level() -> Tokenizer:
    """As Llama 3 and Qwen have: tokens are fragments of UTF-8."""
    tokenizer = Tokenizer(models.BPE())
    # One piece per run of words and signs, so that tokens such as ").[1" and ' ["' come about
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r" ?[A-Za-z]+|[^A-Za-z]{1,6}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIAL,
        show_progress=False,
        max_token_length=12,
    )
    tokenizer.train_from_iterator(_CORPUS * 4, trainer)
    return tokenizer


def sentencepiece_like() -> Tokenizer:
    """As Llama 2 and Gemma have: ▁ for a space, <0xE3> for the bytes of what has no token of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=True)
    trainer = trainers.BpeTrainer(
        vocab_size=350, limit_alphabet=90, special_tokens=SPECIAL, show_progress=False, max_token_length=10
    )
    tokenizer.train_from_iterator(_CORPUS * 4, trainer)
    model: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    vocab: dict[str, int] = model["vocab"]
    for char in '[]" 0123456789'.replace(" ", "▁"):
        vocab.setdefault(char, len(vocab))
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    merges = [(left, right) for left, right in model["merges"]]
    rebuilt = Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    rebuilt.add_special_tokens(SPECIAL)
    rebuilt.pre_tokenizer = tokenizer.pre_tokenizer
    rebuilt.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return rebuilt


TOKENIZERS = {"byte_level": byte_level, "sentencepiece": sentencepiece_like}


def wrap(tokenizer: Tokenizer, chat_template: str | None = CHAT_TEMPLATE) -> PreTrainedTokenizerFast:
    """The tokenizer as transformers has it."""
    wrapped = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|pad|>", unk_token="<unk>"
    )
    wrapped.add_special_tokens({"additional_special_tokens": ["<|start|>"]})
    wrapped.chat_template = chat_template
    return wrapped


def build(
    folder: Path,
    kind: str = "byte_level",
    favoured: Mapping[str, float] | None = None,
    chat_template: str | None = CHAT_TEMPLATE,
    sliding_window: int | None = None,
    seed: int = 0,
) -> Path:
    """Saves a model; `favoured` adds to the logit of every token that contains one of these strings.

    Llama's output layer has no bias. Dimension 0 stands in for one: it is large and the same in all embeddings and no
    layer writes to it, so after the last norm column 0 of the output layer adds nearly a constant to each logit.
    """
    tokenizer = wrap(TOKENIZERS[kind](), chat_template)
    shape: dict[str, Any] = {
        "vocab_size": -(-len(tokenizer) // 64) * 64,  # wider than the vocabulary, as real ones are
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.08,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
        "pad_token_id": tokenizer.pad_token_id,
    }
    torch.manual_seed(seed)
    model: Any
    if sliding_window is None:
        model = LlamaForCausalLM(LlamaConfig(**shape))
    else:
        model = MistralForCausalLM(MistralConfig(**shape, sliding_window=sliding_window))
    with torch.no_grad():
        model.model.embed_tokens.weight.normal_(std=1.0)[:, 0] = 8.0
        model.lm_head.weight.normal_(std=0.2)
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight *= 4.0  # so that what was read matters
            layer.self_attn.q_proj.weight *= 4.0
            layer.self_attn.o_proj.weight[0] = 0.0
            layer.mlp.down_proj.weight[0] = 0.0
        constant = 3.6  # measured: dimension 0 is 2.9 to 4.2 after the last norm
        bias = model.lm_head.weight[:, 0].zero_()
        for text, token in tokenizer.get_vocab().items():
            for part, strength in (favoured or {}).items():
                if part in text:
                    bias[token] += strength / constant
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
