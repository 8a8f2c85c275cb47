//! Strengths from comparisons of two: the model of Bradley and Terry.

/// Newton steps; they converge in fewer than ten.
const STEPS: usize = 100;
/// The largest change of a score at which it counts as found.
const PRECISION: f64 = 1e-10;
/// How strongly a covariate is held to 0: the penalty `RIDGE / 2 b^2` on its coefficient.
const RIDGE: f64 = 0.5;
/// Votes for each side of a compared pair that are added where the votes themselves do not determine the scores.
const PRIOR: f64 = 0.5;

/// A comparison of two.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The place of the first.
    pub first: usize,
    /// The place of the second.
    pub second: usize,
    /// 1 where the first won, 0 where the second did, 1/2 a draw.
    pub outcome: f64,
    /// What else may decide, as how much longer the first is; in standard deviations.
    pub covariate: f64,
}

/// Strengths of all that were compared.
#[derive(Debug, Clone, PartialEq)]
pub struct BradleyTerry {
    /// The scores in log-odds: the first of two wins with the probability `1 / (1 + exp(s_second - s_first))`. Their mean is 0.
    pub scores: Vec<f64>,
    /// The coefficient of the covariate: the log-odds that a standard deviation more of it adds.
    pub effect: Option<f64>,
    /// Whether half a vote was added for each side of each compared pair, since the votes alone give scores without bound: somebody
    /// never won, or never lost.
    pub is_smoothed: bool,
}

impl BradleyTerry {
    /// The scores on the scale of chess: 1000 for the mean, 400 for odds of ten to one.
    pub fn elo(&self) -> Vec<f64> {
        self.scores.iter().map(|score| 1000.0 + 400.0 / std::f64::consts::LN_10 * score).collect()
    }
}

/// The scores of `players` that make `comparisons` most likely (Bradley and Terry, 1952; draws count half for each, as in the
/// leaderboard of Chiang et al., "Chatbot Arena", 2024). `by_covariate` estimates the effect of the covariate along, with a ridge
/// penalty of a half.
///
/// Scores have bounds only where each player is reached from each other one by wins or draws (Ford, 1957); where not, half a vote for
/// each side of each compared pair is added, which is told. None where some were never compared with the others, even by way of
/// third ones.
pub fn bradley_terry(players: usize, comparisons: &[Comparison], by_covariate: bool) -> Option<BradleyTerry> {
    let both = |one: &Comparison| [[one.first, one.second], [one.second, one.first]];
    let met: Vec<[usize; 2]> = comparisons.iter().flat_map(both).collect();
    if players < 2 || !connects(players, &met) {
        return None;
    }
    let mut all = merged(comparisons);
    let is_smoothed = !connects(players, &wins(comparisons));
    if is_smoothed {
        all.extend(prior(comparisons));
    }
    let parameters = newton(players, &all, by_covariate)?;
    let (free, effect) = parameters.split_at(players - 1);
    let mean = free.iter().sum::<f64>() / players as f64;
    let scores = free.iter().chain([&0.0]).map(|score| score - mean).collect();
    Some(BradleyTerry { scores, effect: effect.first().copied(), is_smoothed })
}

/// From each winner to the loser; a draw goes both ways.
fn wins(comparisons: &[Comparison]) -> Vec<[usize; 2]> {
    let mut edges = Vec::new();
    for Comparison { first, second, outcome, .. } in comparisons {
        edges.extend((*outcome > 0.0).then_some([*first, *second]));
        edges.extend((*outcome < 1.0).then_some([*second, *first]));
    }
    edges
}

/// Whether each player is reached from each other one along the edges.
fn connects(players: usize, edges: &[[usize; 2]]) -> bool {
    let reaches_all = |from: usize, to: usize| {
        let mut reached = vec![false; players];
        let mut waiting = vec![0];
        reached[0] = true;
        while let Some(player) = waiting.pop() {
            for edge in edges.iter().filter(|edge| edge[from] == player) {
                if !std::mem::replace(&mut reached[edge[to]], true) {
                    waiting.push(edge[to]);
                }
            }
        }
        reached.into_iter().all(|reached| reached)
    };
    reaches_all(0, 1) && reaches_all(1, 0)
}

/// The different comparisons, each with how often it is there: there are few, and every step goes through all of them.
fn merged(comparisons: &[Comparison]) -> Vec<(Comparison, f64)> {
    let key = |one: &Comparison| (one.first, one.second, one.outcome.to_bits(), one.covariate.to_bits());
    let mut sorted = comparisons.to_vec();
    sorted.sort_unstable_by_key(key);
    sorted.chunk_by(|one, other| key(one) == key(other)).map(|same| (same[0], same.len() as f64)).collect()
}

/// A draw of two half votes for each pair that met, with its weight.
fn prior(comparisons: &[Comparison]) -> Vec<(Comparison, f64)> {
    let mut pairs: Vec<[usize; 2]> =
        comparisons.iter().map(|one| [one.first.min(one.second), one.first.max(one.second)]).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let draw = |[first, second]: [usize; 2]| Comparison { first, second, outcome: 0.5, covariate: 0.0 };
    pairs.into_iter().map(|pair| (draw(pair), 2.0 * PRIOR)).collect()
}

/// Newton's steps to the maximum of `sum w (y log p + (1 - y) log(1 - p))`, which is concave. The last player stands at 0; after the
/// others comes the coefficient of the covariate.
fn newton(players: usize, comparisons: &[(Comparison, f64)], by_covariate: bool) -> Option<Vec<f64>> {
    let mut parameters = vec![0.0; players - 1 + usize::from(by_covariate)];
    let mut likelihood = log_likelihood(players, comparisons, &parameters);
    for _ in 0..STEPS {
        let (gradient, curvature) = derivatives(players, comparisons, &parameters);
        let step = solve(curvature, gradient)?;
        let mut share = 1.0;
        // A whole step may go too far where scores are large.
        let moved = loop {
            let moved: Vec<f64> =
                parameters.iter().zip(&step).map(|(own, step)| own + share * step).collect();
            let found = log_likelihood(players, comparisons, &moved);
            if found >= likelihood || share < PRECISION {
                likelihood = found;
                break moved;
            }
            share /= 2.0;
        };
        let change = parameters.iter().zip(&moved).map(|(old, new)| (old - new).abs()).fold(0.0, f64::max);
        parameters = moved;
        if change < PRECISION {
            break;
        }
    }
    Some(parameters)
}

/// What a comparison multiplies the parameters with: +1 the first, -1 the second, and its covariate.
fn features(players: usize, one: &Comparison, count: usize) -> Vec<f64> {
    let mut features = vec![0.0; count];
    for (player, sign) in [(one.first, 1.0), (one.second, -1.0)] {
        if player < players - 1 {
            features[player] = sign;
        }
    }
    if count == players {
        features[players - 1] = one.covariate;
    }
    features
}

fn log_odds(features: &[f64], parameters: &[f64]) -> f64 {
    features.iter().zip(parameters).map(|(feature, parameter)| feature * parameter).sum()
}

/// The coefficient of the covariate, where there is one.
fn coefficient(players: usize, parameters: &[f64]) -> f64 {
    parameters.get(players - 1).copied().unwrap_or_default()
}

fn log_likelihood(players: usize, comparisons: &[(Comparison, f64)], parameters: &[f64]) -> f64 {
    let of = |(one, weight): &(Comparison, f64)| {
        let odds = log_odds(&features(players, one, parameters.len()), parameters);
        // log of 1 / (1 + exp(-x)), without overflow.
        let log_sigmoid = |x: f64| -(-x.abs()).exp().ln_1p() + x.min(0.0);
        weight * (one.outcome * log_sigmoid(odds) + (1.0 - one.outcome) * log_sigmoid(-odds))
    };
    let penalty = RIDGE / 2.0 * coefficient(players, parameters).powi(2);
    comparisons.iter().map(of).sum::<f64>() - penalty
}

/// The gradient, and the negative of the second derivatives.
fn derivatives(
    players: usize,
    comparisons: &[(Comparison, f64)],
    parameters: &[f64],
) -> (Vec<f64>, Vec<Vec<f64>>) {
    let count = parameters.len();
    let (mut gradient, mut curvature) = (vec![0.0; count], vec![vec![0.0; count]; count]);
    for (one, weight) in comparisons {
        let features = features(players, one, count);
        let probability = 1.0 / (1.0 + (-log_odds(&features, parameters)).exp());
        let spread = weight * probability * (1.0 - probability);
        for (row, feature) in features.iter().enumerate().filter(|(_, feature)| **feature != 0.0) {
            gradient[row] += weight * (one.outcome - probability) * feature;
            for (column, other) in features.iter().enumerate() {
                curvature[row][column] += spread * feature * other;
            }
        }
    }
    if count == players {
        gradient[count - 1] -= RIDGE * coefficient(players, parameters);
        curvature[count - 1][count - 1] += RIDGE;
    }
    (gradient, curvature)
}

/// The solution of `matrix x = right` (Gauss, with the largest pivot); none where there is not one alone.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let count = right.len();
    for column in 0..count {
        let pivot =
            (column..count).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        let (above, below) = matrix.split_at_mut(column + 1);
        let own = &above[column];
        for (row, values) in below.iter_mut().enumerate() {
            let factor = values[column] / own[column];
            values.iter_mut().zip(own).skip(column).for_each(|(value, own)| *value -= factor * own);
            right[column + 1 + row] -= factor * right[column];
        }
    }
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|column| matrix[row][column] * right[column]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    Some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn votes(table: &[(usize, usize, f64, usize)]) -> Vec<Comparison> {
        let of = |&(first, second, outcome, count): &(usize, usize, f64, usize)| {
            vec![Comparison { first, second, outcome, covariate: 0.0 }; count]
        };
        table.iter().flat_map(of).collect()
    }

    #[test]
    fn scores_are_those_of_the_leaderboard() {
        let table = [
            (0, 1, 1.0, 7),
            (0, 1, 0.0, 3),
            (1, 0, 0.5, 2),
            (1, 2, 1.0, 6),
            (2, 1, 1.0, 4),
            (0, 2, 1.0, 8),
            (0, 2, 0.0, 1),
            (0, 2, 0.5, 1),
        ];
        let found = bradley_terry(3, &votes(&table), false).unwrap();
        // FastChat's `compute_elo_mle_with_tie`, by its formula: logits and points.
        for (found, expected) in found.scores.iter().zip([0.764229, -0.090416, -0.673813]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
        for (found, expected) in found.elo().iter().zip([1132.76, 984.293, 882.947]) {
            assert!((found - expected).abs() < 6e-3, "{found} {expected}");
        }
        assert_eq!((found.effect, found.is_smoothed), (None, false));
    }

    #[test]
    fn two_players_have_the_log_odds_of_their_wins() {
        let found = bradley_terry(2, &votes(&[(0, 1, 1.0, 9), (0, 1, 0.0, 3)]), false).unwrap();
        assert!((found.scores[0] - found.scores[1] - 3.0_f64.ln()).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_winner_of_everything_has_a_finite_score_and_it_is_told() {
        let found = bradley_terry(2, &votes(&[(0, 1, 1.0, 9)]), false).unwrap();
        assert!(found.is_smoothed);
        // 9 1/2 wins to 1/2.
        assert!((found.scores[0] - found.scores[1] - 19.0_f64.ln()).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn players_who_never_met_have_no_scores() {
        assert_eq!(bradley_terry(4, &votes(&[(0, 1, 0.5, 3), (2, 3, 0.5, 3)]), false), None);
        assert_eq!(bradley_terry(2, &[], false), None);
    }

    #[test]
    fn a_covariate_takes_what_it_explains() {
        // Whoever is longer wins four times of five; both are so equally often.
        let of = |covariate: f64, outcome: f64, count: usize| {
            vec![Comparison { first: 0, second: 1, outcome, covariate }; count]
        };
        let all = [of(1.0, 1.0, 400), of(1.0, 0.0, 100), of(-1.0, 1.0, 100), of(-1.0, 0.0, 400)].concat();
        let found = bradley_terry(2, &all, true).unwrap();
        assert!(found.scores[0].abs() < 1e-9, "{found:?}");
        // log 4, less what the penalty of a half takes of it over 1000 votes.
        assert!((found.effect.unwrap() - 4.0_f64.ln()).abs() < 0.01, "{found:?}");
    }
}
