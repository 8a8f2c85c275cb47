//! Items as the pieces that are looked for: question, choices and answer each, in normal form, without frames.

use std::collections::{BTreeMap, HashMap};

use nuwa_text::is_unspaced;

use super::frames::cores;
use super::items::Item;
use super::normal::normal;
use super::parts::{is_question, parts};
use super::units::units;
use crate::pieces::ends_sentence;

/// An item as it is looked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub file: String,
    /// The number of the file.
    pub source: usize,
    pub place: usize,
    pub pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Piece {
    pub text: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Question,
    Other,
    /// Several in a row, as the set writes them: only a long run of it counts.
    Joined,
    /// A sentence with another piece in the place of its blank.
    Filled,
}

/// Strings of fewer words that many items of a file have ("yes", "True, False", "user") say nothing of any of them.
const SHORT: usize = 4;
const MANY: usize = 5;
/// Words of a string in which a question counts by itself.
const FEW: usize = 26;
/// What fills a blank has at most so many words, and at most so many are tried.
const FILLING_WORDS: usize = 8;
const FILLINGS: usize = 6;

/// The pieces of each item.
pub(super) fn of(items: Vec<Item>) -> Vec<Wanted> {
    let mut fields: BTreeMap<(usize, String), Vec<(usize, String)>> = BTreeMap::new();
    let mut wanted = Vec::new();
    for (number, item) in items.into_iter().enumerate() {
        for said in item.strings.into_iter().filter(|said| says_something(&said.field, &said.text)) {
            fields
                .entry((item.source, said.field))
                .or_default()
                .push((number, normal(&said.text).into_owned()));
        }
        wanted.push(Wanted { file: item.file, source: item.source, place: item.place, pieces: Vec::new() });
    }
    for ((_, field), strings) in &fields {
        let texts: Vec<&str> = strings.iter().map(|(_, text)| text.as_str()).collect();
        for ((item, _), cores) in strings.iter().zip(cores(&texts)) {
            cores.into_iter().for_each(|core| take(core, asks(field), &mut wanted[*item].pieces));
        }
    }
    wanted.iter_mut().for_each(|item| fill_blanks(&mut item.pieces));
    leave_out_common(&mut wanted);
    wanted
}

/// Numbers of items, links, and names of parts of a set are no words of an item.
fn says_something(field: &str, text: &str) -> bool {
    let name = field.to_lowercase();
    let name = name.rsplit('.').next().unwrap_or_default();
    let is_about = matches!(
        name,
        "id" | "idx"
            | "ind"
            | "uid"
            | "uuid"
            | "guid"
            | "qid"
            | "hash"
            | "split"
            | "split_type"
            | "url"
            | "urls"
            | "link"
            | "links"
            | "lang"
            | "language"
            | "license"
            | "dataset"
            | "subset"
            | "role"
            | "subject"
            | "category"
    ) || name.ends_with("_id");
    let text = text.trim();
    let is_link = ["http://", "https://", "www."].iter().any(|start| text.starts_with(start));
    let is_label = text.chars().count() < 2
        && !text.contains(is_unspaced)
        && !text.contains(|one: char| one.is_numeric());
    !is_about && !is_link && !is_label
}

/// Whether the field is where an item asks: a question may have no question mark.
fn asks(field: &str) -> bool {
    let name = field.to_lowercase();
    let name = name.rsplit('.').next().unwrap_or_default();
    [
        "question",
        "query",
        "problem",
        "stem",
        "goal",
        "prompt",
        "input",
        "instruction",
        "content",
        "text",
        "问题",
        "题目",
    ]
    .contains(&name)
}

fn take(core: &str, asks: bool, pieces: &mut Vec<Piece>) {
    let parts = parts(core);
    if parts.len() != 1 || parts[0].len() < core.len() {
        pieces.push(Piece { text: core.into(), kind: Kind::Joined });
    }
    let kind = |at: usize, part: &str| match is_question(part) || (asks && at == 0) {
        true => Kind::Question,
        false => Kind::Other,
    };
    for (at, part) in parts.into_iter().enumerate() {
        let asked = questions_within(part).into_iter();
        pieces.extend(asked.map(|asked| Piece { kind: Kind::Question, text: asked.into() }));
        pieces.push(Piece { kind: kind(at, part), text: part.into() });
    }
}

/// The questions within a few words that say something else too: "Tell me this, please: who fires the clay?". What is beside
/// them may be a frame that is not known; in longer texts what comes before belongs to the question.
fn questions_within(part: &str) -> Vec<&str> {
    if !part.contains(['?', '？', '؟']) || units(part).0.len() > FEW {
        return Vec::new();
    }
    let mut sentences = Vec::new();
    let mut from = 0;
    for (at, mark) in part.char_indices() {
        let behind = at + mark.len_utf8();
        if is_bound(mark, part[behind..].chars().next()) {
            sentences.push(&part[from..behind]);
            from = behind;
        }
    }
    let says_more = |sentence: &&str| units(sentence).0.len() < units(part).0.len();
    sentences.into_iter().filter(|sentence| is_question(sentence)).filter(says_more).map(str::trim).collect()
}

/// Whether a sentence or something before it ends here; in scripts without blanks a blank ends something, too.
fn is_bound(mark: char, behind: Option<char>) -> bool {
    ends_sentence(mark)
        || matches!(mark, '\n' | ':' | ')' | ']' | '】' | '|' | '>' | '—' | '–')
        || (mark == ' ' && behind.is_some_and(is_unspaced))
}

fn leave_out_common(items: &mut [Wanted]) {
    let mut counts: HashMap<(usize, String), usize> = HashMap::new();
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    let key = |source: usize, piece: &Piece| {
        let is_short = units(&piece.text).0.len() < SHORT;
        is_short.then(|| (source, piece.text.trim().to_lowercase()))
    };
    for item in &*items {
        *sizes.entry(item.source).or_default() += 1;
        let keys = item.pieces.iter().filter_map(|piece| key(item.source, piece));
        keys.for_each(|key| *counts.entry(key).or_default() += 1);
    }
    for item in items {
        let most = (sizes[&item.source] / 50).max(MANY);
        item.pieces.retain(|piece| key(item.source, piece).is_none_or(|key| counts[&key] <= most));
    }
}

/// Adds the sentences with a blank as they read when one of the other pieces fills it.
fn fill_blanks(pieces: &mut Vec<Piece>) {
    let fillings = || {
        let fits = |piece: &&Piece| {
            piece.kind != Kind::Joined
                && blank(&piece.text).is_none()
                && units(&piece.text).0.len() <= FILLING_WORDS
        };
        pieces.iter().filter(fits).take(FILLINGS)
    };
    let filled = |piece: &Piece| -> Vec<Piece> {
        let Some(place) = blank(&piece.text) else { return Vec::new() };
        let (before, behind) = (&piece.text[..place.start], &piece.text[place.end..]);
        fillings()
            .map(|filling| Piece {
                text: format!("{before}{}{behind}", filling.text.trim()),
                kind: Kind::Filled,
            })
            .collect()
    };
    let added: Vec<Piece> =
        pieces.iter().filter(|piece| piece.kind != Kind::Joined).flat_map(filled).collect();
    pieces.extend(added);
}

/// Where the blank of a sentence is: `_` by itself, `______`, `[MASK]`, or brackets with nothing in them.
fn blank(text: &str) -> Option<std::ops::Range<usize>> {
    const MARKS: [&str; 4] = ["[MASK]", "<mask>", "<blank>", "[blank]"];
    let marked = || MARKS.iter().find_map(|mark| text.find(mark).map(|at| at..at + mark.len()));
    let bracketed = || {
        text.match_indices('(').find_map(|(at, _)| {
            let inner = text[at + 1..].trim_start();
            inner.starts_with(')').then(|| at..text.len() - inner.len() + 1)
        })
    };
    let start = text.match_indices('_').map(|(at, _)| at).find(|at| {
        let apart = |one: Option<char>| one.is_none_or(|one| !one.is_ascii_alphanumeric());
        let behind = text[*at..].trim_start_matches('_').chars().next();
        apart(text[..*at].chars().next_back()) && apart(behind)
    });
    match start {
        Some(start) => {
            let length = text[start..].bytes().take_while(|byte| *byte == b'_').count();
            Some(start..start + length)
        }
        None => marked().or_else(bracketed),
    }
}

#[cfg(test)]
mod tests {
    use super::super::items::Said;
    use super::*;

    fn pieces(strings: &[(&str, &str)]) -> Vec<String> {
        let said = |(field, text): &(&str, &str)| Said { field: field.to_string(), text: text.to_string() };
        let item =
            Item { file: "a".into(), source: 0, place: 1, strings: strings.iter().map(said).collect() };
        let show = |piece: &Piece| format!("{:?}: {}", piece.kind, piece.text.trim());
        of(vec![item]).remove(0).pieces.iter().map(show).collect()
    }

    #[test]
    fn an_item_is_its_question_choices_and_answer() {
        let found = pieces(&[
            ("query", "Question: Who fires the clay?\nAnswer:"),
            ("choices.answers", "the potter"),
            ("choices.label", "A"),
            ("source_id", "activitynet~v 12"),
            ("source", "https://example.org/clay"),
            ("answer", "7"),
        ]);
        assert_eq!(
            found,
            [
                "Other: 7",
                "Other: the potter",
                "Joined: Question: Who fires the clay?\nAnswer:",
                "Question: Who fires the clay?"
            ]
        );
    }

    #[test]
    fn a_question_counts_without_what_is_beside_it() {
        let asked = |text: &str| pieces(&[("a", text)])[0].clone();
        assert_eq!(asked("Tell me this, please: who fires the clay?"), "Question: who fires the clay?");
        assert_eq!(asked("Who fires the clay? True or false?"), "Question: Who fires the clay?");
        assert_eq!(asked("第3题 谁烧制陶土？"), "Question: 谁烧制陶土?");
        assert_eq!(pieces(&[("a", "Who fires the clay?")]).len(), 1);
    }

    #[test]
    fn blanks_are_filled() {
        let found = pieces(&[("sentence", "Ada met Bo but _ left."), ("option1", "Ada"), ("option2", "Bo")]);
        assert_eq!(found[3..], ["Filled: Ada met Bo but Ada left.", "Filled: Ada met Bo but Bo left."]);
        let found = pieces(&[("题", "世界上最长的河是（  ）。"), ("甲", "尼罗河")]);
        assert_eq!(found.last().unwrap(), "Filled: 世界上最长的河是尼罗河。");
        assert_eq!(pieces(&[("a", "the order of Z_24 is"), ("b", "snake_case")]).len(), 2);
    }

    #[test]
    fn what_many_items_say_is_left_out() {
        let said = |text: &str| Said { field: "a".into(), text: text.into() };
        let item = |place: usize| Item {
            file: "a".into(),
            source: 0,
            place,
            strings: vec![said("yes"), said(&format!("clay number {place}"))],
        };
        let wanted = of((1..=6).map(item).collect());
        assert!(wanted.iter().all(|item| item.pieces.len() == 1), "{wanted:?}");
        assert_eq!(of((1..=5).map(item).collect())[0].pieces.len(), 2);
    }
}
