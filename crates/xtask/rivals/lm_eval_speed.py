"""lm-evaluation-harness beside `nuwa eval`: seconds and scores of the same task files on the same model, in turn.

    pip install torch transformers==5.24.0 lm_eval==0.4.13
    python lm_eval_speed.py NUWA DATA WORK [rounds] [group ...]

NUWA is the program; DATA a folder with arc_easy.jsonl (`query`, `choices`, `gold`), arc_challenge_val.jsonl (`question`,
`choices` as at the Hub, `answerKey`), mmlu_dev.jsonl and mmlu_val.jsonl (`question`, `subject`, `choices`, `answer`), and a
tokenizer in DATA/gpt2 (encoder.json, vocab.bpe); WORK a folder for the model (LLaMA, 30M random weights, f32),
the task files and what both give. Each program is timed as a whole, with its start and the reading of the model.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "true"

TASKS = {
    # name, shots, items
    "arc_easy": (0, 200),
    "arc_challenge": (25, 30),
    "mmlu": (5, 100),
}


def model(folder, tokenizer):
    """A LLaMA of 30M random weights with GPT-2's tokenizer."""
    if (folder / "model.safetensors").exists():
        return
    import torch
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50257,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=6,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=50256,
        eos_token_id=50256,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    bytes_and_merges = ByteLevelBPETokenizer(str(tokenizer / "encoder.json"), str(tokenizer / "vocab.bpe"))
    end = "<|endoftext|>"
    bytes_and_merges.add_special_tokens([end])
    PreTrainedTokenizerFast(tokenizer_object=bytes_and_merges._tokenizer, eos_token=end).save_pretrained(folder)


def rows(path):
    with open(path) as lines:
        return [json.loads(line) for line in lines]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


def task_files(work, data):
    """Task files whose documents and examples are local files."""
    easy = rows(data / "arc_easy.jsonl")
    write(work / "arc_easy.jsonl", easy[: TASKS["arc_easy"][1]])
    challenge = rows(data / "arc_challenge_val.jsonl")
    items = TASKS["arc_challenge"][1]
    write(work / "arc_challenge.jsonl", challenge[:items])
    write(work / "arc_challenge_examples.jsonl", challenge[items:])
    # Whole subjects, as the leaderboard has them: examples before the items of a subject are the same.
    mmlu = rows(data / "mmlu_val.jsonl")
    subjects = {}
    for record in mmlu:
        subjects.setdefault(record["subject"], []).append(record)
    asked = 0
    for subject in sorted(subjects):
        if asked >= TASKS["mmlu"][1]:
            del subjects[subject]
        else:
            asked += len(subjects[subject])
    examples = {}
    for record in rows(data / "mmlu_dev.jsonl"):
        examples.setdefault(record["subject"], []).append(record)
    common = "metric_list:\n  - metric: acc\n    aggregation: mean\n    higher_is_better: true\nmetadata:\n  version: 1.0\n"

    def local(name, fewshot):
        files = f"    test: {work}/{name}.jsonl\n"
        files += f"    train: {work}/{name}_examples.jsonl\n" if fewshot else ""
        split = "fewshot_split: train\n" if fewshot else ""
        return f"dataset_path: json\ndataset_kwargs:\n  data_files:\n{files}test_split: test\n{split}output_type: multiple_choice\n"

    (work / "arc_easy.yaml").write_text(
        "task: own_arc_easy\n" + local("arc_easy", False)
        + 'doc_to_text: "{{query}}"\ndoc_to_target: gold\ndoc_to_choice: choices\n' + common
    )
    (work / "arc_challenge.yaml").write_text(
        "task: own_arc_challenge\nnum_fewshot: 25\n" + local("arc_challenge", True)
        + 'doc_to_text: "Question: {{question}}\\nAnswer:"\ndoc_to_target: "{{choices.label.index(answerKey)}}"\n'
        + 'doc_to_choice: "{{choices.text}}"\n' + common
    )
    names = []
    for subject, records in subjects.items():
        name = f"mmlu_{subject}"
        write(work / f"{name}.jsonl", records)
        write(work / f"{name}_examples.jsonl", examples[subject])
        (work / f"{name}.yaml").write_text(
            f"task: own_{name}\nnum_fewshot: 5\n" + local(name, True) + "fewshot_config:\n  sampler: first_n\n"
            + f'description: "The following are multiple choice questions (with answers) about {subject.replace("_", " ")}.\\n\\n"\n'
            + 'doc_to_text: "{{question.strip()}}\\nA. {{choices[0]}}\\nB. {{choices[1]}}\\nC. {{choices[2]}}\\nD. {{choices[3]}}\\nAnswer:"\n'
            + 'doc_to_choice: ["A", "B", "C", "D"]\ndoc_to_target: answer\n' + common
        )
        names.append(name)
    return {"arc_easy": ["arc_easy"], "arc_challenge": ["arc_challenge"], "mmlu": names}


def harness(folder, work, names):
    """Runs in a process of its own: prints the mean accuracy and the seconds of the evaluation alone."""
    code = f"""
import json, time, sys
from lm_eval import simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
model = HFLM(pretrained={str(folder)!r}, device="cpu", dtype="float32", batch_size=8, max_length=4096)
names = {["own_" + name for name in names]!r}
manager = TaskManager(include_path={str(work)!r}, include_defaults=False)
start = time.perf_counter()
found = simple_evaluate(model, tasks=names, task_manager=manager, bootstrap_iters=0, log_samples=False)
seconds = time.perf_counter() - start
print("FOUND", json.dumps({{"seconds": seconds, "acc": {{n: found["results"][n]["acc,none"] for n in names}}}}))
"""
    start = time.perf_counter()
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    whole = time.perf_counter() - start
    lines = [line for line in out.stdout.splitlines() if line.startswith("FOUND")]
    if not lines:
        sys.exit(out.stderr[-3000:])
    found = json.loads(lines[0][6:])
    return whole, found["seconds"], found["acc"]


def ours(nuwa, folder, work, names):
    tasks = [part for name in names for part in ("--task", str(work / f"{name}.yaml"))]
    start = time.perf_counter()
    out = subprocess.run([nuwa, "eval", str(folder), *tasks, "--json"], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if out.returncode:
        sys.exit(out.stderr[-3000:])
    (work / "ours.json").write_text(out.stdout)
    return seconds, json.loads(out.stdout)


def accuracies(record):
    """The accuracy of each task in our record."""
    return {name: task["metrics"]["acc"]["value"] for name, task in record["tasks"].items()}


def main():
    nuwa, data, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 2
    work.mkdir(parents=True, exist_ok=True)
    folder = work / "model"
    model(folder, data / "gpt2")
    groups = task_files(work, data)
    wanted = sys.argv[5:] or list(groups)
    for group, names in groups.items():
        if group not in wanted:
            continue
        theirs, alone, own = [], [], []
        for _ in range(rounds):
            whole, seconds, accuracy = harness(folder, work, names)
            theirs.append(whole)
            alone.append(seconds)
            seconds, record = ours(nuwa, folder, work, names)
            own.append(seconds)
        mine = accuracies(record)
        differ = {n: (a, mine.get(n)) for n, a in accuracy.items() if mine.get(n) is None or abs(mine[n] - a) > 1e-9}
        middle = statistics.median
        print(
            f"{group}: harness {middle(theirs):.1f} s ({middle(alone):.1f} s evaluating), nuwa {middle(own):.1f} s, "
            f"{middle(theirs) / middle(own):.1f} times ({middle(alone) / middle(own):.1f}); scores that differ: {differ or 'none'}",
            flush=True,
        )


main()
