"""The steps of `nuwa-clean`'s example `same_steps` in datatrove: `cargo xtask bench clean --against` runs this in turn with it.

Run:   python crates/xtask/rivals/datatrove_clean.py DOCUMENTS OUT WORKERS
       DOCUMENTS is a folder of JSON lines with `id` and `text`, OUT one that does not exist yet.
Prints one JSON object: the version, and seconds, bytes, documents and kept ones of the two chains.
Needs: datatrove 0.10 with ftfy, nltk, spacy, regex, orjson, tokenizers and xxhash below 4; no network.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (MinhashConfig, MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter,
                                      MinhashDedupSignature)
from datatrove.pipeline.filters import (C4QualityFilter, FineWebQualityFilter, GopherQualityFilter,
                                        GopherRepetitionFilter)
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter


def writer(folder):
    return JsonlWriter(str(folder), compression=None)


def run(pipeline, tasks, workers):
    LocalPipelineExecutor(pipeline=pipeline, tasks=tasks, workers=workers, skip_completed=False).run()


def rules(documents, out, tasks, workers):
    run([JsonlReader(str(documents)), FTFYFormatter(), GopherRepetitionFilter(), GopherQualityFilter(),
         C4QualityFilter(), FineWebQualityFilter(), PIIFormatter(), writer(out)], tasks, workers)


def near_duplicates(documents, out, tasks, workers):
    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    signatures, pairs, removed, kept = (str(out / name) for name in ("signatures", "pairs", "removed", "kept"))
    run([JsonlReader(str(documents)), MinhashDedupSignature(signatures, config=config)], tasks, workers)
    run([MinhashDedupBuckets(signatures, pairs, config=config)], config.num_buckets, workers)
    run([MinhashDedupCluster(pairs, removed, config=config)], 1, 1)
    run([JsonlReader(str(documents)), MinhashDedupFilter(removed), writer(kept)], tasks, workers)
    return Path(kept)


def texts(folder):
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


def measured(documents, seconds, kept):
    sizes = [len(text.encode()) for text in texts(documents)]
    return {"seconds": seconds, "bytes": sum(sizes), "documents": len(sizes),
            "kept": sum(1 for _ in texts(kept))}


def main():
    documents, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    tasks = len(list(documents.glob("*.jsonl")))
    start = time.perf_counter()
    rules(documents, out / "rules", tasks, workers)
    between = time.perf_counter()
    kept = near_duplicates(documents, out / "near", tasks, workers)
    end = time.perf_counter()
    print(json.dumps({"version": version("datatrove"),
                      "rules": measured(documents, between - start, out / "rules"),
                      "near_duplicates": measured(documents, end - between, kept)}))


if __name__ == "__main__":
    main()
