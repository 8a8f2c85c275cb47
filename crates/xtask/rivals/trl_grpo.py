"""GRPO of TRL on a model folder of ours: tokens/s of its rollouts, and seconds of a whole step, beside ours.

    pip install torch transformers==5.24.0 trl==1.16.0 datasets
    python trl_grpo.py MODEL PROMPTS.jsonl [answers] [steps] [max_tokens]

Prompts are records of ours (`prompt`: text or turns). Ours for the same sizes: rollouts are `nuwa generate MODEL --prompts FILE --temperature 1 --top-p 1 --max-tokens N`, and a step is

    nuwa grpo MODEL --prompts PROMPTS.jsonl --rule exact --max-tokens N --rounds STEPS --set grpo.rollouts.answers=ANSWERS
        --set grpo.rollouts.epochs=1 --set grpo.rollouts.minibatches=1 --out DIR
"""

import json
import os
import statistics
import sys
import tempfile
import time

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
from datasets import Dataset  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback  # noqa: E402
from trl import GRPOConfig, GRPOTrainer  # noqa: E402


class Clock(TrainerCallback):
    """Seconds of each optimizer step, with the rollouts before it."""

    def __init__(self):
        self.seconds = []

    def on_step_begin(self, *_args, **_kwargs):
        self.start = time.perf_counter()

    def on_step_end(self, *_args, **_kwargs):
        self.seconds.append(time.perf_counter() - self.start)


def prompts(path, count):
    records = [json.loads(line) for line in open(path, encoding="utf-8")][:count]
    turns = [record["prompt"] for record in records]
    return [[{"role": "user", "content": own}] if isinstance(own, str) else own for own in turns]


def rollouts(model, tokenizer, asked, most):
    tokenizer.padding_side = "left"
    texts = [tokenizer.apply_chat_template(own, tokenize=False, add_generation_prompt=True) for own in asked]
    batch = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
    batch.pop("token_type_ids", None)
    speeds = []
    for _ in range(4):
        start = time.perf_counter()
        with torch.no_grad():
            written = model.generate(**batch, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=most,
                                     pad_token_id=tokenizer.pad_token_id)
        new = written[:, batch["input_ids"].shape[1]:]
        tokens = int((new != tokenizer.pad_token_id).sum())
        speeds.append(tokens / (time.perf_counter() - start))
    return statistics.median(speeds[1:])


def main():
    folder, path = sys.argv[1:3]
    answers, steps, most = (int(word) for word in (sys.argv[3:] + ["64", "8", "37"][len(sys.argv) - 3:]))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    asked = prompts(path, 400)
    speed = rollouts(model, tokenizer, (asked * answers)[:answers], most)
    print(f"rollouts {speed:.0f} tokens/s", flush=True)
    settings = GRPOConfig(
        output_dir=tempfile.mkdtemp(), per_device_train_batch_size=answers, num_generations=8, max_steps=steps,
        max_completion_length=most, learning_rate=3e-4, beta=0.02, temperature=1.0, bf16=False, use_cpu=True,
        report_to=[], save_strategy="no", logging_steps=1, gradient_checkpointing=False,
    )
    clock = Clock()
    trainer = GRPOTrainer(
        model=model, reward_funcs=lambda completions, **_: [float(len(str(own)) % 2) for own in completions],
        args=settings, train_dataset=Dataset.from_list([{"prompt": own} for own in asked]), processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()
    print(f"step {statistics.median(clock.seconds[2:]):.3f} s for {answers} answers")


if __name__ == "__main__":
    main()
