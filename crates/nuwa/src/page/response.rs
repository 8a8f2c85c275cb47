use std::io::{self, Write};

use serde::Serialize;

use super::token;

/// What stands in a page for the nonce of its own script and style.
const NONCE: &str = "{{nonce}}";

/// What stands in a page for what all pages share, and what that is.
const SHARED: [(&str, &str); 4] = [
    ("{{head}}", include_str!("head.html")),
    ("{{style}}", include_str!("style.css")),
    ("{{script}}", include_str!("script.js")),
    ("{{header}}", include_str!("header.html")),
];

/// What is sent back.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    content_type: &'static str,
    /// Content-Security-Policy: what the content may load and run.
    policy: String,
    body: Vec<u8>,
}

impl Response {
    /// A page, of which nothing but its own script and style is run, and which asks nobody but its server. Script and style carry
    /// `nonce="{{nonce}}"`; `{{head}}`, `{{style}}`, `{{script}}` and `{{header}}` stand for what pages share.
    pub fn page(html: &str) -> Self {
        let Ok(nonce) = token::random() else { return Self::refused(500, "there are no random numbers") };
        let whole = SHARED.iter().fold(html.to_string(), |page, (name, shared)| page.replace(name, shared));
        Self {
            status: 200,
            content_type: "text/html; charset=utf-8",
            policy: format!(
                "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; \
                 img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            ),
            body: whole.replace(NONCE, &nonce).into_bytes(),
        }
    }

    /// A value as JSON.
    pub fn json<T: Serialize>(value: &T) -> Self {
        let Ok(body) = serde_json::to_vec(value) else { return Self::refused(500, "this is not JSON") };
        Self::plain(200, "application/json", body)
    }

    /// A refusal, with its reason as text.
    pub fn refused(status: u16, reason: &str) -> Self {
        Self::plain(status, "text/plain; charset=utf-8", format!("{reason}\n").into_bytes())
    }

    fn plain(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        let policy = "default-src 'none'; frame-ancestors 'none'".into();
        Self { status, content_type, policy, body }
    }

    #[cfg(test)]
    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { status, content_type, policy, body } = self;
        let (length, phrase) = (body.len(), phrase(*status));
        write!(
            out,
            "HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\
             Connection: close\r\nCache-Control: no-store\r\nContent-Security-Policy: {policy}\r\n\
             X-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\nReferrer-Policy: same-origin\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\nCross-Origin-Opener-Policy: same-origin\r\n\r\n"
        )?;
        out.write_all(body)?;
        out.flush()
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        409 => "Conflict",
        411 => "Length Required",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        431 => "Request Header Fields Too Large",
        _ => "Internal Server Error",
    }
}
