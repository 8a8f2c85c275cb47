//! Byte-level BPE without the detours of a general pipeline: words are merged in place on token ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU8, Ordering};

use ahash::AHashMap;
use serde_json::Value;

use crate::bytes;
use crate::split::Splitter;

/// Words up to this many bytes are merged by scanning, longer ones with a heap.
const SCAN_LIMIT: usize = 96;

const UNKNOWN: u8 = 0;
const WHOLE: u8 = 1;
const PARTS: u8 = 2;

/// An encoder that gives the ids of a `tokenizer.json` of the byte-level BPE kind.
#[derive(Debug)]
pub struct ByteLevelEncoder {
    splitter: Splitter,
    merges: Merges,
    /// Bytes of each token to its id.
    tokens: AHashMap<Box<[u8]>, u32>,
    /// By id: whether merging a token's own bytes gives that token. Found out when first asked.
    whole: Vec<AtomicU8>,
    /// A word that is a token is taken as it is (tiktoken's and Llama 3's rule).
    ignore_merges: bool,
}

#[derive(Debug)]
struct Merges {
    bytes: [u32; 256],
    /// Pair of ids to the merge's rank and the id it gives.
    ranks: AHashMap<(u32, u32), (u32, u32)>,
}

impl ByteLevelEncoder {
    /// `None` when the pipeline does something that this encoder does not.
    pub fn from_json(json: &Value) -> Option<Self> {
        let model = &json["model"];
        if !is_plain_byte_level(json) {
            return None;
        }
        let splitter = Splitter::from_pre_tokenizer(&json["pre_tokenizer"])?;
        let vocabulary = model["vocab"].as_object()?;
        let id_of = |token: &str| vocabulary.get(token)?.as_u64().map(|id| id as u32);
        let merges = Merges::read(&model["merges"], &id_of)?;
        let mut tokens = AHashMap::with_capacity(vocabulary.len());
        for (token, id) in vocabulary {
            if let (Some(bytes), Some(id)) = (bytes::from_characters(token), id.as_u64()) {
                tokens.insert(bytes.into_boxed_slice(), id as u32);
            }
        }
        let size = tokens.values().max().map_or(0, |&id| id as usize + 1);
        let whole = std::iter::repeat_with(AtomicU8::default).take(size).collect();
        let ignore_merges = model["ignore_merges"] == true;
        Some(Self { splitter, merges, tokens, whole, ignore_merges })
    }

    /// The ids of plain text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::with_capacity(text.len() / 3);
        let mut word_ids = Vec::new();
        self.splitter.words(text, &mut |word| match self.whole_token(word.as_bytes(), &mut word_ids) {
            Some(id) => ids.push(id),
            None => {
                self.merges.merge(word.as_bytes(), &mut word_ids);
                ids.extend_from_slice(&word_ids);
            }
        });
        ids
    }

    /// The id of a word that is one token.
    fn whole_token(&self, word: &[u8], scratch: &mut Vec<u32>) -> Option<u32> {
        let id = *self.tokens.get(word)?;
        if self.ignore_merges {
            return Some(id);
        }
        let state = &self.whole[id as usize];
        let mut known = state.load(Ordering::Relaxed);
        if known == UNKNOWN {
            self.merges.merge(word, scratch);
            known = if *scratch == [id] { WHOLE } else { PARTS };
            state.store(known, Ordering::Relaxed);
        }
        (known == WHOLE).then_some(id)
    }
}

fn is_plain_byte_level(json: &Value) -> bool {
    let model = &json["model"];
    let absent = |name: &str| model[name].is_null() || model[name] == "";
    let is_bpe = model["type"] == "BPE" || (model["type"].is_null() && model["merges"].is_array());
    is_bpe
        && json["normalizer"].is_null()
        && absent("dropout")
        && absent("continuing_subword_prefix")
        && absent("end_of_word_suffix")
        && model["byte_fallback"] != true
}

impl Merges {
    fn read(merges: &Value, id_of: &impl Fn(&str) -> Option<u32>) -> Option<Self> {
        let mut byte_ids = [0; 256];
        for (byte, &character) in bytes::alphabet().iter().enumerate() {
            byte_ids[byte] = id_of(character.encode_utf8(&mut [0; 4]))?;
        }
        let list = merges.as_array()?;
        let mut ranks = AHashMap::with_capacity(list.len());
        for (rank, merge) in list.iter().enumerate() {
            let (left, right) = match merge {
                Value::String(line) => line.split_once(' ')?,
                pair => (pair[0].as_str()?, pair[1].as_str()?),
            };
            let merged = id_of(&format!("{left}{right}"))?;
            ranks.insert((id_of(left)?, id_of(right)?), (rank as u32, merged));
        }
        Some(Self { bytes: byte_ids, ranks })
    }

    fn rank(&self, left: u32, right: u32) -> (u32, u32) {
        self.ranks.get(&(left, right)).copied().unwrap_or((u32::MAX, 0))
    }

    /// Leaves the ids of `word` in `ids`.
    fn merge(&self, word: &[u8], ids: &mut Vec<u32>) {
        ids.clear();
        ids.extend(word.iter().map(|&byte| self.bytes[byte as usize]));
        if word.len() <= SCAN_LIMIT { self.merge_by_scan(ids) } else { self.merge_by_heap(ids) }
    }

    /// Again and again the leftmost pair of the lowest rank, with each pair's rank kept beside it.
    fn merge_by_scan(&self, ids: &mut Vec<u32>) {
        let mut ranks = [(u32::MAX, 0); SCAN_LIMIT];
        for (slot, pair) in ranks.iter_mut().zip(ids.windows(2)) {
            *slot = self.rank(pair[0], pair[1]);
        }
        let mut pairs = ids.len().saturating_sub(1);
        while pairs > 0 {
            let Some((at, &(rank, merged))) =
                ranks[..pairs].iter().enumerate().min_by_key(|(_, pair)| pair.0)
            else {
                break;
            };
            if rank == u32::MAX {
                break;
            }
            ids[at] = merged;
            ids.remove(at + 1);
            ranks.copy_within(at + 1..pairs, at);
            pairs -= 1;
            if at < pairs {
                ranks[at] = self.rank(merged, ids[at + 1]);
            }
            if at > 0 {
                ranks[at - 1] = self.rank(ids[at - 1], merged);
            }
        }
    }

    /// The same in n log n: a linked list of parts, and a heap of candidate pairs that may have gone stale.
    fn merge_by_heap(&self, ids: &mut Vec<u32>) {
        let mut parts = Parts::new(ids);
        let mut queue = BinaryHeap::new();
        let push = |queue: &mut BinaryHeap<_>, parts: &Parts, at: usize| {
            let next = parts.next[at];
            if next < parts.ids.len() {
                let (left, right) = (parts.ids[at], parts.ids[next]);
                if let Some(&(rank, merged)) = self.ranks.get(&(left, right)) {
                    queue.push(Reverse((rank, at, left, right, merged)));
                }
            }
        };
        (0..ids.len()).for_each(|at| push(&mut queue, &parts, at));
        while let Some(Reverse((_, at, left, right, merged))) = queue.pop() {
            if !parts.is_pair(at, left, right) {
                continue;
            }
            parts.join(at, merged);
            push(&mut queue, &parts, at);
            if let Some(before) = parts.before(at) {
                push(&mut queue, &parts, before);
            }
        }
        parts.collect_into(ids);
    }
}

/// A doubly linked list of ids over fixed slots; a slot that was joined into its left neighbour is dead.
struct Parts {
    ids: Vec<u32>,
    next: Vec<usize>,
    previous: Vec<usize>,
}

const DEAD: u32 = u32::MAX;

impl Parts {
    fn new(ids: &[u32]) -> Self {
        let next = (1..=ids.len()).collect();
        let previous = (0..ids.len()).map(|at| at.wrapping_sub(1)).collect();
        Self { ids: ids.to_vec(), next, previous }
    }

    fn is_pair(&self, at: usize, left: u32, right: u32) -> bool {
        self.ids[at] == left && self.ids.get(self.next[at]) == Some(&right)
    }

    fn join(&mut self, at: usize, merged: u32) {
        let gone = self.next[at];
        self.ids[at] = merged;
        self.ids[gone] = DEAD;
        self.next[at] = self.next[gone];
        if let Some(previous) = self.previous.get_mut(self.next[gone]) {
            *previous = at;
        }
    }

    fn before(&self, at: usize) -> Option<usize> {
        (self.previous[at] != usize::MAX).then_some(self.previous[at])
    }

    fn collect_into(&self, ids: &mut Vec<u32>) {
        ids.clear();
        ids.extend(self.ids.iter().copied().filter(|&id| id != DEAD));
    }
}
