use super::of;
use crate::calls::{BiasCall, CacheMemory, CachedCall, CachedRows, HeadLayout, KeptRows, KeyValueCache};
use crate::device::Storage;
use crate::element::{Bf16, DType, Element};

/// Keys and values of all positions, row by row.
#[derive(Debug, Clone)]
struct Memory {
    keys: Vec<f32>,
    values: Vec<f32>,
    width: usize,
}

impl CacheMemory for Memory {
    fn prefix(&self, positions: usize) -> Box<dyn CacheMemory> {
        let [keys, values] = [&self.keys, &self.values].map(|all| all[..positions * self.width].to_vec());
        Box::new(Self { keys, values, width: self.width })
    }

    fn bytes(&self) -> usize {
        4 * (self.keys.len() + self.values.len())
    }
}

/// Adds a row `[key | value]`, in place of what was there before the cache was cut.
fn append<'a>(
    device: &'static str,
    cache: &'a mut KeyValueCache,
    row: &[f32],
    heads: HeadLayout,
) -> &'a Memory {
    let (past, dtype, width) = (cache.length(), cache.dtype(), heads.key_width());
    cache.grow(1);
    let kept = |value: &f32| if dtype == DType::Bf16 { Bf16::narrow(*value).widen() } else { *value };
    let memory = cache.memory(device, || Memory { keys: Vec::new(), values: Vec::new(), width });
    let (key, value) = row.split_at(width);
    for (all, new) in [(&mut memory.keys, key), (&mut memory.values, value)] {
        all.truncate(past * width);
        all.extend(new.iter().map(kept));
    }
    memory
}

/// `y = sum over keys of softmax(scale q k) v`, for one row after the other.
pub fn attend(
    device: &'static str,
    (call, bias): (CachedCall, &[f32]),
    qkv: &Storage,
    sequences: &mut [CachedRows<'_>],
) -> Vec<f64> {
    let (heads, dim) = (call.heads, call.heads.head_dim);
    let (mut rows, mut y) = (of(qkv).chunks_exact(heads.width()), Vec::new());
    for CachedRows { cache, rows: count } in sequences {
        for row in rows.by_ref().take(*count) {
            let memory = append(device, cache, &row[heads.query_width()..], heads);
            for (head, query) in row[..heads.query_width()].chunks_exact(dim).enumerate() {
                y.extend(of_head(call, bias, memory, head, query));
            }
        }
    }
    y
}

/// Adds rows `[keys | values]` to a cache.
pub fn cache_rows(device: &'static str, heads: HeadLayout, memory: &Storage, cache: &mut KeyValueCache) {
    for row in of(memory).chunks_exact(heads.memory_width()) {
        append(device, cache, row, heads);
    }
}

/// `y = sum over keys of softmax(scale q k) v` over all that is kept, for one row of queries after the other.
pub fn attend_to_kept(call: CachedCall, queries: &Storage, sequences: &[KeptRows<'_>]) -> Vec<f64> {
    let (width, dim) = (call.heads.query_width(), call.heads.head_dim);
    let (mut rows, mut y) = (of(queries).chunks_exact(width), Vec::new());
    for KeptRows { memory, rows: count } in sequences {
        let memory = memory.kept().expect("a cache that has been checked holds rows of this device");
        for row in rows.by_ref().take(*count) {
            for (head, query) in row.chunks_exact(dim).enumerate() {
                y.extend(of_head(call, &[], memory, head, query));
            }
        }
    }
    y
}

/// The output of one query, which sees the last positions of its window.
fn of_head(call: CachedCall, bias: &[f32], memory: &Memory, head: usize, query: &[f32]) -> Vec<f64> {
    let offset = head / call.heads.group() * call.heads.head_dim;
    let own = |all: &[f32]| -> Vec<Vec<f64>> {
        let rows = all.chunks_exact(memory.width);
        let unseen = rows.len() - call.window.unwrap_or(rows.len()).min(rows.len());
        let seen = rows.skip(unseen).map(|row| &row[offset..offset + query.len()]);
        seen.map(|row| row.iter().copied().map(f64::from).collect()).collect()
    };
    let dot = |key: &Vec<f64>| query.iter().zip(key).map(|(q, k)| f64::from(*q) * k).sum::<f64>();
    let keys = own(&memory.keys);
    let bias = |index: usize| {
        let all = memory.keys.len() / memory.width;
        let row = |own: BiasCall| own.before.map_or(all, |before| before + 1) + index - keys.len();
        let place = |own| row(own) * call.heads.heads + head;
        call.bias.map_or(0.0, |own| f64::from(bias[place(own)]))
    };
    let score = |(index, key)| f64::from(call.scale) * dot(key) + bias(index);
    let scores: Vec<f64> = keys.iter().enumerate().map(score).collect();
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let total: f64 = scores.iter().map(|score| (score - largest).exp()).sum();
    let mut y = vec![0.0; query.len()];
    for (score, value) in scores.iter().zip(own(&memory.values)) {
        let weight = (score - largest).exp() / total;
        y.iter_mut().zip(value).for_each(|(y, value)| *y += weight * value);
    }
    y
}
