//! A few of many: those whose ids have the smallest hashes.
//!
//! The choice depends on the ids alone: it is the same in every run, on any number of threads and in any order, and as
//! good as drawn by lot (bottom-k sampling, Cohen and Kaplan 2007, <https://doi.org/10.1145/1281100.1281133>).

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

/// At most so many values, each with its id.
#[derive(Debug, Clone)]
pub(crate) struct BottomKSample<T> {
    most: usize,
    chosen: BTreeMap<(u64, String), T>,
}

impl<T> BottomKSample<T> {
    pub fn new(most: usize) -> Self {
        Self { most, chosen: BTreeMap::new() }
    }

    /// Hashes of ids from this on are not taken any more.
    pub fn limit(&self) -> u64 {
        match self.chosen.last_key_value() {
            Some(((hash, _), _)) if self.chosen.len() >= self.most => *hash,
            _ if self.most == 0 => 0,
            _ => u64::MAX,
        }
    }

    /// Takes the value of `id` if it belongs to the few; makes it only then.
    pub fn offer(&mut self, id: &str, value: impl FnOnce() -> T) {
        let hash = hash(id);
        if hash >= self.limit() {
            return;
        }
        self.chosen.insert((hash, id.to_string()), value());
        if self.chosen.len() > self.most {
            self.chosen.pop_last();
        }
    }

    pub fn values(&self) -> impl Iterator<Item = &T> {
        self.chosen.values()
    }

    pub fn into_values(self) -> impl Iterator<Item = T> {
        self.chosen.into_values()
    }
}

/// The hash that decides about `id`.
pub(crate) fn hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_is_the_same_in_any_order() {
        let ids: Vec<String> = (0..1000).map(|number| format!("document {number}")).collect();
        let choose = |ids: &mut dyn Iterator<Item = &String>| {
            let mut few = BottomKSample::new(20);
            ids.for_each(|id| few.offer(id, || id.clone()));
            few.into_values().collect::<Vec<_>>()
        };
        let chosen = choose(&mut ids.iter());
        assert_eq!(chosen.len(), 20);
        assert_eq!(chosen, choose(&mut ids.iter().rev()));
        assert!(
            chosen.iter().any(|id| ids[..500].contains(id))
                && chosen.iter().any(|id| ids[500..].contains(id))
        );
    }

    #[test]
    fn none_of_many_are_none() {
        let mut few = BottomKSample::new(0);
        few.offer("a", || -> u8 { unreachable!() });
        assert_eq!(few.into_values().count(), 0);
    }
}
