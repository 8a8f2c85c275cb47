use std::collections::HashMap;
use std::hash::Hash;

/// How often each run of `order` tokens occurs.
pub fn ngrams<T: Hash + Eq>(tokens: &[T], order: usize) -> HashMap<&[T], u64> {
    let mut counts = HashMap::new();
    for run in tokens.windows(order) {
        *counts.entry(run).or_insert(0) += 1;
    }
    counts
}

/// How many runs two texts have in common, each as often as the one that has it more seldom.
pub fn common<T: Hash + Eq>(one: &HashMap<&[T], u64>, other: &HashMap<&[T], u64>) -> u64 {
    one.iter().map(|(run, count)| other.get(*run).map_or(0, |there| *count.min(there))).sum()
}

/// How many runs of `order` a text of so many tokens has.
pub fn runs(tokens: usize, order: usize) -> u64 {
    (tokens + 1).saturating_sub(order) as u64
}
