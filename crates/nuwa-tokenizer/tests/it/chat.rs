use std::fs;

use nuwa_tokenizer::{Message, Tokenizer};

use crate::trained;

fn with_template(template: &str) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    trained(300).save(folder.path()).unwrap();
    fs::write(folder.path().join("chat_template.jinja"), template).unwrap();
    Tokenizer::load(folder.path()).unwrap()
}

fn conversation() -> Vec<Message> {
    vec![
        Message::new("system", " Be brief. "),
        Message::new("user", "<你好>"),
        Message::new("assistant", "Hi"),
    ]
}

fn render(template: &str) -> String {
    match with_template(template).apply_chat_template(&conversation(), true) {
        Ok(text) => text,
        Err(error) => without_folder(&format!("error: {error}")),
    }
}

/// The message without the folder of the template.
fn without_folder(message: &str) -> String {
    match (message.find(" of "), message.find("chat_template.jinja")) {
        (Some(before), Some(name)) => format!("{} of {}", &message[..before], &message[name..]),
        _ => message.to_string(),
    }
}

#[test]
fn our_template_is_chatml_with_a_blank_before_what_is_said() {
    let tokenizer = trained(300);
    let text = tokenizer.apply_chat_template(&conversation()[1..], true).unwrap();
    assert_eq!(
        text,
        "<|im_start|>user\n <你好><|im_end|>\n<|im_start|>assistant\n Hi<|im_end|>\n<|im_start|>assistant\n"
    );
    let ids = tokenizer.encode_with_special_tokens(&text).unwrap();
    assert_eq!(ids.iter().filter(|&&id| id == 1).count(), 3);
    assert!(tokenizer.apply_chat_template(&[], false).unwrap().is_empty());
}

#[test]
fn python_methods_and_blocks_work_as_in_transformers() {
    let template = "{% for m in messages %}\n    {% if m.role.startswith('sys') %}\n[{{ m['content'].strip() | upper }}]\n    \
                    {% elif loop.last %}\n{{ m.content[::-1] }}{{ eos_token }}\n    {% endif %}\n{% endfor %}";
    assert_eq!(render(template), "[BE BRIEF.]\niH<|endoftext|>\n");
}

#[test]
fn the_usual_extras_are_there() {
    insta::assert_snapshot!(render("{{ messages[1] | tojson }} {{ strftime_now('%Y')[:2] }} {{ tools is none }}"), @r#"{"role": "user", "content": "<你好>"} 20 True"#);
    insta::assert_snapshot!(render("{%- generation -%} x {%- endgeneration %}{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% if ns.n == 2 %}{% break %}{% endif %}{% endfor %}{{ ns.n }}"), @"x2");
}

#[test]
fn a_broken_template_is_an_error_with_its_line() {
    insta::assert_snapshot!(render("{% for m in messages %}\n{{ m.content }}\n{% endif %}"), @r#"error: the chat template of chat_template.jinja does not parse at line 3, column 4: unknown statement endif"#);
    insta::assert_snapshot!(render("a\n{{ raise_exception('Roles must alternate') }}"), @r#"error: the chat template of chat_template.jinja failed at line 2, column 4: Roles must alternate"#);
    let folder = tempfile::tempdir().unwrap();
    trained(300).save(folder.path()).unwrap();
    fs::write(folder.path().join("tokenizer_config.json"), "{}").unwrap();
    let error = Tokenizer::load(folder.path()).unwrap().apply_chat_template(&[], true).unwrap_err();
    insta::assert_snapshot!(format!("{error}\n{}", error.hint().unwrap()), @r#"
this tokenizer has no chat template
a base model continues text; put chat_template into tokenizer_config.json or use a model tuned for chat
"#);
}
