//! The page of `nuwa serve`, in a browser.

use serde_json::{Value, json};

use super::browser::Browser;
use super::feedback::place;
use super::serving::Serving;
use super::support::Place;

/// All in one test, since the training takes the time.
#[test]
fn a_model_is_talked_to_in_a_browser() {
    let place = place();
    let Some(browser) = Browser::start(&place.path("browser"), "zh-CN,zh") else {
        eprintln!("skipped: the page in a browser, since there is no Chromium");
        return;
    };
    let serving = Serving::start(&place, "serve one=tuned other=tuned --port 0");
    talked(&serving, browser);
    markdown_is_elements(&place, &serving);
    serving.end();
}

const TURNS: &str = "document.querySelectorAll('.turn').length";
/// Whether all answers have ended.
const ENDED: &str = "document.getElementById('stop').hidden && [...document.querySelectorAll('.answer .text')].every((text) => text.ariaBusy === 'false')";

fn ask(browser: &mut Browser, question: &str) {
    let question = json!(question);
    browser.value(&format!(
        "(() => {{ document.getElementById('question').value = {question}; document.getElementById('form').requestSubmit(); }})()"
    ));
}

fn last(browser: &mut Browser, what: &str) -> Value {
    browser.value(&format!("[...[...document.querySelectorAll('.turn')].at(-1).querySelectorAll('{what}')].map((part) => part.textContent)"))
}

fn talked(serving: &Serving, mut browser: Browser) {
    browser.open(&serving.address);
    browser.wait("document.querySelectorAll('#model option').length", 2);
    browser.wait("document.documentElement.lang", "zh");
    browser.wait("document.querySelector('.greeting').textContent", "想问点什么？");

    // Short answers, so that the whole conversation fits the small context.
    browser.value("chat.sampling.max_tokens = 8");
    ask(&mut browser, "<img src=x onerror=alert()> Hi");
    browser.wait(TURNS, 1);
    browser.wait(ENDED, true);
    assert_eq!(last(&mut browser, ".said"), json!(["<img src=x onerror=alert()> Hi"]));
    assert_eq!(browser.value("document.querySelectorAll('#log img').length"), 0);
    assert_eq!(browser.value("chat.turns[0].answers[0].error"), "");
    assert!(browser.value("chat.turns[0].answers[0].figures.tokens").as_f64().unwrap() > 0.0);
    browser.wait("document.getElementById('context').hidden", false);

    // Two models, each with its own answer.
    browser.value("document.getElementById('compare').click()");
    ask(&mut browser, "Where is the sea?");
    browser.wait(TURNS, 2);
    browser.wait(ENDED, true);
    assert_eq!(last(&mut browser, ".who"), json!(["one", "other"]));

    // Stopped at once.
    browser.value("document.getElementById('compare').click()");
    browser.value("(() => { document.getElementById('question').value = '你好吗？'; document.getElementById('form').requestSubmit(); document.getElementById('stop').click(); })()");
    browser.wait(TURNS, 3);
    browser.wait(ENDED, true);
    assert_eq!(browser.value("chat.turns[2].answers[0].finish"), "stopped");
    assert!(last(&mut browser, ".note")[0].as_str().unwrap().contains("已停止"));

    // Asked again, the last answer comes; a question that is changed takes what follows with it.
    browser.value("[...document.querySelectorAll('.again')].at(-1).click()");
    browser.wait(
        "chat.turns[2].answers[0].finish !== 'stopped' && chat.turns[2].answers[0].finish !== ''",
        true,
    );
    browser.wait(ENDED, true);
    browser.value("document.querySelectorAll('.edit')[1].click()");
    browser.value("(() => { const editor = document.querySelector('.editor'); editor.querySelector('textarea').value = 'Who lives there?'; editor.requestSubmit(); })()");
    browser.wait(TURNS, 2);
    browser.wait(ENDED, true);
    assert_eq!(last(&mut browser, ".said"), json!(["Who lives there?"]));

    // What was said is there after the page was left.
    browser.reload();
    browser.wait(TURNS, 2);
    browser.wait("document.querySelectorAll('.chat').length", 1);
    browser.value("document.getElementById('language').value = 'en'");
    browser.value("document.getElementById('language').dispatchEvent(new Event('change'))");
    browser.wait("document.getElementById('send').title", "Send");

    // Deleted only after a question.
    browser.value("document.querySelector('.chat .delete').click()");
    browser.wait("document.getElementById('ask').open", true);
    browser.value("document.getElementById('ask-no').click()");
    browser.wait("document.getElementById('ask').open", false);
    browser.wait(TURNS, 2);
    browser.value("document.querySelector('.chat .delete').click()");
    browser.value("document.getElementById('ask-yes').click()");
    browser.wait(TURNS, 0);
    assert_eq!(
        browser.value("Object.keys(localStorage).filter((key) => key.startsWith('nuwa.chat.')).length"),
        0
    );
    assert_eq!(
        browser.value("document.querySelectorAll('script, style, link[rel=stylesheet]').length"),
        2,
        "it loads nothing else"
    );
}

/// What a model writes becomes elements of a few kinds, and nothing else.
fn markdown_is_elements(place: &Place, serving: &Serving) {
    let Some(mut browser) = Browser::start(&place.path("other browser"), "en-GB,en") else { return };
    browser.open(&serving.address);
    browser.wait("document.querySelectorAll('#model option').length", 2);
    let mut shown = |text: &str| {
        let text = json!(text);
        let shown = format!(
            "(() => {{ const place = document.createElement('div'); showMarkdown(place, {text}); return place.innerHTML; }})()"
        );
        browser.value(&shown).as_str().unwrap().replace("<div class=\"block\">", "").replace("</div>", "")
    };
    let cases = [
        ("one\ntwo\n\nthree", "<p>one<br>two</p><p>three</p>"),
        ("# A\n## B *c*", "<h3>A</h3><h4>B <em>c</em></h4>"),
        (
            "**a** __b__ `**c**` snake_case __init__.py",
            "<p><strong>a</strong> __b__ <code>**c**</code> snake_case __init__.py</p>",
        ),
        ("- a\n- b\n  1. c\n  2. d", "<ul><li>a</li><li>b<ol><li>c</li><li>d</li></ol></li></ul>"),
        ("<img src=x onerror=alert(1)> & <b>", "<p>&lt;img src=x onerror=alert(1)&gt; &amp; &lt;b&gt;</p>"),
        ("[a](javascript:alert(1)) [b](data:text/html,x)", "<p><span>a</span>) <span>b</span></p>"),
        (
            "[a](https://a.org/b_c_d)",
            "<p><a href=\"https://a.org/b_c_d\" target=\"_blank\" rel=\"noopener noreferrer nofollow\">a</a></p>",
        ),
        (
            "> a\n> b\n---\n女娲**补天**。",
            "<blockquote><p>a<br>b</p></blockquote><hr><p>女娲<strong>补天</strong>。</p>",
        ),
        (
            "| a | b |\n|---|--:|\n| 1 | `x\\|y` |",
            "<div class=\"wide\"><table><thead><tr><th>a</th><th class=\"end\">b</th></tr></thead><tbody><tr><td>1</td><td class=\"end\"><code>x|y</code></td></tr></tbody></table>",
        ),
        ("2 * 3 * 4 and * a", "<p>2 * 3 * 4 and * a</p>"),
        ("**open", "<p>**open</p>"),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(text), expected, "{text}");
    }
    let code = shown("```rust\nlet a = \"</code><script>\";\n\nb\n```\nafter");
    assert!(
        code.contains("let a = \"&lt;/code&gt;&lt;script&gt;\";\n\nb</code></pre>")
            && code.ends_with("<p>after</p>"),
        "{code}"
    );
    let open = shown("```\nnot closed\n\n# yet");
    assert!(open.contains("not closed\n\n# yet</code>"), "{open}");
}
