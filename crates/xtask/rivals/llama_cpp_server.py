"""llama.cpp's own server (the one of `llama-server`, with as many slots as asked), through xllamacpp, for `cargo xtask bench serve --rival`.

    pip install xllamacpp
    python llama_cpp_server.py FILE.gguf SLOTS CONTEXT THREADS

Prints its address on the first line of its output and serves until it is killed. CONTEXT is that of one slot.
"""

import sys
import time

import xllamacpp


def main():
    file, slots, context, threads = sys.argv[1], *map(int, sys.argv[2:5])
    params = xllamacpp.CommonParams()
    params.model.path = file
    params.n_parallel = slots
    params.n_ctx = slots * context
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cont_batching = True
    params.n_gpu_layers = 0
    params.port = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
