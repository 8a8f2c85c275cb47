//! Which tokens of a vocabulary spell what may come next.

use std::sync::Arc;

use nuwa_tokenizer::Tokenizer;

use super::automaton::{Place, is_free};
use super::node::JsonSchema;
use crate::{Error, Result};

/// The bytes of all tokens that a model may write, as trees.
#[derive(Debug)]
pub struct Spelling {
    bytes: Vec<Box<[u8]>>,
    /// Whole characters without quotes, backslashes and control characters: they may stand wherever any text may.
    plain: Vec<u32>,
    plain_tree: Vec<Step>,
    /// All others.
    other_tree: Vec<Step>,
}

/// A byte at some depth of a tree, whose steps lie in the order of a walk.
#[derive(Debug)]
struct Step {
    byte: u8,
    depth: usize,
    /// The tokens that end here.
    ids: Vec<u32>,
    /// Where the walk goes on that does not go deeper here.
    over: usize,
}

impl Spelling {
    /// The tokens of `tokenizer` without special ones and those in `unwritable`.
    pub fn new(tokenizer: &Tokenizer, unwritable: &[u32], vocabulary: usize) -> Self {
        let spelt = |id: u32| match tokenizer.is_special(id) || unwritable.contains(&id) {
            true => Box::default(),
            false => tokenizer.token_bytes(id).unwrap_or_default().into_boxed_slice(),
        };
        let bytes: Vec<Box<[u8]>> = (0..vocabulary as u32).map(spelt).collect();
        let ids = (0..vocabulary as u32).filter(|&id| !bytes[id as usize].is_empty());
        let (plain, other): (Vec<u32>, Vec<u32>) = ids.partition(|&id| is_plain(&bytes[id as usize]));
        let (plain_tree, other_tree) = (tree(&plain, &bytes), tree(&other, &bytes));
        Self { bytes, plain, plain_tree, other_tree }
    }
}

fn is_plain(bytes: &[u8]) -> bool {
    let plain = |c: char| !c.is_ascii_control() && c != '"' && c != '\\';
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(plain))
}

fn tree(ids: &[u32], bytes: &[Box<[u8]>]) -> Vec<Step> {
    let mut sorted = ids.to_vec();
    sorted.sort_by(|a, b| bytes[*a as usize].cmp(&bytes[*b as usize]).then(a.cmp(b)));
    let (mut steps, mut path): (Vec<Step>, Vec<usize>) = (Vec::new(), Vec::new());
    for id in sorted {
        let own = &bytes[id as usize];
        let shared =
            path.iter().zip(own.iter()).take_while(|(step, byte)| steps[**step].byte == **byte).count();
        close(&mut steps, &mut path, shared);
        for byte in &own[shared..] {
            path.push(steps.len());
            steps.push(Step { byte: *byte, depth: path.len() - 1, ids: Vec::new(), over: 0 });
        }
        if let Some(&last) = path.last() {
            steps[last].ids.push(id);
        }
    }
    close(&mut steps, &mut path, 0);
    steps
}

/// Leaves the steps of a path behind the first `kept`.
fn close(steps: &mut [Step], path: &mut Vec<usize>, kept: usize) {
    let end = steps.len();
    for step in path.drain(kept..) {
        steps[step].over = end;
    }
}

/// A text that is held to a schema.
#[derive(Debug)]
pub struct Held {
    schema: Arc<JsonSchema>,
    spelling: Arc<Spelling>,
    places: Vec<Place>,
    allowed: Vec<bool>,
}

impl Held {
    /// Nothing is written yet.
    pub fn new(schema: Arc<JsonSchema>, spelling: Arc<Spelling>) -> Self {
        let (places, allowed) = (schema.start(), vec![false; spelling.bytes.len()]);
        Self { schema, spelling, places, allowed }
    }

    /// For each id whether it may come next; `ends` are those that end the text.
    ///
    /// # Errors
    /// When none may: the vocabulary cannot spell what would have to come.
    pub fn allowed(&mut self, ends: &[u32]) -> Result<&[bool]> {
        self.allowed.fill(false);
        let spelling = Arc::clone(&self.spelling);
        match is_free(&self.places) {
            true => spelling.plain.iter().for_each(|&id| self.allowed[id as usize] = true),
            false => self.walk(&spelling.plain_tree),
        }
        self.walk(&spelling.other_tree);
        let may_end = self.schema.may_end(&self.places);
        for &end in ends {
            if let Some(allowed) = self.allowed.get_mut(end as usize) {
                *allowed = may_end;
            }
        }
        if !self.allowed.contains(&true) {
            return Err(Error::NothingAllowed);
        }
        Ok(&self.allowed)
    }

    /// Allows the tokens of a tree whose bytes lead somewhere.
    fn walk(&mut self, tree: &[Step]) {
        let mut reached: Vec<Vec<Place>> = vec![self.places.clone()];
        let mut index = 0;
        while let Some(step) = tree.get(index) {
            if reached.len() == step.depth + 1 {
                reached.push(Vec::new());
            }
            let (before, after) = reached.split_at_mut(step.depth + 1);
            let (before, after) = (&before[step.depth], &mut after[0]);
            self.schema.advance(before, step.byte, after);
            if after.is_empty() {
                index = step.over;
                continue;
            }
            step.ids.iter().for_each(|&id| self.allowed[id as usize] = true);
            index += 1;
        }
    }

    /// Goes on with an id that was allowed.
    pub fn take(&mut self, id: u32) {
        let spelling = Arc::clone(&self.spelling);
        for &byte in spelling.bytes.get(id as usize).into_iter().flatten() {
            let mut next = Vec::new();
            self.schema.advance(&self.places, byte, &mut next);
            self.places = next;
        }
    }

    /// Whether nothing may follow any more.
    pub fn has_ended(&self) -> bool {
        self.places.iter().all(Option::is_none)
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tokenizer::{TrainSettings, train};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let text = r#"{"name": "Nuwa", "age": 12, "女": "娲"} {"name": "Mina\n", "ages": [1, 2]} "#;
        let settings = TrainSettings { vocab_size: 284, min_frequency: 1, ..TrainSettings::default() };
        train(std::iter::repeat_n(text.to_string(), 9), &settings, &mut |_| ()).unwrap()
    }

    /// Each allowed token, by trying all of them alone.
    fn tried(held: &Held, spelling: &Spelling) -> Vec<bool> {
        let leads_on = |bytes: &[u8]| {
            let mut places = held.places.clone();
            for &byte in bytes {
                let mut next = Vec::new();
                held.schema.advance(&places, byte, &mut next);
                places = next;
            }
            !bytes.is_empty() && !places.is_empty()
        };
        spelling.bytes.iter().map(|bytes| leads_on(bytes)).collect()
    }

    #[test]
    fn trees_find_what_trying_every_token_finds() {
        let tokenizer = tokenizer();
        let end = tokenizer.eos().unwrap();
        let spelling = Arc::new(Spelling::new(&tokenizer, &[], tokenizer.vocab_size()));
        for schema in [
            "{}",
            r#"{"type": "object", "properties": {"name": {"type": "string", "maxLength": 4}, "ages": {"items": {"type": "integer"}}}}"#,
        ] {
            let schema = Arc::new(JsonSchema::parse(schema).unwrap());
            let mut held = Held::new(schema, Arc::clone(&spelling));
            let text = r#"{"name": "Nuwa", "ages": [1, 20]}"#;
            for id in tokenizer.encode(text).unwrap() {
                let expected = tried(&held, &spelling);
                assert_eq!(held.allowed(&[end]).unwrap(), expected);
                assert!(expected[id as usize]);
                held.take(id);
            }
            assert!(held.has_ended());
            let allowed = held.allowed(&[end]).unwrap();
            let allowed: Vec<usize> = (0..allowed.len()).filter(|&id| allowed[id]).collect();
            assert_eq!(allowed, [end as usize]);
        }
    }
}
