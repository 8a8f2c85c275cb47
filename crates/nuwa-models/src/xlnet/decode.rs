//! Going on with texts: the content stream in the natural order, and for each new token a query at the place after it.

use nuwa_nn::{Context, relative_sinusoids};
use nuwa_tensor::{AttentionMask, Error, RelativePlaces, Result, Tensor};

use super::streams::View;
use super::{Block, Xlnet};
use crate::{NewRows, Rows};

/// The new rows of one sequence: its tokens, and then the queries after each of them.
struct Sequence {
    /// Rows of all sequences.
    tokens: Vec<u32>,
    queries: Vec<u32>,
    both: View,
    asked: View,
}

impl Sequence {
    fn new(first: usize, new: &NewRows<'_>) -> Result<Self> {
        let (past, count, capacity) = (new.cache.length(), new.ids.len(), new.cache.capacity());
        if past + count > capacity {
            return Err(Error::CacheFull { needed: past + count, capacity });
        }
        let [tokens, queries] =
            [first, first + count].map(|first| (first as u32..).take(count).collect::<Vec<_>>());
        // A query after a token sees what the token sees.
        let ends: Vec<u32> = (past + 1..=past + count).map(|end| end as u32).collect();
        let view = |ends: Vec<u32>, places: Vec<u32>| {
            let ranges = ends.iter().map(|&end| [0, end]).collect();
            let mask = AttentionMask::over_memory(1, [ends.len(), past + count], ranges)?;
            Ok::<_, Error>(View { mask, places: RelativePlaces::new(places, capacity) })
        };
        let all: Vec<u32> = ends.iter().map(|end| end - 1).chain(ends.iter().copied()).collect();
        Ok(Self { tokens, queries, both: view(ends.repeat(2), all)?, asked: view(ends.clone(), ends)? })
    }

    /// What the rows of a block see, and which those are; of the last block only the queries are read.
    fn rows(&self, is_last: bool) -> (Vec<u32>, &View) {
        match is_last {
            true => (self.queries.clone(), &self.asked),
            false => ([&self.tokens[..], &self.queries].concat(), &self.both),
        }
    }
}

impl Xlnet {
    /// The rows of the queries after all new tokens; what their content stream was is remembered.
    pub(super) fn next(&self, context: &Context<'_>, mut new: Vec<NewRows<'_>>) -> Result<Rows> {
        let tape = context.tape;
        let mut sequences = Vec::with_capacity(new.len());
        let mut rows = 0;
        for new in &new {
            sequences.push(Sequence::new(rows, new)?);
            rows += 2 * new.ids.len();
        }
        let ids: Vec<u32> = new.iter().flat_map(|new| new.ids).copied().collect();
        let all =
            |of: fn(&Sequence) -> &Vec<u32>| -> Vec<u32> { sequences.iter().flat_map(of).copied().collect() };
        let (tokens, queries) = (all(|sequence| &sequence.tokens), all(|sequence| &sequence.queries));
        let first = self.query.forward(tape, &vec![0; ids.len()])?;
        let embedded = self.tokens.forward(tape, &ids)?;
        let mut x = tape.put_rows(&[(&embedded, &tokens), (&first, &queries)], rows)?;
        for (layer, block) in self.blocks.iter().enumerate() {
            x = self.next_block(context, (layer, block), &x, &sequences, &mut new)?;
        }
        new.iter_mut().for_each(|new| new.cache.grow(new.ids.len()));
        Ok(x.into())
    }

    fn next_block(
        &self,
        context: &Context<'_>,
        (layer, block): (usize, &Block),
        x: &Tensor,
        sequences: &[Sequence],
        new: &mut [NewRows<'_>],
    ) -> Result<Tensor> {
        let (tape, attention) = (context.tape, &block.attention);
        let is_last = layer + 1 == self.blocks.len();
        let queries = attention.queries(tape, x)?;
        let mut gathered = Vec::with_capacity(sequences.len());
        for (sequence, new) in sequences.iter().zip(new) {
            let (past, capacity) = (new.cache.length(), new.cache.capacity());
            let Some(cache) = new.cache.of_content(layer) else {
                let reason = "the cache is that of another family".into();
                return Err(Error::Shape { operation: "relative_attention", reason });
            };
            // A pass that failed may have left rows in some layers.
            cache.truncate(past);
            let own = attention.memory(tape, &tape.rows(x, &sequence.tokens)?)?;
            let keys = cache.add(tape, &own, capacity)?;
            let distances = cache.distances(|| {
                let rows = relative_sinusoids(tape, self.config.d_model, [capacity, 0], self.config.clamp())?;
                attention.distances(tape, &rows)
            })?;
            let (rows, view) = sequence.rows(is_last);
            let queries = tape.rows(&queries, &rows)?;
            let inputs = [&queries, &keys, &distances];
            gathered.push((attention.attend(context, inputs, &view.mask, &view.places)?, rows));
        }
        let parts: Vec<(&Tensor, &[u32])> =
            gathered.iter().map(|(gathered, rows)| (gathered, &rows[..])).collect();
        let gathered = tape.put_rows(&parts, x.rows())?;
        let queries: Vec<u32> = sequences.iter().flat_map(|sequence| &sequence.queries).copied().collect();
        match is_last {
            true => {
                let [x, gathered] = [x, &gathered].map(|rows| tape.rows(rows, &queries));
                block.after_attention(context, &x?, &gathered?)
            }
            false => block.after_attention(context, x, &gathered),
        }
    }
}
