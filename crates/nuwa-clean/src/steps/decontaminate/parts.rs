//! A string of an item cut into what it says: question, choices and answer each, without labels and instructions.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use nuwa_text::is_unspaced;

use super::normal::normal;
use super::units::{Words, units};
use crate::pieces::ends_sentence;

/// Labels that stand before a colon, or on a line of their own, in the languages that sets are written in.
const LABELS: &str = "question|q|answer|a|the answer is|final answer|correct answer|best answer|answer choices|context|\
    passage|premise|hypothesis|goal|sentence|statement|problem|solution|input|output|instruction|instructions|text|paragraph|\
    article|document|story|options|choices|option|choice|explanation|response|user|assistant|human|system|topic|subject|\
    query|claim|evidence|dialogue|conversation|completion|task|example|reasoning|begin|end|\
    问题|问|题目|题|答案|答|回答|解答|解|选项|选择|正确答案|参考答案|答案是|上下文|文章|段落|前提|假设|句子|输入|输出|指令|\
    用户|助手|解析|材料|質問|問題|問|答え|選択肢|文脈|解答|入力|応答|指示|질문|답변|답|정답|문제|보기|선택지|지문|문맥|\
    frage|antwort|kontext|aufgabe|lösung|optionen|réponse|contexte|problème|pregunta|respuesta|contexto|opciones|problema|\
    solución|domanda|risposta|contesto|opzioni|pergunta|resposta|opções|questão|alternativas|vraag|antwoord|fråga|svar|\
    pytanie|odpowiedź|otázka|odpověď|kysymys|vastaus|soru|cevap|вопрос|ответ|контекст|варианты|задача|решение|текст|\
    питання|відповідь|ερώτηση|απάντηση|سؤال|السؤال|الجواب|جواب|الإجابة|پاسخ|שאלה|תשובה|प्रश्न|उत्तर|প্রশ্ন|উত্তর|\
    คำถาม|คำตอบ|câu hỏi|trả lời|đáp án|pertanyaan|jawaban";

/// What an instruction speaks of, and items hardly do.
const TASK: &str = "answer|answers|question|questions|choose|select|pick|options|choices|option|choice|antworte|wähle|réponds|\
    choisissez|responde|elige";
/// The same in scripts without blanks.
const TASK_UNSPACED: [&str; 6] = ["选项", "选择题", "回答", "正确答案", "作答", "選択肢"];

fn set(words: &str) -> HashSet<String> {
    words.split('|').map(|word| normal(word.trim()).into_owned()).collect()
}

static LABEL_SET: LazyLock<HashSet<String>> = LazyLock::new(|| set(LABELS));
static TASK_SET: LazyLock<HashSet<String>> = LazyLock::new(|| set(TASK));

/// The words of the longest label.
const LABEL_WORDS: usize = 8;
const FEWEST_QUESTION_WORDS: usize = 4;

/// What the string says, in its order; labels and instructions are left out.
pub(super) fn parts(text: &str) -> Vec<&str> {
    let (units, places) = units(text);
    let words = Words { text, units: &units, places: &places };
    let mut cuts: Vec<Range<usize>> = labels(&words);
    cuts.extend(options(text));
    cuts.sort_by_key(|cut| cut.start);
    let mut parts = Vec::new();
    let mut from = 0;
    for cut in cuts.iter().chain([&(text.len()..text.len())]) {
        if cut.start >= from {
            parts.extend(lines(&text[from..cut.start]));
        }
        from = from.max(cut.end);
    }
    let is_mark = |mark: char| {
        mark.is_whitespace()
            || matches!(mark, '#' | '*' | '<' | '>' | '|' | '[' | ']' | '=' | ':' | '：' | '【' | '】')
    };
    let bare = parts.into_iter().map(|part| without_instructions(part).trim_matches(is_mark));
    let parts: Vec<&str> = bare.filter(|part| part.contains(char::is_alphanumeric)).collect();
    // A choice may be a word that is a label elsewhere: "story".
    if parts.is_empty() { vec![text.trim()] } else { parts }
}

/// Where labels stand.
fn labels(words: &Words) -> Vec<Range<usize>> {
    (0..words.units.len()).filter_map(|at| label(words, at)).collect()
}

/// At the beginning of a sentence; with a capital letter, or in a script without blanks, anywhere.
fn label(words: &Words, at: usize) -> Option<Range<usize>> {
    let start = words.places[at].start;
    let first = words.text[start..].chars().next()?;
    let begins = words.begins(at);
    if !begins && !first.is_uppercase() && !is_unspaced(first) {
        return None;
    }
    let line = words.text[..start].rfind('\n').map_or(0, |end| end + 1);
    let is_first = !words.text[line..start].contains(char::is_alphanumeric);
    let last = words.places.len().min(at + LABEL_WORDS);
    (at + 1..=last).rev().find_map(|end| {
        let end = words.places[end - 1].end;
        let said = &words.text[start..end];
        let is_long = said.chars().nth(1).is_some();
        let behind = words.text[end..].trim_start_matches(['*', '|', '>', ']', '#', '=', ' ', '.']);
        let is_alone = is_first && is_long && (behind.is_empty() || behind.starts_with('\n'));
        let has_colon = behind.starts_with([':', '：', '】']) && (begins || is_long);
        ((has_colon || is_alone) && is_label(said)).then_some(start..end)
    })
}

/// "Question", "Question 12", "Q3".
fn is_label(said: &str) -> bool {
    let name = said.to_lowercase();
    let name = name.trim_end_matches(|character: char| {
        character.is_ascii_digit() || matches!(character, ' ' | '#' | '.')
    });
    LABEL_SET.contains(name)
}

/// Where the labels of choices stand: (A), (B), or A. B. C., in their order and at least two.
fn options(text: &str) -> Vec<Range<usize>> {
    let found: Vec<(char, Range<usize>)> =
        text.char_indices().filter_map(|(at, _)| option(text, at)).collect();
    ['A', 'a', '1']
        .into_iter()
        .map(|first| chain(&found, first))
        .max_by_key(Vec::len)
        .filter(|chain| chain.len() > 1)
        .unwrap_or_default()
}

/// The labels that follow one another from `first` on.
fn chain(found: &[(char, Range<usize>)], first: char) -> Vec<Range<usize>> {
    let mut wanted = first as u8;
    let mut chain = Vec::new();
    for (label, place) in found {
        if *label == wanted as char {
            chain.push(place.clone());
            wanted += 1;
        }
    }
    chain
}

fn option(text: &str, at: usize) -> Option<(char, Range<usize>)> {
    let label = *text.as_bytes().get(at).filter(|byte| byte.is_ascii_alphanumeric())?;
    let before = text[..at].chars().next_back();
    let opens = before.is_some_and(|mark| matches!(mark, '(' | '[' | '（'));
    let behind = text[at + 1..].chars().next()?;
    let closes = if opens {
        matches!(behind, ')' | ']' | '）')
    } else {
        matches!(behind, '.' | ')' | ':' | '、' | '．' | '：')
    };
    // A number counts at the beginning of a line only: "in 1. and 2." counts nothing.
    let is_apart = match label {
        b'0'..=b'9' => opens || before.is_none_or(|mark| mark == '\n'),
        _ => {
            opens
                || before.is_none_or(|mark| {
                    !mark.is_ascii_alphanumeric() && !matches!(mark, '.' | '_' | '-' | '\'')
                })
        }
    };
    let start = at - if opens { before.map_or(0, char::len_utf8) } else { 0 };
    (closes && is_apart).then(|| (label as char, start..at + 1 + behind.len_utf8()))
}

/// The lines where one of them is a question, for the others are its choices; what semicolons part; else the whole.
fn lines(part: &str) -> Vec<&str> {
    let lines = || part.lines().map(str::trim).filter(|line| !line.is_empty());
    let asks = |line: &str| is_question(line) && units(line).0.len() >= FEWEST_QUESTION_WORDS;
    if lines().any(asks) {
        return lines().collect();
    }
    match part.contains("; ") || part.contains('；') {
        true => part.split(['；', ';']).map(str::trim).collect(),
        false => vec![part.trim()],
    }
}

/// Whether it ends with a question mark.
pub(super) fn is_question(part: &str) -> bool {
    let end = part
        .trim_end_matches(|mark: char| mark.is_whitespace() || matches!(mark, '"' | '”' | '\'' | ')' | '*'));
    end.ends_with(['?', '？', '؟'])
}

/// Without sentences at its beginning and end that say how to answer, where anything else is left.
fn without_instructions(part: &str) -> &str {
    let mut sentences = sentences(part);
    while sentences.len() > 1 && is_instruction(sentences[0]) {
        sentences.remove(0);
    }
    while sentences.len() > 1 && is_instruction(sentences[sentences.len() - 1]) {
        sentences.pop();
    }
    match (sentences.first(), sentences.last()) {
        (Some(first), Some(last)) => {
            let start = first.as_ptr() as usize - part.as_ptr() as usize;
            let end = last.as_ptr() as usize - part.as_ptr() as usize + last.len();
            &part[start..end]
        }
        _ => part,
    }
}

fn sentences(part: &str) -> Vec<&str> {
    let ends = |mark: char| ends_sentence(mark) || mark == '\n';
    part.split_inclusive(ends).filter(|sentence| sentence.contains(char::is_alphanumeric)).collect()
}

fn is_instruction(sentence: &str) -> bool {
    let word = |word: &str| TASK_SET.contains(&word.to_lowercase());
    let speaks = sentence.split(|character: char| !character.is_alphanumeric()).any(word)
        || TASK_UNSPACED.iter().any(|task| sentence.contains(task))
        || sentence.to_lowercase().contains("step by step");
    speaks && !is_question(sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        parts(text).into_iter().map(str::trim).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn frames_are_no_part() {
        assert_eq!(said("Question: Who fires the clay?\nAnswer:"), "Who fires the clay?");
        assert_eq!(said("Q3. Who fires clay"), "Q3. Who fires clay");
        assert_eq!(
            said("**Question 3:** Who fires the clay? Answer: the potter"),
            "Who fires the clay? | the potter"
        );
        assert_eq!(said("### Instruction:\nFire the clay\n\n### Response"), "Fire the clay");
        assert_eq!(said("<|user|>\nWho fires the clay?\n<|assistant|>"), "Who fires the clay?");
        assert_eq!(said("问题：谁烧制陶土？\n答案："), "谁烧制陶土？");
        assert_eq!(said("【题目】谁烧制陶土？【答案】"), "谁烧制陶土？");
        assert_eq!(said("Вопрос: Кто обжигает глину?\nОтвет:"), "Кто обжигает глину?");
        assert_eq!(said("story"), "story");
        assert_eq!(said("Note: the answer is near"), "Note: the answer is near");
    }

    #[test]
    fn choices_are_parts() {
        let choices = "Who fires the clay? | the potter | the owl";
        assert_eq!(said("Who fires the clay?\nA. the potter\nB. the owl\nAnswer:"), choices);
        assert_eq!(said("Who fires the clay? (a) the potter (b) the owl"), choices);
        assert_eq!(said("Who fires the clay?\nthe potter\nthe owl"), choices);
        assert_eq!(said("Who fires the clay?\n1) the potter\n2) the owl\n"), choices);
        assert_eq!(said("谁烧制陶土？A．陶工B．猫头鹰"), "谁烧制陶土？ | 陶工 | 猫头鹰");
        assert_eq!(said("plan A. It is good. See also C."), "plan A. It is good. See also C.");
        assert_eq!(
            said("Clay is fired by Options: potters; owls; the sea."),
            "Clay is fired by | potters | owls | the sea."
        );
        assert_eq!(said("one line\nand another"), "one line\nand another");
    }

    #[test]
    fn instructions_are_no_part() {
        let asked = "Who fires the clay?";
        assert_eq!(said("Choose the right answer. Who fires the clay? Think step by step."), asked);
        assert_eq!(said("请回答下面的问题。谁烧制陶土？"), "谁烧制陶土？");
        assert_eq!(said("Choose the right answer."), "Choose the right answer.");
        assert_eq!(
            said("Which question is open? Who fires the clay?"),
            "Which question is open? Who fires the clay?"
        );
    }
}
