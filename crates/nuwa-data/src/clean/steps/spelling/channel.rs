//! How likely a slip is: the cost of writing one word for another, as a negative logarithm of a probability.
//!
//! The optimal string alignment distance (Damerau 1964; each stretch is edited once) with a weight for each kind of
//! edit. The weights follow what people do: letters doubled or not doubled, neighbours that change places and vowels
//! taken for each other are frequent, a wrong first letter is rare (Pollock and Zamora 1984,
//! <https://doi.org/10.1145/358027.358048>). They were set by hand; see the measurement in docs/benchmarks.md.

/// Longest word that is compared, in letters.
pub(super) const LONGEST: usize = 24;

const TRANSPOSED: f32 = 2.0;
const DOUBLED: f32 = 1.8;
const FIRST_LETTER: f32 = 2.5;

/// The cost of `wrong` for `right`; `None` where it is more than `limit`.
pub(super) fn cost(wrong: &[char], right: &[char], limit: f32) -> Option<f32> {
    if wrong.len() > LONGEST || right.len() > LONGEST || wrong.len().abs_diff(right.len()) > 2 {
        return None;
    }
    let mut rows = [[0.0_f32; LONGEST + 1]; 3];
    for column in 1..=right.len() {
        rows[0][column] = rows[0][column - 1] + missing(right, column - 1);
    }
    for row in 1..=wrong.len() {
        // Rows of before the last two are not looked at any more.
        let [two_before, before, now] = turned(&mut rows, row);
        now[0] = before[0] + superfluous(wrong, row - 1);
        for column in 1..=right.len() {
            let (letter, meant) = (wrong[row - 1], right[column - 1]);
            let first = if row == 1 && column == 1 { FIRST_LETTER } else { 0.0 };
            let replaced = if letter == meant { 0.0 } else { replaced(letter, meant) + first };
            let mut least = before[column - 1] + replaced;
            least = least.min(before[column] + superfluous(wrong, row - 1));
            least = least.min(now[column - 1] + missing(right, column - 1));
            if row > 1 && column > 1 && letter == right[column - 2] && wrong[row - 2] == meant {
                let first = if row == 2 { FIRST_LETTER / 2.0 } else { 0.0 };
                least = least.min(two_before[column - 2] + TRANSPOSED + first);
            }
            now[column] = least;
        }
    }
    let cost = rows[wrong.len() % 3][right.len()];
    (cost <= limit).then_some(cost)
}

type Row = [f32; LONGEST + 1];

/// The rows `row - 2`, `row - 1` and `row` of the table, of which three are kept.
fn turned(rows: &mut [Row; 3], row: usize) -> [&mut Row; 3] {
    let [a, b, c] = rows;
    match row % 3 {
        0 => [b, c, a],
        1 => [c, a, b],
        _ => [a, b, c],
    }
}

/// A letter that was left out.
fn missing(right: &[char], at: usize) -> f32 {
    let letter = right[at];
    let first = if at == 0 { FIRST_LETTER } else { 0.0 };
    first
        + match letter {
            _ if is_doubled(right, at) => DOUBLED,
            'h' | 'e' => 2.5,
            _ if is_vowel(letter) => 2.7,
            _ => 3.0,
        }
}

/// A letter too much.
fn superfluous(wrong: &[char], at: usize) -> f32 {
    let letter = wrong[at];
    let first = if at == 0 { FIRST_LETTER } else { 0.0 };
    first
        + match letter {
            _ if is_doubled(wrong, at) => DOUBLED,
            _ if is_vowel(letter) || letter == 'h' => 3.0,
            _ => 3.7,
        }
}

fn is_doubled(word: &[char], at: usize) -> bool {
    at > 0 && word[at - 1] == word[at]
}

fn replaced(letter: char, meant: char) -> f32 {
    if letter.is_ascii() != meant.is_ascii() {
        // A word with an accent is rather one of another language.
        6.0
    } else if is_vowel(letter) && is_vowel(meant) {
        2.3
    } else if sounds_alike(letter, meant) {
        2.6
    } else if are_neighbours(letter, meant) {
        3.2
    } else {
        4.5
    }
}

fn is_vowel(letter: char) -> bool {
    matches!(letter, 'a' | 'e' | 'i' | 'o' | 'u' | 'y' | 'à'..='æ' | 'è'..='ï' | 'ò'..='ö' | 'ù'..='ý')
}

/// Consonants that are taken for each other by ear; not s and z, which both are right in many words.
fn sounds_alike(one: char, other: char) -> bool {
    const GROUPS: [&str; 8] = ["cs", "ckq", "gj", "fv", "dt", "bp", "mn", "uw"];
    GROUPS.iter().any(|group| group.contains(one) && group.contains(other))
}

/// Keys that lie side by side on the usual keyboard of the Latin script.
fn are_neighbours(one: char, other: char) -> bool {
    const ROWS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];
    let place =
        |letter: char| ROWS.iter().enumerate().find_map(|(row, keys)| Some((row, keys.find(letter)?)));
    let (Some((row, column)), Some((other_row, other_column))) = (place(one), place(other)) else {
        return false;
    };
    // Each row stands half a key further to the right than the one above.
    match row.abs_diff(other_row) {
        0 => column.abs_diff(other_column) == 1,
        1 => {
            let (above, below) =
                if row < other_row { (column, other_column) } else { (other_column, column) };
            above == below || above == below + 1
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(wrong: &str, right: &str) -> f32 {
        let letters = |word: &str| word.chars().collect::<Vec<char>>();
        cost(&letters(wrong), &letters(right), f32::MAX).unwrap_or(f32::MAX)
    }

    #[test]
    fn frequent_slips_cost_less() {
        assert_eq!(of("same", "same"), 0.0);
        assert_eq!(of("recieve", "receive"), TRANSPOSED);
        assert_eq!(of("adress", "address"), DOUBLED);
        assert!(of("seperate", "separate") < of("sexarate", "separate"));
        assert!(of("hpuse", "house") > of("huose", "house"));
        assert!(of("xouse", "house") > of("hoxse", "house"));
        assert!(of("wird", "word") < of("wkrd", "word"));
        assert_eq!(of("short", "much longer"), f32::MAX);
    }

    #[test]
    fn two_slips_add_up() {
        assert_eq!(of("acommodaiton", "accommodation"), DOUBLED + TRANSPOSED);
        assert!((of("definately", "definitely") - 2.3).abs() < 1e-6);
    }
}
