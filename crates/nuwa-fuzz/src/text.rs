//! What a person hands over as text: descriptions of tasks, items, documents.

use nuwa_eval::tasks::{Items, Task};
use nuwa_files::documents;

use crate::Target;
use crate::files::{Files, chosen};

pub const TARGETS: &[Target] = &[
    Target { name: "documents", run: documents, seeds: document_lines },
    Target { name: "items", run: items, seeds: item_files },
    Target { name: "task", run: task, seeds: task_files },
];

/// Documents in JSON lines.
fn documents(bytes: &[u8]) {
    let files = Files::new(&[("documents-00000.jsonl", bytes)]);
    if let Ok(documents) = documents::read(files.folder()) {
        documents.take_while(Result::is_ok).for_each(drop);
    }
}

fn document_lines() -> Vec<Vec<u8>> {
    let lines = "{\"id\":\"a#1\",\"text\":\"one\",\"source\":\"a\",\"lang\":\"en\",\"meta\":{\"by\":\"A\"}}\n{\"id\":\"b\",\"text\":\"\"}\n";
    vec![lines.into()]
}

/// Descriptions of evaluation tasks.
fn task(bytes: &[u8]) {
    let files = Files::new(&[("task.toml", bytes)]);
    let _ = Task::read(&files.path("task.toml"));
}

fn task_files() -> Vec<Vec<u8>> {
    let choice = "name = \"a\"\nversion = 1\nkind = \"multiple-choice\"\nprompt = \"{{ q }}\"\nchoices = \"options\"\ntarget = \"answer\"\n";
    let written = "name = \"b\"\nversion = 2\nkind = \"generate\"\nprompt = '''{% if a %}x{% endif %}'''\nanswer = \"{{ a }}\"\nstop = [\"\\n\"]\n[lists]\nb = 4\n";
    vec![choice.into(), written.into()]
}

/// Items of tasks; the first byte chooses the name of the file.
fn items(bytes: &[u8]) {
    let Some((name, bytes)) = chosen(bytes, 3) else { return };
    let name = ["a.jsonl", "a.csv", "a.tsv"][name];
    let _ = Items::parse(name.as_ref(), name, &String::from_utf8_lossy(bytes));
}

fn item_files() -> Vec<Vec<u8>> {
    vec![
        b"\0{\"q\": \"one\", \"options\": [\"a\", \"b\"], \"answer\": 1}\n{\"q\": null}\n".to_vec(),
        b"\0[{\"q\": \"one\"},\n {\"q\": {\"deep\": [1.5e3]}}]".to_vec(),
        b"\x01q,answer\n\"one, two\",1\n\"a \"\"b\"\"\",2\n".to_vec(),
        b"\x02q\tanswer\none\t1\n".to_vec(),
    ]
}
