//! A headless Chromium, told what to do over two pipes (the DevTools protocol).

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Names of the program, here and there.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// How long a page may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A window of a browser.
pub struct Browser {
    program: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    sent: u64,
    session: Option<String>,
}

impl Browser {
    /// Starts one whose language is `language`; none where no Chromium is installed.
    pub fn start(folder: &Path, language: &str) -> Option<Self> {
        let name = NAMES.into_iter().find(|name| {
            let mut version = Command::new(name);
            version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            version.status().is_ok_and(|status| status.success())
        })?;
        // The browser reads orders from descriptor 3 and answers on 4, which only a shell can give it.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", name]);
        shell.args([
            "--headless",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
        ]);
        shell.args(["--disable-dev-shm-usage", "--disable-background-networking", "--no-proxy-server"]);
        shell.arg(format!("--user-data-dir={}", folder.display()));
        let mut program = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (orders, answers) = (program.stdin.take().unwrap(), program.stdout.take().unwrap());
        let mut browser = Self { program, orders, answers: BufReader::new(answers), sent: 0, session: None };
        let target = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.order("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_string);
        let speaks = json!({"userAgent": "test", "acceptLanguage": language});
        browser.order("Emulation.setUserAgentOverride", speaks);
        Some(browser)
    }

    /// Sends an order and waits for what comes of it.
    fn order(&mut self, method: &str, parameters: Value) -> Value {
        self.attempt(method, parameters).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// Sends an order, which the browser may refuse.
    fn attempt(&mut self, method: &str, parameters: Value) -> Result<Value, Value> {
        self.sent += 1;
        let mut order = json!({"id": self.sent, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            order["sessionId"] = session.as_str().into();
        }
        self.orders.write_all(format!("{order}\0").as_bytes()).unwrap();
        loop {
            let mut message = Vec::new();
            self.answers.read_until(0, &mut message).unwrap();
            assert_eq!(message.pop(), Some(0), "the browser ended during {method}");
            let mut message: Value = serde_json::from_slice(&message).unwrap();
            if message["id"] == self.sent {
                let failed = !message["error"].is_null();
                return if failed { Err(message["error"].take()) } else { Ok(message["result"].take()) };
            }
        }
    }

    pub fn open(&mut self, address: &str) {
        let opened = self.order("Page.navigate", json!({"url": address}));
        assert!(opened["errorText"].is_null(), "{opened}");
    }

    pub fn reload(&mut self) {
        self.order("Page.reload", json!({}));
    }

    /// Presses a key as a person does.
    pub fn press(&mut self, key: &str) {
        let text = if key.chars().count() == 1 { key } else { "" };
        self.order("Input.dispatchKeyEvent", json!({"type": "keyDown", "key": key, "text": text}));
        self.order("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        self.evaluate(expression).unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    fn evaluate(&mut self, expression: &str) -> Result<Value, Value> {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut found = self.attempt("Runtime.evaluate", asked)?;
        let failed = !found["exceptionDetails"].is_null();
        if failed { Err(found) } else { Ok(found["result"]["value"].take()) }
    }

    /// Waits until an expression has this value.
    pub fn wait(&mut self, expression: &str, value: impl Into<Value>) {
        let (value, began) = (value.into(), Instant::now());
        loop {
            // While a page is being loaded, what is looked for may not be there.
            let found = self.evaluate(expression).unwrap_or_default();
            if found == value {
                return;
            }
            if began.elapsed() > PATIENCE {
                let page = self.value("document.body.innerText");
                panic!("{expression} is {found}, not {value}: {page}");
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
