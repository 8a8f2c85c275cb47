//! Cached attention: equal to attention over the whole, and the same bits whatever else is computed.

use nuwa_tensor::simd::{detect, force, levels};
use nuwa_tensor::{
    AttentionBias, AttentionMask, AttentionOptions, Bf16, CachedRows, DType, Device, Element, Error,
    HeadLayout, KeptRows, KeyValueCache, Random, Tape,
};
use proptest::prelude::*;

const OPTIONS: AttentionOptions<'_> = AttentionOptions { scale: Some(0.3), dropout: 0.0, bias: None };

fn numbers(rows: usize, heads: HeadLayout, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; rows * heads.width()];
    Random::new(seed).fill_normal(&mut values, 1.0);
    values
}

/// The rows of one sequence through a cache, `counts` at a time.
fn in_parts(
    device: Device,
    heads: HeadLayout,
    values: &[f32],
    counts: &[usize],
    window: Option<usize>,
    dtype: DType,
) -> Vec<f32> {
    let tape = Tape::inference().on(device);
    let mut cache = KeyValueCache::new(heads, values.len() / heads.width(), dtype);
    let (mut rest, mut all) = (values, Vec::new());
    for &count in counts {
        let (part, after) = rest.split_at(count * heads.width());
        let part = tape.constant([count, heads.width()], part).unwrap();
        let mut new = [CachedRows { cache: &mut cache, rows: count }];
        all.extend(tape.cached_attention(&part, heads, &mut new, window, OPTIONS).unwrap().to_host());
        rest = after;
    }
    all
}

fn whole(heads: HeadLayout, values: &[f32], window: Option<usize>) -> Vec<f32> {
    let length = values.len() / heads.width();
    let mut mask = AttentionMask::causal(1, length);
    if let Some(window) = window {
        mask = mask.within_window(window);
    }
    let tape = Tape::inference();
    let rows = tape.constant([length, heads.width()], values).unwrap();
    tape.attention(&rows, heads, &mask, OPTIONS).unwrap().to_host()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn it_equals_attention_over_the_whole() {
    let _held = crate::levels::hold();
    for (heads, kv_heads, head_dim) in [(4, 2, 8), (2, 2, 33), (3, 1, 48), (1, 1, 64)] {
        let heads = HeadLayout { heads, kv_heads, head_dim };
        let values = numbers(83, heads, 1);
        for level in levels() {
            force(level);
            for window in [None, Some(5), Some(40)] {
                let parts = in_parts(Device::cpu(), heads, &values, &[9, 1, 1, 40, 32], window, DType::F32);
                let difference = largest_difference(&parts, &whole(heads, &values, window));
                assert!(difference < 1e-5, "{level:?} {heads:?} {window:?}: {difference}");
            }
        }
        force(detect());
    }
}

#[test]
fn every_device_goes_on_with_its_own_caches() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 4, kv_heads: 2, head_dim: 5 };
    let values = numbers(30, heads, 6);
    for device in Device::all() {
        for window in [None, Some(1), Some(7)] {
            let parts = in_parts(device, heads, &values, &[3, 0, 1, 20, 6], window, DType::F32);
            let difference = largest_difference(&parts, &whole(heads, &values, window));
            assert!(difference < 1e-5, "{device:?} {window:?}: {difference}");
        }
        let tape = Tape::inference().on(device);
        let rows = |range: std::ops::Range<usize>| {
            let values = &values[range.start * heads.width()..range.end * heads.width()];
            tape.constant([range.len(), heads.width()], values).unwrap()
        };
        let run = |cache: &mut KeyValueCache, range: std::ops::Range<usize>| {
            let mut new = [CachedRows { cache, rows: range.len() }];
            tape.cached_attention(&rows(range), heads, &mut new, None, OPTIONS)
        };
        let mut cache = KeyValueCache::new(heads, 30, DType::F32);
        let all = run(&mut cache, 0..30).unwrap().to_host();
        for mut copy in [cache.prefix(11), cache.clone()] {
            copy.truncate(11);
            assert!(run(&mut copy, 11..30).unwrap().to_host() == all[11 * heads.query_width()..]);
        }
        let other = Device::all().into_iter().find(|other| *other != device).unwrap();
        let new = &mut [CachedRows { cache: &mut cache, rows: 0 }];
        let elsewhere = Tape::inference().on(other);
        let none = elsewhere.constant([0, heads.width()], &[]).unwrap();
        let error = elsewhere.cached_attention(&none, heads, new, None, OPTIONS).unwrap_err();
        let (found, expected) = (device.name(), other.name());
        assert_eq!(error, Error::Device { operation: "cached_attention", found, expected });
    }
}

fn normal(count: usize, seed: u64) -> Vec<f32> {
    let mut values = vec![0.0; count];
    Random::new(seed).fill_normal(&mut values, 1.0);
    values
}

/// Rows of queries over a memory that is kept, on a device.
struct Kept {
    tape: Tape,
    heads: HeadLayout,
}

impl Kept {
    fn keep(&self, memory: &[f32], dtype: DType) -> KeyValueCache {
        let rows = memory.len() / self.heads.memory_width();
        let memory = self.tape.constant([rows, self.heads.memory_width()], memory).unwrap();
        let mut cache = KeyValueCache::new(self.heads, rows, dtype);
        self.tape.keep_memory(&memory, self.heads, &mut cache).unwrap();
        cache
    }

    fn attend(&self, queries: &[f32], sequences: &[KeptRows<'_>]) -> Result<Vec<f32>, Error> {
        let width = self.heads.query_width();
        let queries = self.tape.constant([queries.len() / width, width], queries).unwrap();
        Ok(self.tape.attention_over_kept(&queries, self.heads, sequences, OPTIONS)?.to_host())
    }
}

#[test]
fn attention_over_what_is_kept_equals_attention_over_the_memory() {
    let _held = crate::levels::hold();
    for (heads, kv_heads, head_dim) in [(4, 4, 8), (4, 2, 33), (1, 1, 64)] {
        let heads = HeadLayout { heads, kv_heads, head_dim };
        for device in Device::all() {
            let kept = Kept { tape: Tape::inference().on(device), heads };
            // Sources of unlike lengths, some longer than a block, and unlike numbers of rows that read them.
            let lengths = [(1, 1), (5, 3), (37, 1), (300, 41)];
            let sources = lengths.map(|(keys, rows)| {
                let memory = normal(keys * heads.memory_width(), keys as u64);
                (memory, normal(rows * heads.query_width(), 1000 + keys as u64))
            });
            let caches = sources.each_ref().map(|(memory, _)| kept.keep(memory, DType::F32));
            let of = |index: usize| KeptRows { memory: &caches[index], rows: lengths[index].1 };
            let all = sources.each_ref().map(|(_, queries)| &queries[..]).concat();
            let together = kept.attend(&all, &[0, 1, 2, 3].map(of)).unwrap();
            let mut first = 0;
            for (index, (memory, queries)) in sources.iter().enumerate() {
                let alone = kept.attend(queries, &[of(index)]).unwrap();
                assert!(
                    together[first..first + alone.len()] == alone,
                    "{device:?}: other bits beside others"
                );
                first += alone.len();
                let (keys, rows) = lengths[index];
                let constant = |rows: usize, values: &[f32]| {
                    kept.tape.constant([rows, values.len() / rows], values).unwrap()
                };
                let mask = AttentionMask::full_memory(1, [rows, keys]);
                let (queries, memory) = (constant(rows, queries), constant(keys, memory));
                let whole = kept.tape.cross_attention(&queries, &memory, heads, &mask, OPTIONS).unwrap();
                let difference = largest_difference(&alone, &whole.to_host());
                assert!(difference < 1e-5, "{device:?} {heads:?} {keys}: {difference}");
            }
        }
    }
}

#[test]
fn what_is_kept_is_rounded_copied_and_checked() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 2, kv_heads: 2, head_dim: 6 };
    let (memory, queries) = (normal(9 * heads.memory_width(), 1), normal(2 * heads.query_width(), 2));
    for device in Device::all() {
        let kept = Kept { tape: Tape::inference().on(device), heads };
        let cache = kept.keep(&memory, DType::F32);
        let run = |memory: &KeyValueCache| kept.attend(&queries, &[KeptRows { memory, rows: 2 }]).unwrap();
        assert!(run(&cache) == run(&cache.clone()) && cache.length() == 9 && cache.bytes() > 0);
        let narrow = kept.keep(&memory, DType::Bf16);
        let rounded: Vec<f32> = memory.iter().map(|value| Bf16::narrow(*value).widen()).collect();
        assert!(run(&narrow) == run(&kept.keep(&rounded, DType::F32)));
        assert!(device.name() == "reference" || narrow.bytes() < cache.bytes());

        let told = |sequences: &[KeptRows<'_>]| kept.attend(&queries, sequences).unwrap_err().to_string();
        let empty = KeyValueCache::new(heads, 9, DType::F32);
        assert_eq!(
            told(&[KeptRows { memory: &empty, rows: 2 }]),
            "attention_over_kept: nothing is kept of a source"
        );
        assert_eq!(
            told(&[KeptRows { memory: &cache, rows: 3 }]),
            "attention_over_kept: 2 rows, but the sequences have 3 new ones"
        );
        let other = KeyValueCache::new(HeadLayout { head_dim: 5, ..heads }, 9, DType::F32);
        assert_eq!(
            told(&[KeptRows { memory: &other, rows: 2 }]),
            "attention_over_kept: a cache of width 10 does not fit HeadLayout { heads: 2, kv_heads: 2, head_dim: 6 }"
        );
        let mut full = kept.keep(&memory, DType::F32);
        let more = kept.tape.constant([9, heads.memory_width()], &memory).unwrap();
        let refused = kept.tape.keep_memory(&more, heads, &mut full).unwrap_err();
        assert_eq!(refused, Error::CacheFull { needed: 18, capacity: 9 });
    }
}

/// Its own table for each pass, as long as that needs.
#[test]
fn a_bias_by_distance_is_the_same_over_the_whole() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 4, kv_heads: 2, head_dim: 7 };
    let (length, values) = (40, numbers(40, heads, 8));
    let slope = |distance: usize, head: usize| (distance as f32 * 0.7 + head as f32).sin();
    for (device, window) in Device::all().into_iter().flat_map(|device| [(device, None), (device, Some(9))]) {
        let tape = Tape::inference().on(device);
        let table = |distances: usize| {
            let row = |row: usize| (0..heads.heads).map(move |head| slope(distances - 1 - row, head));
            tape.constant([distances, heads.heads], &(0..distances).flat_map(row).collect::<Vec<_>>())
                .unwrap()
        };
        let rows = |range: std::ops::Range<usize>| {
            let values = &values[range.start * heads.width()..range.end * heads.width()];
            tape.constant([range.len(), heads.width()], values).unwrap()
        };
        let all = table(length);
        let options =
            AttentionOptions { bias: Some(AttentionBias::Relative { table: &all, before: 39 }), ..OPTIONS };
        let mask = AttentionMask::causal(1, length).within_window(window.unwrap_or(length));
        let whole = tape.attention(&rows(0..length), heads, &mask, options).unwrap().to_host();
        let mut cache = KeyValueCache::new(heads, length, DType::F32);
        let (mut found, mut done) = (Vec::new(), 0);
        for count in [6, 1, 1, 20, 12] {
            let own = table(done + count);
            let bias = Some(AttentionBias::Relative { table: &own, before: done + count - 1 });
            let mut new = [CachedRows { cache: &mut cache, rows: count }];
            let options = AttentionOptions { bias, ..OPTIONS };
            let y =
                tape.cached_attention(&rows(done..done + count), heads, &mut new, window, options).unwrap();
            found.extend(y.to_host());
            done += count;
        }
        assert!(largest_difference(&found, &whole) < 1e-5, "{device:?} {window:?}");
        // The same by key, up to what a softmax does not see.
        let by_key: Vec<f32> =
            (0..length).flat_map(|key| (0..4).map(move |head| key as f32 * 0.1 * head as f32)).collect();
        let by_key = tape.constant([length, 4], &by_key).unwrap();
        let options = AttentionOptions { bias: Some(AttentionBias::Keys { table: &by_key }), ..OPTIONS };
        let whole = tape.attention(&rows(0..length), heads, &mask, options).unwrap().to_host();
        let mut other = KeyValueCache::new(heads, length, DType::F32);
        let mut found = Vec::new();
        for range in [0..6, 6..7, 7..40] {
            let mut new = [CachedRows { cache: &mut other, rows: range.len() }];
            found.extend(
                tape.cached_attention(&rows(range), heads, &mut new, window, options).unwrap().to_host(),
            );
        }
        assert!(largest_difference(&found, &whole) < 1e-5, "by key: {device:?} {window:?}");
        let mut new = [CachedRows { cache: &mut cache, rows: 0 }];
        let short = table(3);
        let bias = Some(AttentionBias::Relative { table: &short, before: 2 });
        let options = AttentionOptions { bias, ..OPTIONS };
        assert!(tape.cached_attention(&rows(0..0), heads, &mut new, None, options).is_err());
    }
}

#[test]
fn bf16_takes_half_the_memory_and_equals_attention_over_rounded_rows() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 4, kv_heads: 2, head_dim: 16 };
    let values = numbers(40, heads, 2);
    let mut rounded = values.clone();
    for row in rounded.chunks_exact_mut(heads.width()) {
        row[heads.query_width()..].iter_mut().for_each(|value| *value = Bf16::narrow(*value).widen());
    }
    for device in Device::all() {
        let narrow = in_parts(device, heads, &values, &[16, 24], None, DType::Bf16);
        assert!(largest_difference(&narrow, &whole(heads, &rounded, None)) < 1e-5, "{device:?}");
    }

    let bytes = |dtype| {
        let tape = Tape::inference();
        let mut cache = KeyValueCache::new(heads, 1000, dtype);
        let rows = tape.constant([40, heads.width()], &values).unwrap();
        let mut new = [CachedRows { cache: &mut cache, rows: 40 }];
        tape.cached_attention(&rows, heads, &mut new, None, OPTIONS).unwrap();
        cache.bytes()
    };
    assert_eq!(bytes(DType::F32), 2 * bytes(DType::Bf16));
    assert!(bytes(DType::F32) < 1000 * heads.key_width() * 2 * 4, "memory grows with what it holds");
}

#[test]
fn a_cache_without_room_is_left_as_it_was() {
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 4 };
    let tape = Tape::inference();
    let (mut small, mut large) =
        (KeyValueCache::new(heads, 3, DType::F32), KeyValueCache::new(heads, 9, DType::F32));
    let rows = tape.constant([6, heads.width()], &numbers(6, heads, 3)).unwrap();
    let mut new = [CachedRows { cache: &mut large, rows: 2 }, CachedRows { cache: &mut small, rows: 4 }];
    let error = tape.cached_attention(&rows, heads, &mut new, None, OPTIONS).unwrap_err();
    assert_eq!(error, Error::CacheFull { needed: 4, capacity: 3 });
    assert_eq!((small.length(), large.length()), (0, 0));
    let mut new = [CachedRows { cache: &mut large, rows: 5 }];
    let error = tape.cached_attention(&rows, heads, &mut new, None, OPTIONS).unwrap_err().to_string();
    assert_eq!(error, "cached_attention: 6 rows, but the sequences have 5 new ones");
}

#[test]
fn a_prefix_goes_on_as_the_whole_would() {
    let _held = crate::levels::hold();
    let heads = HeadLayout { heads: 2, kv_heads: 1, head_dim: 16 };
    let (tape, values) = (Tape::inference(), numbers(40, heads, 4));
    let rows = |range: std::ops::Range<usize>| {
        let (start, end) = (range.start * heads.width(), range.end * heads.width());
        tape.constant([range.len(), heads.width()], &values[start..end]).unwrap()
    };
    let mut cache = KeyValueCache::new(heads, 40, DType::F32);
    let run = |cache: &mut KeyValueCache, range: std::ops::Range<usize>| {
        let mut new = [CachedRows { cache, rows: range.len() }];
        tape.cached_attention(&rows(range), heads, &mut new, None, OPTIONS).unwrap().to_host()
    };
    let all = run(&mut cache, 0..40);
    for cut in [1, 16, 21] {
        let mut copy = cache.prefix(cut);
        assert_eq!(copy.length(), cut);
        assert!(run(&mut copy, cut..40) == all[cut * heads.query_width()..]);
    }
    cache.truncate(21);
    assert!(run(&mut cache, 21..40) == all[21 * heads.query_width()..]);
}

/// Each sequence by itself, and all together in passes of several rows each.
fn together(heads: HeadLayout, sequences: &[Vec<f32>], counts: &[usize], window: Option<usize>) {
    let tape = Tape::inference();
    let room = sequences.iter().map(|values| values.len() / heads.width()).max().unwrap();
    let mut caches = vec![KeyValueCache::new(heads, room, DType::F32); sequences.len()];
    let mut found = vec![Vec::new(); sequences.len()];
    let mut turn = 0;
    while caches.iter().zip(sequences).any(|(cache, all)| cache.length() * heads.width() < all.len()) {
        let (mut rows, mut new, mut who) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (cache, all)) in caches.iter_mut().zip(sequences).enumerate() {
            let rest = &all[cache.length() * heads.width()..];
            let count = counts[(turn + index) % counts.len()].min(rest.len() / heads.width());
            rows.extend_from_slice(&rest[..count * heads.width()]);
            new.push(CachedRows { cache, rows: count });
            who.extend(vec![index; count]);
        }
        let rows = tape.constant([who.len(), heads.width()], &rows).unwrap();
        let y = tape.cached_attention(&rows, heads, &mut new, window, OPTIONS).unwrap();
        who.iter().enumerate().for_each(|(row, &index)| found[index].extend_from_slice(&y.row_to_host(row)));
        turn += 1;
    }
    for (values, found) in sequences.iter().zip(&found) {
        let counts = vec![1; values.len() / heads.width()];
        assert!(
            in_parts(Device::cpu(), heads, values, &counts, window, DType::F32) == *found,
            "{heads:?} {window:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 24 }))]

    #[test]
    fn a_row_has_the_same_bits_whatever_is_computed_with_it(
        lengths in prop::collection::vec(1_usize..60, 1..5),
        counts in prop::collection::vec(0_usize..40, 1..4),
        kv_heads in 1_usize..3, group in 1_usize..4, head_dim in 1_usize..40,
        window in prop::option::of(1_usize..50),
    ) {
        let _held = crate::levels::hold();
        let heads = HeadLayout { heads: kv_heads * group, kv_heads, head_dim };
        let counts: Vec<usize> = counts.into_iter().chain([1]).collect();
        let sequences: Vec<Vec<f32>> =
            lengths.iter().zip(5..).map(|(&length, seed)| numbers(length, heads, seed)).collect();
        for level in levels() {
            force(level);
            together(heads, &sequences, &counts, window);
        }
        force(detect());
    }
}
