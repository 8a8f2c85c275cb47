//! Byte-level BPE without the detours of a general pipeline: words are merged in place on token ids.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU8, Ordering};

use ahash::AHashMap;
use serde_json::Value;

use crate::bpe::{Bpe, Merge};
use crate::bytes;
use crate::split::Splitter;

/// Words up to this many bytes are merged by scanning, longer ones with a heap.
const SCAN_LIMIT: usize = 96;
/// Longer words (a genome, a picture in base64) are merged in pieces: a heap takes some sixty bytes for each of theirs.
const LONGEST_WORD: usize = 1 << 20;

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
    /// `None` when the vocabulary lacks a byte, or the `pre_tokenizer` does something that this encoder does not.
    pub fn new(pre_tokenizer: &Value, bpe: &Bpe) -> Option<Self> {
        let splitter = Splitter::from_pre_tokenizer(pre_tokenizer)?;
        let mut tokens = AHashMap::with_capacity(bpe.tokens.len());
        for (token, id) in &bpe.tokens {
            if let Some(bytes) = bytes::from_characters(token) {
                tokens.insert(bytes.into_boxed_slice(), *id);
            }
        }
        let merges = Merges::new(&tokens, &bpe.merges)?;
        let size = tokens.values().max().map_or(0, |&id| id as usize + 1);
        let whole = std::iter::repeat_with(AtomicU8::default).take(size).collect();
        Some(Self { splitter, merges, tokens, whole, ignore_merges: bpe.ignore_merges })
    }

    /// A word with the name of one of these tokens is text.
    pub fn without_names<'a>(mut self, names: impl Iterator<Item = &'a str>) -> Self {
        for name in names {
            self.tokens.remove(name.as_bytes());
        }
        self
    }

    /// Adds the ids of plain text; `take` may take some away after each word.
    pub fn encode_into(&self, text: &str, ids: &mut Vec<u32>, take: &mut impl FnMut(&mut Vec<u32>)) {
        let mut word_ids = Vec::new();
        self.splitter.words(text, &mut |word| {
            match self.whole_token(word.as_bytes(), &mut word_ids) {
                Some(id) => ids.push(id),
                None => {
                    for piece in word.as_bytes().chunks(LONGEST_WORD) {
                        self.merges.merge(piece, &mut word_ids);
                        ids.extend_from_slice(&word_ids);
                        take(ids);
                    }
                }
            }
            take(ids);
        });
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

impl Merges {
    fn new(tokens: &AHashMap<Box<[u8]>, u32>, merges: &[Merge]) -> Option<Self> {
        let mut bytes = [0; 256];
        for byte in 0..=255 {
            bytes[byte as usize] = *tokens.get(&[byte][..])?;
        }
        let mut ranks = AHashMap::with_capacity(merges.len());
        for (rank, &Merge { left, right, merged }) in (0..).zip(merges) {
            ranks.insert((left, right), (rank, merged));
        }
        Some(Self { bytes, ranks })
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
