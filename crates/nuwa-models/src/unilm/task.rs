use nuwa_tensor::AttentionMask;

use crate::Text;

/// Under which mask a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Every token attends to the whole text.
    BothSides,
    /// Those of the first part attend to all of it, those of the second to the first part and to what stands before them.
    SequenceToSequence,
    /// Every token attends to itself and to those before it.
    LeftToRight,
    /// Every token attends to itself and to those behind it.
    RightToLeft,
}

impl Task {
    /// Each of them.
    pub const ALL: [Self; 4] =
        [Self::BothSides, Self::SequenceToSequence, Self::LeftToRight, Self::RightToLeft];

    /// The segments of the first part and of the second, as in the authors' code.
    pub fn segments(self) -> [u32; 2] {
        match self {
            Self::BothSides => [0, 1],
            Self::LeftToRight => [2, 2],
            Self::RightToLeft => [3, 3],
            Self::SequenceToSequence => [4, 5],
        }
    }

    /// The keys `first..end` that the token in place `at` attends to, of a text of `length` tokens whose second part begins at
    /// `second`.
    pub fn sees(self, at: usize, second: usize, length: usize) -> [u32; 2] {
        let [first, end] = match self {
            Self::BothSides => [0, length],
            Self::LeftToRight => [0, at + 1],
            Self::RightToLeft => [at, length],
            Self::SequenceToSequence if at < second => [0, second],
            Self::SequenceToSequence => [0, at + 1],
        };
        [first as u32, end as u32]
    }

    /// One text whose second part begins at `second`.
    ///
    /// # Panics
    /// When the text is empty, or its second part begins beyond its end.
    pub fn text(self, ids: Vec<u32>, second: usize) -> Text {
        let length = ids.len();
        assert!(second <= length, "a second part at {second} of {length} tokens");
        let ranges = (0..length).map(|at| self.sees(at, second, length)).collect();
        let mask = AttentionMask::new(1, length, ranges).expect("a range lies within the text");
        let [first, other] = self.segments();
        let segments = (0..length).map(|at| if at < second { first } else { other }).collect();
        Text { mask, segments, ..Text::bidirectional(ids, 1) }
    }

    /// Several such texts one after the other in one row, each of which sees itself alone: their ids, and where the second part of
    /// each begins.
    ///
    /// # Panics
    /// When the second part of a text begins beyond its end.
    pub fn packed(self, texts: &[(Vec<u32>, usize)]) -> Text {
        let [first, other] = self.segments();
        let (mut segments, mut ranges, mut start) = (Vec::new(), Vec::new(), 0);
        for (ids, second) in texts {
            let length = ids.len();
            assert!(*second <= length, "a second part at {second} of {length} tokens");
            segments.extend((0..length).map(|at| if at < *second { first } else { other }));
            ranges.extend((0..length).map(|at| self.sees(at, *second, length).map(|place| start + place)));
            start += length as u32;
        }
        let packed = Text::packed(texts.iter().map(|(ids, _)| &ids[..]));
        let mask = AttentionMask::new(1, start as usize, ranges).expect("a range lies within the row");
        Text { mask, segments, queries: None, ..packed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_task_sees_what_it_says() {
        let sees = |task: Task| -> Vec<[u32; 2]> { (0..4).map(|at| task.sees(at, 2, 4)).collect() };
        assert_eq!(sees(Task::BothSides), [[0, 4]; 4]);
        assert_eq!(sees(Task::LeftToRight), [[0, 1], [0, 2], [0, 3], [0, 4]]);
        assert_eq!(sees(Task::RightToLeft), [[0, 4], [1, 4], [2, 4], [3, 4]]);
        assert_eq!(sees(Task::SequenceToSequence), [[0, 2], [0, 2], [0, 3], [0, 4]]);
        let text = Task::SequenceToSequence.text(vec![1, 2, 3], 1);
        assert_eq!(text.segments, [4, 5, 5]);
        let packed = Task::SequenceToSequence.packed(&[(vec![1, 2, 3], 1), (vec![4, 5], 1)]);
        assert_eq!((packed.segments, &*packed.positions), (vec![4, 5, 5, 4, 5], &[0, 1, 2, 0, 1][..]));
        let seen: Vec<_> = (0..5).map(|row| packed.mask.seen_by(row)).collect();
        assert_eq!(seen, [0..1, 0..2, 0..3, 3..4, 3..5]);
    }
}
