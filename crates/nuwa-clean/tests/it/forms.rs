//! Innocent texts written into the forms of posts, and abuse with its form taken off: what a classifier of toxicity learns;
//! the example `toxicity_forms` prints the same figures.

use std::path::Path;

use nuwa_files::documents;
use nuwa_text::classify::{Classifier, CrossValidation, Examples, TrainSettings, train};

/// The forms that texts are written into.
pub const FORMS: [&str; 5] = ["plain", "imageboard", "bulletin", "votes", "mail"];

/// Texts of one kind.
pub struct Kind {
    pub name: &'static str,
    pub is_abuse: bool,
    pub texts: Vec<String>,
}

/// What is learnt from and what is measured. With `even` both are of the even half, else all of that is learnt from and the odd
/// half measured.
pub struct Material {
    pub positive: Vec<String>,
    pub negative: Vec<String>,
    pub measured: Vec<Kind>,
}

pub fn material(shared: &Path, even: bool) -> Material {
    let forum = texts_of(&shared.join("messy/toxic/forum.jsonl.gz"));
    let pages = texts_of(&shared.join("messy/c4_300.jsonl"));
    let (learnt, learnt_step, seen, seen_step) = if even { (0, 4, 2, 4) } else { (0, 2, 1, 2) };
    let every = |texts: &[String], from: usize, step: usize| -> Vec<String> {
        texts.iter().skip(from).step_by(step).cloned().collect()
    };
    let kind = |name, is_abuse, texts| Kind { name, is_abuse, texts };
    let bare: Vec<String> = every(&forum, seen, seen_step).iter().map(|text| bare(text)).collect();
    let pieces = bare.iter().map(|text| first(text, 800)).collect();
    let measured = vec![
        kind("forum posts as they are", true, every(&forum, seen, seen_step)),
        kind("forum posts without their form", true, bare),
        kind("their first 800 bytes without form", true, pieces),
        kind("web pages", false, every(&pages, seen, seen_step)),
        kind("mails of mailing lists", false, every(&mails(shared), seen, seen_step)),
        kind("hotel reviews (Chinese)", false, every(&reviews(shared), seen, 10 * seen_step)),
    ];
    Material {
        positive: every(&forum, learnt, learnt_step),
        negative: every(&pages, learnt, learnt_step),
        measured,
    }
}

pub fn texts_of(path: &Path) -> Vec<String> {
    documents::read(path).unwrap().map(|document| document.unwrap().text).collect()
}

/// The bodies of mails.
fn mails(shared: &Path) -> Vec<String> {
    let folder = std::fs::read_dir(shared.join("messy/spamassassin/easy-ham-1")).unwrap();
    let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    let body = |path: &std::path::PathBuf| {
        let mail = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
        mail.split_once("\n\n").map(|(_, body)| body.to_string()).unwrap_or_default()
    };
    paths.iter().map(body).filter(|body| body.len() > 200).collect()
}

fn reviews(shared: &Path) -> Vec<String> {
    let mut table = csv::Reader::from_path(shared.join("eval/chnsenticorp_hotel.csv")).unwrap();
    table.records().map(|row| row.unwrap()[1].to_string()).collect()
}

/// Posts without heads, numbers, quotation marks and links, in one paragraph each: by hand for this one form.
fn bare(text: &str) -> String {
    let body = |post: &str| -> String {
        let post = post
            .split_once(" no.")
            .and_then(|(_, rest)| rest.split_once(": "))
            .map_or(post, |(_, body)| body);
        let words = post.split_whitespace().map(|word| word.trim_start_matches('>'));
        let said = words.filter(|word| {
            !word.is_empty() && !word.contains("://") && !word.bytes().all(|byte| byte.is_ascii_digit())
        });
        said.collect::<Vec<_>>().join(" ")
    };
    text.split("\n\n\n").map(body).filter(|post| !post.is_empty()).collect::<Vec<_>>().join("\n\n")
}

fn first(text: &str, bytes: usize) -> String {
    text[..text.floor_char_boundary(bytes)].to_string()
}

/// The text cut into posts of two sentences, written as `form` has it.
pub fn written(text: &str, form: &str) -> String {
    if form == "plain" {
        return text.into();
    }
    let ends = |mark: char| matches!(mark, '.' | '!' | '?' | '。' | '！' | '？' | '\n');
    let sentences: Vec<&str> =
        text.split_inclusive(ends).map(str::trim).filter(|one| !one.is_empty()).collect();
    let posts: Vec<String> = sentences.chunks(2).map(|post| post.join(" ")).collect();
    let post = |(at, said): (usize, &String)| post(at, said, form);
    posts.iter().enumerate().map(post).collect()
}

fn post(at: usize, said: &str, form: &str) -> String {
    let (hour, minute, second, number) = (at % 24, at * 7 % 60, at * 13 % 60, 211_302_460 + 241 * at);
    match form {
        "imageboard" => format!(
            "Anonymous 04/26/19(Fri){hour:02}:{minute:02}:{second:02} no.{number}: >>{}\n>{said}\nhttps://example.org/{number}\n\n\n",
            number - 241
        ),
        "bulletin" => format!(
            "Re: the thread\nby kiln_{at} » Fri Apr 26, 2019 {hour}:{minute:02} pm\n[quote=\"ada\"]{said}[/quote]\nTop\nReport this post\n\n"
        ),
        "votes" => {
            format!("u/kiln_{at} {at} points {hour} hours ago\n\n{said}\n\npermalink save report reply\n\n")
        }
        _ => format!(
            "From: Ada Bo <ada{at}@example.org>\nDate: Fri, 26 Apr 2019 {hour:02}:{minute:02}:{second:02} +0200\nSubject: Re: thread\n\n\
             On Fri, Apr 26, 2019, Bo wrote:\n> {said}\n\n-- \nAda\n\n"
        ),
    }
}

/// The classifier of this material, and its own figures.
pub fn learnt(material: &Material) -> (Classifier, CrossValidation) {
    let examples = |texts: &[String]| Examples { texts: texts.to_vec(), left_out: 0 };
    let (positive, negative) = (examples(&material.positive), examples(&material.negative));
    train(&positive, &negative, &TrainSettings::default(), &mut |_| {}).unwrap()
}

/// How many of the texts it takes for abuse when they are written so.
pub fn taken(classifier: &Classifier, texts: &[String], form: &str) -> usize {
    texts.iter().filter(|text| classifier.probability(&written(text, form)) >= classifier.threshold()).count()
}
