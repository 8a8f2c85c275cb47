//! Which word of a source each word of its answer attended to, as a table.

use std::ops::Range;

use nuwa_infer::Engine;
use nuwa_tokenizer::Tokenizer;
use nuwa_train::objectives::Words;
use unicode_width::UnicodeWidthStr;

/// A word and the tokens that make it up.
struct Word {
    text: String,
    tokens: Range<usize>,
}

/// A line for each word of the answer: the word, the word of the source that it attended to most, and how much of its attention
/// that was. The end of a text is a word of its own.
pub fn table(engine: &Engine, source: &[u32], answer: &[u32]) -> anyhow::Result<String> {
    let weights = engine.alignment(source, answer)?;
    let starts = Words::new(engine.tokenizer());
    let [sources, answers] = [source, answer].map(|ids| words(engine.tokenizer(), &starts, ids));
    let (sources, answers) = (sources?, answers?);
    let width = answers.iter().map(|word| word.text.width()).max().unwrap_or_default();
    let line = |word: &Word| {
        let (attended, share) = most_attended(&weights[word.tokens.clone()], &sources);
        let blanks = " ".repeat(width - word.text.width());
        format!("    {}{blanks}  {:>4.0} %  {attended}\n", word.text, 100.0 * share)
    };
    Ok(answers.iter().map(line).collect())
}

/// The word of the source with the most weight, the mean over some tokens of the answer.
fn most_attended<'a>(weights: &[Vec<f32>], sources: &'a [Word]) -> (&'a str, f64) {
    let of_word = |word: &Word| {
        let rows = weights.iter().map(|row| row[word.tokens.clone()].iter().map(|&weight| f64::from(weight)).sum::<f64>());
        rows.sum::<f64>() / weights.len().max(1) as f64
    };
    let all = sources.iter().map(|word| (word.text.as_str(), of_word(word)));
    all.max_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or_default()
}

/// Tokens put together to words.
fn words(tokenizer: &Tokenizer, starts: &Words, ids: &[u32]) -> anyhow::Result<Vec<Word>> {
    let mut ranges: Vec<Range<usize>> = Vec::new();
    for (at, &id) in ids.iter().enumerate() {
        match ranges.last_mut() {
            Some(range) if !starts.starts(id) => range.end = at + 1,
            _ => ranges.push(at..at + 1),
        }
    }
    let word = |tokens: Range<usize>| {
        let text = tokenizer.decode(&ids[tokens.clone()])?.trim().to_string();
        Ok(Word { text, tokens })
    };
    ranges.into_iter().map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_of_pieces_make_up_those_of_words() {
        let word = |text: &str, tokens: Range<usize>| Word { text: text.into(), tokens };
        let sources = [word("clay", 0..2), word("water", 2..3)];
        let weights = [vec![0.3, 0.3, 0.4], vec![0.1, 0.1, 0.8]];
        let (attended, share) = most_attended(&weights[..1], &sources);
        assert!(attended == "clay" && (share - 0.6).abs() < 1e-6);
        let (attended, share) = most_attended(&weights, &sources);
        assert!(attended == "water" && (share - 0.6).abs() < 1e-6);
    }
}
