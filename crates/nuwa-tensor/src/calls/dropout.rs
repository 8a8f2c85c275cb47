use crate::Random;

/// Which weights are dropped: a function of the query's row, its head and the key alone, so that backward and every number of
/// threads draw the same. Four neighbouring keys share the four words of one draw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropout {
    random: Random,
    threshold: u32,
    scale: f32,
}

impl Dropout {
    /// Keys that share one draw.
    pub const GROUP: usize = 4;

    /// Each weight becomes 0 with this probability; the others grow by `1 / (1 - probability)`.
    pub fn new(random: Random, probability: f32) -> Self {
        let threshold = (f64::from(probability) * 2_f64.powi(32)) as u32;
        Self { random, threshold, scale: 1.0 / (1.0 - probability) }
    }

    /// The draw of a group of keys: query `row` of all sequences, `head` of `heads`, `key` of `keys`.
    #[inline(always)]
    pub fn draw(row: usize, [head, heads]: [usize; 2], [key, keys]: [usize; 2]) -> u64 {
        let query = row as u64 * heads as u64 + head as u64;
        query * keys.div_ceil(Self::GROUP) as u64 + (key / Self::GROUP) as u64
    }

    /// What the weights of a group of keys are multiplied by.
    #[inline(always)]
    pub fn factors(&self, draw: u64) -> [f32; Self::GROUP] {
        self.random.words(draw).map(|word| if word >= self.threshold { self.scale } else { 0.0 })
    }
}
