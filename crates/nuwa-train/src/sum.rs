//! The gradient of a step as the pairwise tree over its passes.
//!
//! Each pass begins at zero. Of four passes the sum is `(a + b) + (c + d)`, of three `(a + b) + c`: the tree that several machines
//! with a contiguous block of passes each would add up, so that one, two and four of them find the same bits.

use nuwa_tensor::{GradientBlock, Parameters};

/// The gradients of the passes so far, but for the last one, which is still where backward put it.
#[derive(Debug, Default)]
pub struct PassSum {
    /// Sums of 2^level passes, the earliest first.
    sums: Vec<(u32, GradientBlock)>,
    /// Blocks of zeros that are used again.
    idle: Vec<GradientBlock>,
    passes: u64,
}

impl PassSum {
    /// Before a pass: the gradient of the one before it is set aside.
    pub fn begin(&mut self, parameters: &Parameters) {
        if self.passes > 0 {
            let empty = self.idle.pop().unwrap_or_else(|| parameters.zero_gradients());
            self.push(parameters.replace_gradients(empty));
        }
        self.passes += 1;
    }

    fn push(&mut self, mut block: GradientBlock) {
        let mut level = 0;
        while let Some((_, mut earlier)) = self.sums.pop_if(|(of_earlier, _)| *of_earlier == level) {
            earlier.add(&block);
            self.set_idle(block);
            block = earlier;
            level += 1;
        }
        self.sums.push((level, block));
    }

    fn set_idle(&mut self, mut block: GradientBlock) {
        block.clear();
        self.idle.push(block);
    }

    /// After the last pass: the gradient is that of all of them.
    pub fn finish(&mut self, parameters: &Parameters) {
        self.passes = 0;
        while let Some((_, earlier)) = self.sums.pop() {
            let later = parameters.replace_gradients(earlier);
            parameters.add_gradients(&later);
            self.set_idle(later);
        }
    }

    /// Forgets all passes.
    pub fn forget(&mut self) {
        self.passes = 0;
        while let Some((_, block)) = self.sums.pop() {
            self.set_idle(block);
        }
    }
}

/// Blocks of gradients that the sum of so many passes takes beside the one that backward writes to.
pub fn blocks(passes: usize) -> u32 {
    match passes {
        0 | 1 => 0,
        _ => (passes - 1).ilog2() + 1,
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tensor::ParametersBuilder;

    use super::*;

    fn parameters() -> Parameters {
        let mut builder = ParametersBuilder::zeros();
        builder.add("one".into(), [1], true, |_, _| {});
        builder.finish()
    }

    fn add(parameters: &Parameters, value: f32) {
        let parameter = parameters.iter().next().unwrap();
        parameter.set_gradient(|gradient| gradient[0] += value);
    }

    /// The sum of passes, and how many blocks it took.
    fn summed(passes: &[f32]) -> (f32, usize) {
        let (parameters, mut sum) = (parameters(), PassSum::default());
        for pass in passes {
            sum.begin(&parameters);
            assert_eq!(parameters.gradients_to_host()[0], 0.0, "each pass begins at zero");
            add(&parameters, *pass);
        }
        sum.finish(&parameters);
        (parameters.gradients_to_host()[0], sum.idle.len())
    }

    #[test]
    fn passes_are_added_two_by_two() {
        let large = 16_777_216.0;
        // One after the other, each 1 would be lost beside the large number.
        assert_eq!(summed(&[large, 0.0, 1.0, 1.0]).0, large + 2.0);
        assert_eq!(summed(&[large, 1.0, 1.0]).0, large);
        assert_eq!(summed(&[large, 0.0, 0.0, 0.0, 1.0, 1.0]).0, large + 2.0);
        assert_eq!(summed(&[3.0]), (3.0, 0));
    }

    #[test]
    fn as_many_blocks_are_taken_as_is_said() {
        for passes in 1..=33 {
            assert_eq!(summed(&vec![1.0; passes]), (passes as f32, blocks(passes) as usize), "{passes}");
        }
    }

    #[test]
    fn what_is_forgotten_is_not_added() {
        let (parameters, mut sum) = (parameters(), PassSum::default());
        for _ in 0..3 {
            sum.begin(&parameters);
            add(&parameters, 1.0);
        }
        sum.forget();
        parameters.clear_gradients();
        sum.begin(&parameters);
        add(&parameters, 5.0);
        sum.finish(&parameters);
        assert_eq!(parameters.gradients_to_host()[0], 5.0);
    }
}
