//! Sums as the tool set works them out: numbers, `+ - * /`, `× ÷`, and parentheses.

/// Deeper than any sum that is asked.
const DEEPEST: usize = 64;

/// What `text` comes to; none where it is no sum, or comes to no number.
///
/// ```
/// use nuwa_infer::calculate;
///
/// assert_eq!(calculate("2 * (3 + 4.5) - 1"), Some(14.0));
/// assert_eq!(calculate("Where does Mina live?"), None);
/// assert_eq!(calculate("7"), None, "a number alone is no sum");
/// ```
pub fn calculate(text: &str) -> Option<f64> {
    let text = text.trim().trim_end_matches(['=', '?', '？']);
    let characters: Vec<char> = text.chars().filter(|character| !character.is_whitespace()).collect();
    let operations = |character: &char| "+-*/×÷−".contains(*character);
    if !characters.iter().skip(1).any(operations) {
        return None;
    }
    let mut sum = Sum { characters: &characters, at: 0, depth: 0 };
    let value = sum.terms()?;
    (sum.at == characters.len() && value.is_finite()).then_some(value)
}

/// A sum while it is read.
struct Sum<'a> {
    characters: &'a [char],
    at: usize,
    depth: usize,
}

impl Sum<'_> {
    fn next_of(&mut self, wanted: &str) -> Option<char> {
        let next = self.characters.get(self.at).copied().filter(|next| wanted.contains(*next))?;
        self.at += 1;
        Some(next)
    }

    fn terms(&mut self) -> Option<f64> {
        let mut value = self.factors()?;
        while let Some(sign) = self.next_of("+-−") {
            let next = self.factors()?;
            value = if sign == '+' { value + next } else { value - next };
        }
        Some(value)
    }

    fn factors(&mut self) -> Option<f64> {
        let mut value = self.factor()?;
        while let Some(sign) = self.next_of("*×/÷") {
            let next = self.factor()?;
            value = if "*×".contains(sign) { value * next } else { value / next };
        }
        Some(value)
    }

    fn factor(&mut self) -> Option<f64> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = if self.next_of("-−").is_some() {
            self.factor().map(|value| -value)
        } else if self.next_of("(（").is_some() {
            let inner = self.terms();
            self.next_of(")）").and(inner)
        } else {
            self.number()
        };
        self.depth -= 1;
        value
    }

    fn number(&mut self) -> Option<f64> {
        let rest = &self.characters[self.at..];
        let length = rest.iter().take_while(|next| next.is_ascii_digit() || **next == '.').count();
        self.at += length;
        rest[..length].iter().collect::<String>().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_come_before_sums_and_signs_before_both() {
        for (sum, value) in [
            ("3 + 4", 7.0),
            ("3+4*2-1", 10.0),
            ("-(1 + 2) * 3 =", -9.0),
            ("8 ÷ 4 × 3", 6.0),
            ("1/4", 0.25),
            ("2 - -2", 4.0),
        ] {
            assert_eq!(calculate(sum), Some(value), "{sum}");
        }
        let deep = "(".repeat(1000) + "1+1" + &")".repeat(1000);
        for none in ["", "+", "1 +", "1 / 0", "(1 + 2", "1 + 2)", "a + b", "-5", &deep] {
            assert_eq!(calculate(none), None, "{none}");
        }
    }
}
