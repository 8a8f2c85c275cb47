//! Characters that stand somewhere on a page, as lines of text.
//!
//! A gap of a seventh of the type size is a blank (justified lines shrink theirs so far), a change of line a line end, a larger
//! step an empty line, all along the direction in which the text runs; a word parted by a hyphen at the end of a line is
//! joined again.

use super::geometry::Point;

/// The characters of a page as lines.
#[derive(Default)]
pub(super) struct Lines {
    pub text: String,
    last: Option<Place>,
}

/// Where a character stands on the page.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub start: Point,
    pub end: Point,
    /// The way the line runs, of length 1.
    pub along: Point,
    /// The height of an em.
    pub size: f64,
}

/// The steps from one character to the next that mean something, in parts of the type size.
const BLANK: f64 = 0.15;
const NEW_LINE: f64 = 0.5;
const NEW_PARAGRAPH: f64 = 1.8;
/// The cosine of the angle between two letters of a line, at least: text may run along a curve.
const SAME_DIRECTION: f64 = 0.7;
/// So many lines of one letter each are one line that runs down the page.
const LETTERS_BELOW: usize = 4;

impl Lines {
    pub fn push(&mut self, character: &str, place: Place) {
        if let Some(last) = self.last {
            self.step(last, place, character);
        }
        self.text.push_str(character);
        self.last = Some(place);
    }

    fn step(&mut self, last: Place, place: Place, next: &str) {
        let size = last.size.max(place.size).max(0.001);
        let down = last.along.cross(place.start - last.start).abs() / size;
        let right = last.along.dot(place.start - last.end) / size;
        if down > NEW_PARAGRAPH || last.along.dot(place.along) < SAME_DIRECTION {
            self.end_line("\n\n");
        } else if down > NEW_LINE {
            if !self.join_hyphen(next) {
                self.end_line("\n");
            }
        } else if !(-1.0..=BLANK).contains(&right) && !self.text.ends_with([' ', '\n']) && next != " " {
            self.blank(right, next);
        }
    }

    /// The dots that lead to the number of a page stand apart, and are one run all the same.
    fn blank(&mut self, gap: f64, next: &str) {
        if next != "." || !self.text.ends_with('.') || gap.abs() > NEW_LINE {
            self.text.push(' ');
        }
    }

    fn end_line(&mut self, end: &str) {
        self.text.truncate(self.text.trim_end_matches(' ').len());
        if !self.text.is_empty() {
            self.text.push_str(end);
        }
    }

    /// Joins "exam-" and "ple".
    fn join_hyphen(&mut self, next: &str) -> bool {
        let line = self.text.trim_end_matches(' ');
        let word = line.strip_suffix(['-', '\u{ad}', '\u{2010}']);
        let Some(word) = word.filter(|word| word.ends_with(char::is_lowercase)) else { return false };
        let joins = next.starts_with(char::is_lowercase);
        if joins {
            self.text.truncate(word.len());
        }
        joins
    }
}

/// Joins lines of single letters: text that is written from top to bottom.
pub(super) fn letters_joined(page: &str) -> String {
    let lines: Vec<&str> = page.split('\n').collect();
    let is_letter = |line: &&str| {
        let mut characters = line.trim().chars();
        characters.next().is_some_and(char::is_alphabetic) && characters.next().is_none()
    };
    let mut joined: Vec<String> = Vec::new();
    for run in lines.chunk_by(|one, next| is_letter(one) == is_letter(next)) {
        match is_letter(&run[0]) && run.len() >= LETTERS_BELOW {
            true => joined.push(run.iter().map(|line| line.trim()).collect()),
            false => joined.extend(run.iter().map(|line| line.to_string())),
        }
    }
    joined.join("\n")
}
