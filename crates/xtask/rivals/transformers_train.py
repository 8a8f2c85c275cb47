"""One training step of a family in transformers, compiled (forward, backward, clip, AdamW), beside ours.

    pip install torch transformers
    python transformers_train.py {tiny|mid} {fp32|fp32compile|bf16|bf16compile} [steps] [falcon|mixtral|bert|t5|lstm|gru]

bert: 12 layers of 256 on 128 positions, 15 of 100 rows predicted, and those alone go through the head. t5: 4 + 4 layers of 256, sources of 256
tokens, answers of 64. Their sizes need no name (tiny): of ours

    target/release/examples/step tiny f32 20 bert --layers 12 --context 128 --batch 16
    target/release/examples/step tiny f32 20 t5 --layers 4

lstm and gru are PyTorch's own layers, two of 576, between an embedding and a head of their own (10.0M and 8.7M weights); of ours

    target/release/examples/step tiny f32 20 lstm --width 576 --layers 2

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
from transformers import (  # noqa: E402
    BertConfig, BertForMaskedLM, FalconConfig, FalconForCausalLM, MixtralConfig, MixtralForCausalLM, T5Config,
    T5ForConditionalGeneration,
)

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


def bert(vocabulary, context, width, layers, heads):
    return BertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=12,
            num_attention_heads=heads, max_position_embeddings=128, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, attn_implementation="sdpa",
        )
    )


def t5(vocabulary, context, width, layers, heads):
    return T5ForConditionalGeneration(
        T5Config(
            vocab_size=vocabulary, d_model=width, d_kv=width // heads, d_ff=4 * width, num_layers=4,
            num_decoder_layers=4, num_heads=heads, dropout_rate=0.0, use_cache=False, decoder_start_token_id=0,
        )
    )


class Recurrent(torch.nn.Module):
    """Embedding, two recurrent layers, head."""

    def __init__(self, kind, vocabulary, width=576):
        super().__init__()
        self.tokens = torch.nn.Embedding(vocabulary, width)
        self.layers = kind(width, width, 2, batch_first=True)
        self.head = torch.nn.Linear(width, vocabulary, bias=False)

    def forward(self, ids):
        return self.head(self.layers(self.tokens(ids))[0])


def lstm(vocabulary, context, width, layers, heads):
    return Recurrent(torch.nn.LSTM, vocabulary)


def gru(vocabulary, context, width, layers, heads):
    return Recurrent(torch.nn.GRU, vocabulary)


def recurrent_loss(model, vocabulary):
    """The loss of a batch of which every row is predicted; states begin at zero."""

    def loss_of(ids, targets):
        return torch.nn.functional.cross_entropy(model(ids).view(-1, vocabulary).float(), targets.view(-1))

    return loss_of


def masked_loss(model, vocabulary):
    """The loss of a batch of which 15 in 100 rows are predicted."""

    def loss_of(ids, targets):
        ids, targets = ids.view(-1, 128), targets.view(-1)
        rows = torch.arange(targets.numel() * 15 // 100) * 100 // 15
        hidden = model.bert(input_ids=ids).last_hidden_state.view(targets.numel(), -1)
        return torch.nn.functional.cross_entropy(model.cls(hidden[rows]).float(), targets[rows])

    return loss_of


def pairs_loss(model, vocabulary):
    """The loss of answers a quarter as long as their sources."""

    def loss_of(ids, targets):
        answers = targets.reshape(-1)[: targets.numel() // 4].view(ids.shape[0], -1)
        # Without labels, or transformers computes a loss of its own besides.
        logits = model(input_ids=ids, decoder_input_ids=model._shift_right(answers)).logits
        return torch.nn.functional.cross_entropy(logits.view(-1, vocabulary).float(), answers.reshape(-1))

    return loss_of


def causal_loss(model, vocabulary):
    """The loss of a batch of which every row is predicted."""

    def loss_of(ids, targets):
        logits = model(input_ids=ids).logits
        return torch.nn.functional.cross_entropy(logits.view(-1, vocabulary).float(), targets.view(-1))

    return loss_of


def main():
    name, mode = sys.argv[1], sys.argv[2]
    steps = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    family = sys.argv[4] if len(sys.argv) > 4 else "falcon"
    torch.manual_seed(0)
    vocabulary, context, width, layers, heads, batch = SIZES[name]
    made = {"falcon": falcon, "mixtral": mixtral, "bert": bert, "t5": t5, "lstm": lstm, "gru": gru}[family]
    model = made(vocabulary, context, width, layers, heads).train()
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, fused=True)
    ids, targets = (torch.randint(0, vocabulary, (batch, context)) for _ in range(2))

    losses = {"bert": masked_loss, "t5": pairs_loss, "lstm": recurrent_loss, "gru": recurrent_loss}
    loss_of = losses.get(family, causal_loss)(model, vocabulary)
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
