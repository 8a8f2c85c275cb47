use std::fs;
use std::io::Write;

use nuwa_clean::{CleanSettings, clean};
use serde_json::json;

use super::*;

const PLAIN: Screen = Screen { width: 90, colours: false };

/// A passage long enough to be kept, that is like no other.
fn passage(number: usize) -> String {
    let word = |at: usize| {
        let syllables = ["mi", "ra", "ton", "el", "sha", "bo", "ken", "lu", "dri", "va", "os", "pe"];
        let seed = (number * 7919 + at * 104_729 + at * at * 31) % 1728;
        [seed / 144, seed / 12 % 12, seed % 12].map(|part| syllables[part]).concat()
    };
    let sentence = |first: usize| (0..9).map(|at| word(9 * first + at)).collect::<Vec<_>>().join(" ") + ".";
    (0..6).map(sentence).collect::<Vec<_>>().join("\n")
}

/// A run whose clean stage has read these documents.
fn cleaned_run(documents: &[serde_json::Value]) -> tempfile::TempDir {
    let run = tempfile::tempdir().unwrap();
    let collected = run.path().join("collect");
    fs::create_dir_all(&collected).unwrap();
    let lines: String = documents.iter().map(|document| format!("{document}\n")).collect();
    fs::write(collected.join("documents-00000.jsonl"), lines).unwrap();
    clean(&[collected], &run.path().join("clean"), &CleanSettings::default(), &mut |_| {}).unwrap();
    run
}

/// Documents of every kind: kept, changed, too short, copied, nearly copied, Chinese.
fn usual() -> Vec<serde_json::Value> {
    let chinese = "女娲抟黄土作人，剧务，力不暇供，乃引绳于絙泥中，举以为人。故富贵者，黄土人也。".repeat(2);
    let mut documents: Vec<_> =
        (0..30).map(|at| json!({"id": format!("kept/{at}"), "text": passage(at)})).collect();
    documents.extend((0..3).map(|at| json!({"id": format!("copy/{at}"), "text": passage(4)})));
    documents.push(json!({"id": "near/1", "text": passage(5).replacen("mi", "mimi", 1)}));
    documents.push(json!({"id": "smile", "text": format!("{} 😀 end", passage(100))}));
    documents.push(json!({"id": "short", "text": "brief"}));
    documents.push(json!({"id": "神话", "text": chinese}));
    documents
}

fn read(run: &Path) -> Cleaned {
    Cleaned::read(run, 20, &mut |_| {}).unwrap()
}

fn page(run: &Path) -> String {
    let path = read(run).write_page().unwrap();
    assert_eq!(path, run.join("inspect.html"));
    fs::read_to_string(path).unwrap()
}

#[test]
fn what_cleaning_did_is_on_the_page_and_in_the_terminal() {
    let run = cleaned_run(&usual());
    let (html, text) = (page(run.path()), text(&read(run.path()), PLAIN, None).unwrap());
    for expected in [
        "37 documents",
        "exact duplicates",
        "too short",
        "same text as an earlier document",
        "神话",
        "女娲抟黄土作人",
    ] {
        assert!(html.contains(expected), "{expected} is not in\n{html}");
        assert!(text.contains(expected), "{expected} is not in\n{text}");
    }
    assert!(html.contains("<del>😀</del><ins>"), "{html}");
    assert!(text.contains("[-😀-]{+"), "{text}");
    assert!(html.contains("4 documents, found by exact duplicates"), "{html}");
    assert!(text.lines().all(|line| unicode_width::UnicodeWidthStr::width(line) <= 100), "{text}");
}

#[test]
fn what_documents_hold_stays_text() {
    let attacks = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"><svg onload=alert(1)>",
        "'; alert(1); //",
        "</style></title><!-- {{ nonce }} {% include \"style.css\" %}",
    ];
    let attack = attacks.join(" ");
    let mut documents = usual();
    documents.push(
        json!({"id": attack, "source": attack, "lang": attack, "text": format!("{attack} {}", passage(50))}),
    );
    documents.push(json!({"id": format!("{attack} 2"), "source": attack, "lang": attack, "text": attack}));
    documents.push(json!({"id": format!("{attack} 3"), "text": format!("{attack} 😀 {}", passage(51))}));
    let run = cleaned_run(&documents);
    // Languages, steps and reasons stand in attributes.
    let lines = [
        ("documents-00000", json!({"id": "a", "lang": attack, "text": attack})),
        (
            "rejected",
            json!({"id": "b", "lang": attack, "step": attack, "reason": attack, "detail": attack, "text": attack}),
        ),
    ];
    for (name, line) in lines {
        let path = run.path().join(format!("clean/{name}.jsonl.zst"));
        let mut file = fs::File::options().append(true).open(path).unwrap();
        file.write_all(&zstd::encode_all(format!("{line}\n").as_bytes(), 1).unwrap()).unwrap();
    }
    let html = page(run.path());
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;") && html.contains("lang=\"&lt;"), "{html}");
    assert_eq!(html.matches("<script").count(), 1, "the page's own");
    assert_eq!(html.matches("</script").count(), 1);
    assert_eq!(html.matches("</style").count(), 1);
    for forbidden in ["<img", "<svg", "<!--", "onload=alert(1)>", "onerror=alert(1)>"] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    // Every tag is one of the page's own, and nothing of an attack is inside one.
    let (markup, _) = html.split_once("<script nonce").unwrap();
    for tag in markup.split('<').skip(1).map(|rest| rest.split('>').next().unwrap()) {
        let name = tag.trim_start_matches('/').split([' ', '\n']).next().unwrap();
        let is_own = name.chars().all(|character| character.is_ascii_alphanumeric()) || name == "!doctype";
        let is_closed = tag.matches('"').count() % 2 == 0;
        assert!(is_own && is_closed, "<{tag}>");
    }
    assert!(html.contains("{{ nonce }}"), "documents are no templates");
}

#[test]
fn the_page_loads_nothing_and_only_its_own_script_may_run() {
    let run = cleaned_run(&usual());
    let html = page(run.path());
    for forbidden in ["http:", "https:", "//cdn", "@import", "url(", " src=", "<link", "innerHTML", "eval("] {
        assert!(!html.contains(forbidden), "{forbidden}");
    }
    let nonce = html.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).unwrap();
    assert!(html.contains("default-src 'none'") && nonce.len() >= 16, "{nonce}");
    assert!(html.contains(&format!("<script nonce=\"{nonce}\">")));
}

#[test]
fn the_page_is_the_same_each_time() {
    let run = cleaned_run(&usual());
    assert_eq!(page(run.path()), page(run.path()));
}

#[test]
fn a_terminal_is_not_disturbed_by_what_documents_hold() {
    let mut documents = usual();
    let text_of = |before: &str| format!("{before}\u{1b}[2J\u{7}\u{202e}{}", passage(60));
    documents.push(json!({"id": "\u{1b}[31mred", "source": "\u{9b}2J", "text": text_of("")}));
    documents.push(json!({"id": "short\u{1b}[2J", "text": "\u{1b}]0;title\u{7}"}));
    let run = cleaned_run(&documents);
    let text = text(&read(run.path()), PLAIN, None).unwrap();
    let bad: Vec<char> = text.chars().filter(|character| crate::text::is_invisible(*character)).collect();
    assert_eq!(bad, [], "{text}");
    assert!(text.contains("⟨U+001B⟩[2J"), "{text}");
}

#[test]
fn words_are_found_in_samples() {
    let run = cleaned_run(&usual());
    let cleaned = read(run.path());
    let found = text(&cleaned, PLAIN, Some("too SHORT")).unwrap();
    assert!(found.starts_with("1 of ") && found.contains("brief"), "{found}");
    assert!(text(&cleaned, PLAIN, Some("女娲 黄土人")).unwrap().contains("神话"));
    assert!(text(&cleaned, PLAIN, Some("absent word")).unwrap().starts_with("0 of "));
}

#[test]
fn bias_and_audit_are_shown_where_they_are() {
    let run = cleaned_run(&usual());
    fs::remove_file(run.path().join("clean/bias.json")).unwrap();
    assert!(!page(run.path()).contains("id=\"bias\"") && !page(run.path()).contains("id=\"caught\""));
    let group = |count: u64| {
        json!({"name": "women", "count": count, "per_million_words": 2.5, "documents": 3,
            "terms": [{"term": "she", "count": count}], "beside": [{"word": "clay<b>", "count": 2, "pmi": 3.25}]})
    };
    let part = |count: u64| json!({"documents": 9, "bytes": 90, "analysed_bytes": 45, "words": 20, "groups": [group(count)]});
    let bias = json!({"window": 5, "before": part(1234), "after": part(1001)});
    fs::write(run.path().join("clean/bias.json"), bias.to_string()).unwrap();
    let audit =
        json!({"noise": {"typo": {"planted": 8, "rejected": 1, "repaired": 3}}, "clean": 2000, "lost": 4});
    fs::write(run.path().join("clean/audit.json"), audit.to_string()).unwrap();
    let (html, text) = (page(run.path()), text(&read(run.path()), PLAIN, None).unwrap());
    for expected in
        ["women", "50 %", "Of 2,000 clean documents, 4 were lost (0.2 %).", "Estimated from 45 bytes"]
    {
        assert!(html.contains(expected) && text.contains(expected), "{expected} is not in\n{html}\n{text}");
    }
    assert!(html.contains("1,234") && html.contains("1,001") && html.contains("clay&lt;b&gt;"), "{html}");
    fs::write(run.path().join("clean/bias.json"), "{").unwrap();
    let problem = read(run.path()).write_page().unwrap_err().to_string();
    assert!(problem.contains("bias.json"), "{problem}");
}

#[test]
fn a_stage_belongs_to_its_run_and_a_folder_of_its_own_to_itself() {
    let run = cleaned_run(&usual());
    fs::write(run.path().join("clean/manifest.json"), "{}").unwrap();
    let page = read(&run.path().join("clean")).write_page().unwrap();
    assert_eq!(page, run.path().join("inspect.html"));
    fs::remove_file(run.path().join("clean/manifest.json")).unwrap();
    let page = read(&run.path().join("clean")).write_page().unwrap();
    assert_eq!(page, run.path().join("clean/inspect.html"));
}
