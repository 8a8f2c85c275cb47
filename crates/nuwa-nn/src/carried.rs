use std::collections::VecDeque;

use nuwa_tensor::{Error, Result, Runs, Tape, Tensor};

/// Snapshots that a state keeps at most: of prompts that others may begin with. The oldest goes first.
const SNAPSHOTS: usize = 8;

/// What one layer carries along of one sequence: vectors that every row changes, in `f32`. There is no way back to an earlier
/// one but to those of which a snapshot was taken.
#[derive(Debug, Clone, Default)]
pub struct RecurrentState {
    now: Snapshot,
    /// What a pass under way makes of it: it counts once all layers are through.
    next: Vec<Vec<f32>>,
    snapshots: VecDeque<Snapshot>,
}

/// A state after so many positions; the vectors of the layer's parts, none before the first.
#[derive(Debug, Clone, Default)]
struct Snapshot {
    positions: usize,
    parts: Vec<Vec<f32>>,
}

impl RecurrentState {
    /// Begins a pass: what one that failed has left is forgotten.
    pub fn begin(&mut self) {
        self.next.clear();
    }

    /// Takes note that the pass is through, after so many new positions.
    pub fn advance(&mut self, positions: usize) {
        if positions > 0 && !self.next.is_empty() {
            self.now.parts = std::mem::take(&mut self.next);
        }
        self.now.positions += positions;
    }

    /// Keeps the present state, so that there is a way back to it.
    pub fn snapshot(&mut self) {
        if self.snapshots.iter().any(|kept| kept.positions == self.now.positions) {
            return;
        }
        if self.snapshots.len() == SNAPSHOTS {
            self.snapshots.pop_front();
        }
        self.snapshots.push_back(self.now.clone());
    }

    /// The largest number of positions, at most `positions`, to which there is a way back.
    pub fn nearest(&self, positions: usize) -> usize {
        let all = self.snapshots.iter().chain([&self.now]).map(|kept| kept.positions);
        all.filter(|kept| *kept <= positions).max().unwrap_or(0)
    }

    /// The state after the first `positions`; none where there is no way back to it.
    #[must_use]
    pub fn after(&self, positions: usize) -> Option<Self> {
        let all = self.snapshots.iter().chain([&self.now]);
        let now = match positions {
            0 => Snapshot::default(),
            _ => all.clone().find(|kept| kept.positions == positions)?.clone(),
        };
        let earlier = self.snapshots.iter().filter(|kept| kept.positions <= positions);
        Some(Self { now, next: Vec::new(), snapshots: earlier.cloned().collect() })
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        let of = |parts: &Vec<Vec<f32>>| parts.iter().map(|part| 4 * part.len()).sum::<usize>();
        let kept: usize = self.snapshots.iter().map(|kept| of(&kept.parts)).sum();
        kept + of(&self.now.parts) + of(&self.next)
    }

    fn part(&self, index: usize, width: usize) -> Result<Vec<f32>> {
        match self.now.parts.get(index) {
            None if self.now.positions == 0 => Ok(vec![0.0; width]),
            Some(part) if part.len() == width => Ok(part.clone()),
            other => {
                let reason = format!(
                    "the state is that of another model: part {index} has {} numbers, expected {width}",
                    other.map_or(0, Vec::len)
                );
                Err(Error::Shape { operation: "recurrent state", reason })
            }
        }
    }
}

/// What layers that carry a state along have to know of the rows of a pass.
#[derive(Debug)]
pub struct Carried<'a> {
    /// Which rows follow which.
    pub runs: &'a Runs,
    /// The state of each run, which becomes that after its rows; none where all runs are whole texts.
    pub states: Vec<&'a mut RecurrentState>,
}

impl Carried<'_> {
    /// Whole texts, from nothing.
    pub fn of_texts(runs: &Runs) -> Carried<'_> {
        Carried { runs, states: Vec::new() }
    }

    /// Runs an operation that takes the states from which its runs begin, and gives its rows and the states after them.
    /// `part` says which part of the layer's state it is, of `width` numbers; parts are asked for in their order.
    ///
    /// # Errors
    /// Those of `operation`, and when a state is that of another model.
    pub fn through(
        &mut self,
        tape: &Tape,
        [part, width]: [usize; 2],
        operation: impl FnOnce(&Runs, Option<&Tensor>) -> Result<[Tensor; 2]>,
    ) -> Result<Tensor> {
        if self.states.is_empty() {
            return operation(self.runs, None).map(|[rows, _]| rows);
        }
        let mut values = Vec::with_capacity(self.states.len() * width);
        for state in &self.states {
            values.extend(state.part(part, width)?);
        }
        let given = tape.constant([self.states.len(), width], &values)?;
        let [rows, last] = operation(self.runs, Some(&given))?;
        let last = last.to_host();
        for (run, state) in self.states.iter_mut().enumerate() {
            state.next.truncate(part);
            state.next.push(last[run * width..][..width].to_vec());
        }
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advanced(state: &mut RecurrentState, value: f32) {
        state.begin();
        state.next = vec![vec![value]];
        state.advance(1);
    }

    #[test]
    fn there_is_a_way_back_to_snapshots_alone() {
        let mut state = RecurrentState::default();
        advanced(&mut state, 1.0);
        advanced(&mut state, 2.0);
        state.snapshot();
        advanced(&mut state, 3.0);
        assert_eq!([5, 3, 2, 1].map(|positions| state.nearest(positions)), [3, 3, 2, 0]);
        assert!(state.after(1).is_none());
        assert_eq!(state.after(2).unwrap().part(0, 1).unwrap(), [2.0]);
        assert_eq!(state.after(0).unwrap().part(0, 1).unwrap(), [0.0]);
        assert_eq!(state.bytes(), 8);
        for value in 0..20 {
            advanced(&mut state, value as f32);
            state.snapshot();
        }
        assert_eq!((state.nearest(15), state.bytes()), (0, 4 * 9));
    }

    #[test]
    fn a_pass_that_failed_changes_nothing_and_another_models_state_is_refused() {
        let mut state = RecurrentState::default();
        advanced(&mut state, 1.0);
        state.next = vec![vec![7.0]];
        state.begin();
        state.advance(0);
        assert_eq!(state.part(0, 1).unwrap(), [1.0]);
        let refused = state.part(0, 2).unwrap_err().to_string();
        assert_eq!(
            refused,
            "recurrent state: the state is that of another model: part 0 has 1 numbers, expected 2"
        );
    }
}
