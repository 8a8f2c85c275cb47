use std::ops::Range;
use std::sync::Arc;

/// Which rows follow which, for layers that carry a state along: runs of rows, one run after the other, each of which begins from
/// a state of its own.
#[derive(Debug, Clone)]
pub struct Runs {
    /// The first row of each, and the end of the last.
    bounds: Arc<[u32]>,
    /// Of each whether nothing stands before it.
    fresh: Arc<[bool]>,
}

impl Runs {
    /// Each document of `texts` texts of `length` rows, from nothing; `starts` holds for each row where in its text its document
    /// begins, and where there are none a text is one document.
    ///
    /// # Panics
    /// When there is not one start a row.
    pub fn of_texts(texts: usize, length: usize, starts: Option<&[u32]>) -> Self {
        let rows = texts * length;
        assert!(starts.is_none_or(|starts| starts.len() == rows), "one document start a row");
        let is_first = |row: &usize| {
            row.is_multiple_of(length) || starts.is_some_and(|starts| starts[*row] != starts[row - 1])
        };
        let firsts = (0..rows).filter(is_first).map(|row| row as u32);
        let bounds: Arc<[u32]> = firsts.chain([rows as u32]).collect();
        let fresh = vec![true; bounds.len() - 1].into();
        Self { bounds, fresh }
    }

    /// Runs of so many rows, each with whether nothing stands before it; the others go on from a state.
    pub fn following(runs: impl IntoIterator<Item = (usize, bool)>) -> Self {
        let (lengths, fresh): (Vec<usize>, Vec<bool>) = runs.into_iter().unzip();
        let mut end = 0;
        let ends = lengths.into_iter().map(|length| {
            end += length as u32;
            end
        });
        Self { bounds: [0].into_iter().chain(ends.collect::<Vec<_>>()).collect(), fresh: fresh.into() }
    }

    /// How many runs.
    pub fn count(&self) -> usize {
        self.fresh.len()
    }

    /// The rows of all of them.
    pub fn rows(&self) -> usize {
        self.bounds.last().map_or(0, |end| *end as usize)
    }

    /// Whether nothing stands before a run.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn is_fresh(&self, run: usize) -> bool {
        self.fresh[run]
    }

    /// The rows of a run.
    ///
    /// # Panics
    /// When there is no such run.
    pub fn range(&self, run: usize) -> Range<usize> {
        self.bounds[run] as usize..self.bounds[run + 1] as usize
    }

    /// The run of each row.
    pub(crate) fn of_rows(&self) -> Vec<u32> {
        (0..self.count()).flat_map(|run| self.range(run).map(move |_| run as u32)).collect()
    }

    /// The rows in the order in which a recurrent cell needs them.
    pub(crate) fn steps(&self) -> Steps {
        Steps::new(self)
    }
}

/// The rows of runs step by step: first the first rows of all runs, then their second rows, and so on, longer runs before shorter
/// ones, so that those that go on at a step are the first of the step before.
#[derive(Debug)]
pub(crate) struct Steps {
    /// The runs, the longest first.
    pub order: Vec<u32>,
    /// Where each step begins in this order, and where the last one ends.
    firsts: Vec<usize>,
    /// The row at each place of the order.
    pub rows: Vec<u32>,
    /// The place of each row.
    pub places: Vec<u32>,
}

impl Steps {
    fn new(runs: &Runs) -> Self {
        let length = |run: &u32| runs.range(*run as usize).len();
        let mut order: Vec<u32> = (0..runs.count() as u32).collect();
        order.sort_by_key(|run| std::cmp::Reverse(length(run)));
        let (mut firsts, mut rows) = (vec![0], Vec::with_capacity(runs.rows()));
        for step in 0..order.first().map_or(0, length) {
            let going = order.iter().take_while(|run| length(run) > step);
            rows.extend(going.map(|run| (runs.range(*run as usize).start + step) as u32));
            firsts.push(rows.len());
        }
        let mut places = vec![0; rows.len()];
        rows.iter().zip(0..).for_each(|(row, place)| places[*row as usize] = place);
        Self { order, firsts, rows, places }
    }

    /// How many steps.
    pub fn count(&self) -> usize {
        self.firsts.len() - 1
    }

    /// The places of a step.
    pub fn step(&self, step: usize) -> Range<usize> {
        self.firsts[step]..self.firsts[step + 1]
    }

    /// The rows of the first step, which no other exceeds.
    pub fn widest(&self) -> usize {
        self.firsts.get(1).copied().unwrap_or(0)
    }

    /// Of the places of a step, those of the step before that they follow; none of the first step.
    pub fn before(&self, step: usize) -> Option<Range<usize>> {
        let first = self.step(step.checked_sub(1)?).start;
        Some(first..first + self.step(step).len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(runs: &Runs) -> Vec<Range<usize>> {
        (0..runs.count()).map(|run| runs.range(run)).collect()
    }

    #[test]
    fn documents_and_texts_begin_runs() {
        assert_eq!(ranges(&Runs::of_texts(2, 3, None)), [0..3, 3..6]);
        let runs = Runs::of_texts(2, 3, Some(&[0, 0, 2, 0, 1, 1]));
        assert_eq!(ranges(&runs), [0..2, 2..3, 3..4, 4..6]);
        assert!((0..4).all(|run| runs.is_fresh(run)));
        assert_eq!(runs.of_rows(), [0, 0, 1, 2, 3, 3]);
        let going = Runs::following([(2, true), (0, false), (1, false)]);
        assert_eq!(ranges(&going), [0..2, 2..2, 2..3]);
        assert_eq!((going.rows(), going.is_fresh(0), going.is_fresh(2)), (3, true, false));
    }

    #[test]
    fn steps_go_through_all_runs_at_one_time() {
        let steps = Runs::following([(1, true), (3, true), (0, true), (2, true)]).steps();
        assert_eq!(steps.order, [1, 3, 0, 2]);
        assert_eq!(steps.rows, [1, 4, 0, 2, 5, 3]);
        assert_eq!(steps.places, [2, 0, 3, 5, 1, 4]);
        assert_eq!([0, 1, 2].map(|step| steps.step(step)), [0..3, 3..5, 5..6]);
        assert_eq!([0, 1, 2].map(|step| steps.before(step)), [None, Some(0..2), Some(3..4)]);
        assert_eq!((steps.count(), steps.widest()), (3, 3));
        assert_eq!(Runs::following([]).steps().count(), 0);
    }
}
