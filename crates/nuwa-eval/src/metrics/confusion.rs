use serde::{Deserialize, Serialize};

/// What was taken for what, and the figures that follow from it, as scikit-learn defines them. A share of nothing is 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// `counts[right][chosen]`.
    pub counts: Vec<Vec<u64>>,
}

/// The figures of one class, or their means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ClassScores {
    /// Of what was taken for it, the share that is.
    pub precision: f64,
    /// Of what it is, the share that was taken for it.
    pub recall: f64,
    /// `2 hits / (right + chosen)`: the harmonic mean of precision and recall.
    pub f1: f64,
}

impl Confusion {
    /// From pairs of the right class and the chosen one.
    pub fn new(classes: Vec<String>, pairs: impl IntoIterator<Item = [usize; 2]>) -> Self {
        let mut counts = vec![vec![0; classes.len()]; classes.len()];
        for [right, chosen] in pairs {
            counts[right][chosen] += 1;
        }
        Self { classes, counts }
    }

    /// How many items of a class there are: its support.
    pub fn right(&self, class: usize) -> u64 {
        self.counts[class].iter().sum()
    }

    /// How many items were taken for a class.
    pub fn chosen(&self, class: usize) -> u64 {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// All items.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    fn hits(&self) -> u64 {
        (0..self.classes.len()).map(|class| self.counts[class][class]).sum()
    }

    /// The share of items that were taken for what they are. Where each item has one class, the micro-averages of precision, recall and F1 are
    /// the same number.
    pub fn accuracy(&self) -> f64 {
        share(self.hits() as f64, self.total() as f64)
    }

    /// The share that always choosing the commonest class would reach.
    pub fn usual(&self) -> f64 {
        let most = (0..self.classes.len()).map(|class| self.right(class)).max();
        share(most.unwrap_or_default() as f64, self.total() as f64)
    }

    /// Precision, recall and F1 of a class.
    pub fn class(&self, class: usize) -> ClassScores {
        let hits = self.counts[class][class] as f64;
        let (right, chosen) = (self.right(class) as f64, self.chosen(class) as f64);
        ClassScores {
            precision: share(hits, chosen),
            recall: share(hits, right),
            f1: share(2.0 * hits, right + chosen),
        }
    }

    /// The classes that an item has or was taken for.
    fn present(&self) -> impl Iterator<Item = usize> {
        (0..self.classes.len()).filter(|class| self.right(*class) + self.chosen(*class) > 0)
    }

    /// The means over the classes that an item has or was taken for, each class counting the same.
    pub fn macro_average(&self) -> ClassScores {
        self.mean(|_| 1.0)
    }

    /// The means over classes, each counting as many times as it has items.
    pub fn weighted_average(&self) -> ClassScores {
        self.mean(|class| self.right(class) as f64)
    }

    fn mean(&self, weight: impl Fn(usize) -> f64) -> ClassScores {
        let all: f64 = self.present().map(&weight).sum();
        let mean = |figure: fn(ClassScores) -> f64| {
            share(self.present().map(|class| weight(class) * figure(self.class(class))).sum(), all)
        };
        ClassScores {
            precision: mean(|scores| scores.precision),
            recall: mean(|scores| scores.recall),
            f1: mean(|scores| scores.f1),
        }
    }

    /// The mean recall of the classes that have items: what accuracy would be if all had as many.
    pub fn balanced_accuracy(&self) -> f64 {
        let with_items = (0..self.classes.len()).filter(|class| self.right(*class) > 0);
        let recalls: Vec<f64> = with_items.map(|class| self.class(class).recall).collect();
        share(recalls.iter().sum(), recalls.len() as f64)
    }

    /// Matthews' correlation coefficient over any number of classes (Gorodkin, 2004), from -1 to 1:
    /// `(hits total - sum chosen right) / sqrt((total^2 - sum chosen^2) (total^2 - sum right^2))`; 0 where that is a division by 0.
    pub fn matthews(&self) -> f64 {
        let total = self.total() as f64;
        let classes = || (0..self.classes.len()).map(|class| [self.right(class), self.chosen(class)]);
        let sum = |term: fn(f64, f64) -> f64| -> f64 {
            classes().map(|[right, chosen]| term(right as f64, chosen as f64)).sum()
        };
        let above = self.hits() as f64 * total - sum(|right, chosen| right * chosen);
        let spread = |squares: f64| total * total - squares;
        let below = spread(sum(|_, chosen| chosen * chosen)) * spread(sum(|right, _| right * right));
        if below > 0.0 { above / below.sqrt() } else { 0.0 }
    }

    /// Cohen's kappa: agreement beyond what chance would give, `(observed - expected) / (1 - expected)`. `None` where chance alone gives
    /// all of it.
    pub fn kappa(&self) -> Option<f64> {
        self.weighted_kappa(|right, chosen| f64::from(u8::from(right != chosen)))
    }

    /// Kappa for classes in an order, disagreement weighing as the square of the distance between the classes' places.
    pub fn quadratic_kappa(&self) -> Option<f64> {
        self.weighted_kappa(|right, chosen| (right.abs_diff(chosen) as f64).powi(2))
    }

    fn weighted_kappa(&self, weight: impl Fn(usize, usize) -> f64) -> Option<f64> {
        let total = self.total() as f64;
        let (mut observed, mut expected) = (0.0, 0.0);
        for (right, row) in self.counts.iter().enumerate() {
            for (chosen, count) in row.iter().enumerate() {
                let weight = weight(right, chosen);
                observed += weight * *count as f64;
                expected += weight * self.right(right) as f64 * self.chosen(chosen) as f64 / total;
            }
        }
        (expected > 0.0).then(|| 1.0 - observed / expected)
    }
}

/// A part of a whole; of nothing, 0.
fn share(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn confusion(right: &[usize], chosen: &[usize], classes: usize) -> Confusion {
        let names = (0..classes).map(|class| class.to_string()).collect();
        Confusion::new(names, right.iter().zip(chosen).map(|(right, chosen)| [*right, *chosen]))
    }

    #[test]
    fn the_figures_are_scikit_learns() {
        let confusion = confusion(&[0, 1, 2, 2, 1, 0, 2, 1, 0, 2], &[0, 2, 2, 2, 1, 0, 1, 1, 1, 2], 3);
        let near = |value: f64, expected: f64| assert!((value - expected).abs() < 1e-9, "{value} {expected}");
        near(confusion.accuracy(), 0.7);
        near(confusion.macro_average().f1, 0.707_142_857_1);
        near(confusion.weighted_average().f1, 0.711_428_571_4);
        near(confusion.matthews(), 0.553_911_709_4);
        near(confusion.kappa().unwrap(), 0.545_454_545_5);
        near(confusion.quadratic_kappa().unwrap(), 0.761_904_761_9);
        near(confusion.usual(), 0.4);
    }

    #[test]
    fn classes_that_do_not_occur_are_in_no_mean() {
        let confusion = confusion(&[0, 0, 1], &[0, 1, 1], 4);
        assert!((confusion.macro_average().recall - 0.75).abs() < 1e-12);
        assert_eq!(confusion.class(3), ClassScores::default());
        assert!((confusion.balanced_accuracy() - 0.75).abs() < 1e-12);
    }

    #[test]
    fn one_class_alone_leaves_nothing_to_agree_on() {
        let confusion = confusion(&[0, 0], &[0, 0], 1);
        assert_eq!((confusion.kappa(), confusion.matthews(), confusion.accuracy()), (None, 0.0, 1.0));
        assert_eq!(Confusion::new(Vec::new(), []).accuracy(), 0.0);
    }
}
