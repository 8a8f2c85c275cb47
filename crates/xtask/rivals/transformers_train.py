"""One training step of a family in transformers, compiled (forward, backward, clip, AdamW), beside ours.

    pip install torch transformers
    python transformers_train.py {tiny|mid} {fp32|fp32compile|bf16|bf16compile} [steps] [falcon|mixtral]

falcon: parallel blocks, one norm, one head of keys and values, rotary positions, exact GELU, tied head. mixtral: eight experts, of which a token
meets two, each half as wide as LLaMA's layer at this size. Sizes are those of the
example `step` of nuwa-train, of which it prints the same figures: run both in turn on one core each,

    RAYON_NUM_THREADS=1 taskset -c 1 target/release/examples/step tiny f32 20 falcon
    OMP_NUM_THREADS=1 taskset -c 1 python crates/xtask/rivals/transformers_train.py tiny fp32compile 20 falcon
"""

import os
import resource
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from transformers import FalconConfig, FalconForCausalLM, MixtralConfig, MixtralForCausalLM  # noqa: E402

SIZES = {"tiny": (4096, 256, 256, 6, 8, 8), "mid": (8192, 512, 512, 8, 8, 4)}


def falcon(vocabulary, context, width, layers, heads):
    return FalconForCausalLM(
        FalconConfig(
            vocab_size=vocabulary, hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads,
            max_position_embeddings=context, use_cache=False, attn_implementation="sdpa",
        )
    )


def mixtral(vocabulary, context, width, layers, heads):
    gated = (8 * width // 3 + 63) // 64 * 64  # of a LLaMA of this width
    return MixtralForCausalLM(
        MixtralConfig(
            vocab_size=vocabulary, hidden_size=width, intermediate_size=gated // 2, num_hidden_layers=layers,
            num_attention_heads=heads, num_key_value_heads=heads // 2, num_local_experts=8, num_experts_per_tok=2,
            max_position_embeddings=context, use_cache=False, attn_implementation="sdpa", tie_word_embeddings=True,
        )
    )


def main():
    name, mode = sys.argv[1], sys.argv[2]
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    family = sys.argv[4] if len(sys.argv) > 4 else "falcon"
    torch.manual_seed(0)
    vocabulary, context, width, layers, heads, batch = SIZES[name]
    model = {"falcon": falcon, "mixtral": mixtral}[family](vocabulary, context, width, layers, heads).train()
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    ids, targets = (torch.randint(0, vocabulary, (batch, context)) for _ in range(2))

    def loss_of(ids, targets):
        logits = model(input_ids=ids).logits
        return torch.nn.functional.cross_entropy(logits.view(-1, vocabulary).float(), targets.view(-1))

    run = torch.compile(loss_of) if mode.endswith("compile") else loss_of
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode.startswith("bf16")):
            loss = run(ids, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - start)
    times = sorted(times[3:])
    median = times[len(times) // 2]
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(
        f"{family} {name} {mode} {millions:.1f}M loss {loss.item():.4f} median {median * 1e3:.1f} ms"
        f" tok/s {batch * context / median:.0f} rss {rss:.2f} GB"
    )


if __name__ == "__main__":
    main()
