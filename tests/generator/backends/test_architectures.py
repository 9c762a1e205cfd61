"""Small random models of many architectures: windows, experts, shared keys, recurrent states. Slow, for its number."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from generator.backends.batching import BatchSettings
from generator.backends.loading import ModelSettings
from generator.backends.transformers import TransformersLLM, TransformersSettings
from generator.llm import Message, Request, Sampling
from tests.generator.backends.tiny_model import SOURCES, byte_level, wrap

pytestmark = pytest.mark.slow
_MLA = {"q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16}
_EXPERTS = {"num_experts_per_tok": 2, "moe_intermediate_size": 32}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "Qwen2Config": {},
    "Qwen3Config": {},
    "Qwen3NextConfig": {**_EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 32},
    "Phi3Config": {},
    "GPTNeoXConfig": {},
    "GPT2Config": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 1024},
    "Gemma2Config": {"sliding_window": 16},
    "Gemma3TextConfig": {"sliding_window": 16},
    "Gemma3nTextConfig": {"sliding_window": 16, "num_kv_shared_layers": 2, "vocab_size_per_layer_input": 640},
    "Cohere2Config": {"sliding_window": 16},
    "GptOssConfig": {"sliding_window": 16, "num_local_experts": 4},
    "Llama4TextConfig": {"num_local_experts": 2, "attention_chunk_size": 16},
    "MixtralConfig": {"num_local_experts": 4},
    "DeepseekV3Config": {
        **_MLA, **_EXPERTS, "n_routed_experts": 4, "n_group": 1, "topk_group": 1,
        "num_key_value_heads": 4, "head_dim": 8,
    },
    "Olmo2Config": {},
    "SmolLM3Config": {},
    "GraniteConfig": {},
    "MambaConfig": {"state_size": 8},
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_alone_in_a_batch_and_in_generate(name: str, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    tokenizer = wrap(byte_level())
    shape = {
        "vocab_size": 640, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4, "head_dim": 16,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024, "initializer_range": 0.15,
        "eos_token_id": tokenizer.eos_token_id, "bos_token_id": None, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    torch.manual_seed(0)
    config = getattr(transformers, name)(**{**shape, **ARCHITECTURES[name]})
    model: Any = transformers.AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    settings = ModelSettings(str(tmp_path), device="cpu", dtype="float32")
    llm = TransformersLLM(TransformersSettings(settings, BatchSettings(chunk=16)))

    def write(number: int) -> str:
        sampling = Sampling(float(number % 2), guidance=1.5 if number == 3 and llm._batch.joins else 1.0)
        message = Message("user", "limit " * (number * 5) + "x")
        return "".join(
            llm.generate(Request((message,), 30 + number, SOURCES, bare_question="limit", sampling=sampling))
        )

    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(write, range(6)))
    assert together == [write(number) for number in range(6)]
    free = Request((Message("user", "limit " * 25 + "x"),), 40)
    prompt = llm._prompts.ids(free.messages)
    ids = llm._loaded.model.generate(torch.tensor([prompt]), max_new_tokens=40, do_sample=False)[0, len(prompt) :]
    expected = b"".join(llm._table.spellings[token] for token in ids.tolist()).decode("utf-8", "replace")
    assert "".join(llm.generate(free)).rstrip("\ufffd") == expected.removeprefix(" ").rstrip("\ufffd")
    llm.close()
