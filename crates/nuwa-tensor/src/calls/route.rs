use std::ops::Range;

/// How many experts a row goes to, and whether their weights are made to sum to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Routing {
    /// Experts of each row.
    pub top_k: usize,
    /// Whether the weights of a row's experts are divided by their sum.
    pub renormalise: bool,
}

/// The choices of all rows, ordered by expert and within an expert by row. Choice `j` of row `i` has the number `i k + j`.
#[derive(Debug)]
pub(crate) struct Assignment {
    pub top_k: usize,
    /// The choice at each place of the order.
    pub choices: Vec<u32>,
    /// The place of each choice.
    pub places: Vec<u32>,
    /// Where each expert begins in the order, and where the last one ends.
    firsts: Vec<usize>,
}

impl Assignment {
    pub fn new(chosen: &[u32], experts: usize, top_k: usize) -> Self {
        let mut firsts = vec![0; experts + 1];
        chosen.iter().for_each(|&expert| firsts[expert as usize + 1] += 1);
        (0..experts).for_each(|expert| firsts[expert + 1] += firsts[expert]);
        let mut next = firsts.clone();
        let (mut choices, mut places) = (vec![0; chosen.len()], vec![0; chosen.len()]);
        for (choice, &expert) in chosen.iter().enumerate() {
            let place = next[expert as usize];
            next[expert as usize] += 1;
            (choices[place], places[choice]) = (choice as u32, place as u32);
        }
        Self { top_k, choices, places, firsts }
    }

    /// The experts that have rows, each with its places.
    pub fn busy(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        let places = self.firsts.windows(2).map(|pair| pair[0]..pair[1]);
        places.enumerate().filter(|(_, places)| !places.is_empty())
    }

    /// The row at each place.
    pub fn rows(&self) -> Vec<u32> {
        self.choices.iter().map(|choice| choice / self.top_k as u32).collect()
    }

    /// The number of experts.
    pub fn experts(&self) -> usize {
        self.firsts.len() - 1
    }
}
