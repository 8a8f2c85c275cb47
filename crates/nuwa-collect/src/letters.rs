//! How mails and mailboxes begin, by which they are known whatever their names are.

/// Bytes of a file in which its kind shows itself.
pub(super) const HEAD: usize = 1 << 14;

/// Fields that nearly every mail has some of.
const MAIL_FIELDS: [&str; 15] = [
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "received",
    "return-path",
    "delivered-to",
    "mime-version",
    "content-type",
    "reply-to",
    "newsgroups",
    "sender",
    "x-mailer",
];

/// What a file of mails is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailFile {
    /// One mail.
    Mail,
    /// Many, one behind the other (mbox).
    Mailbox,
}

/// A mail or a mailbox, where a file begins like one.
pub(super) fn mail_file(head: &[u8]) -> Option<MailFile> {
    let (first, rest) = first_line(head);
    match () {
        () if separator(first).is_some_and(|kind| kind.fits(first_line(rest).0)) && is_mail(rest, head) => {
            Some(MailFile::Mailbox)
        }
        () if is_mail(head, head) => Some(MailFile::Mail),
        () => None,
    }
}

fn first_line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'\n', bytes) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &[]),
    }
}

/// Whether a header of a mail stands here: fields up to an empty line, the sender and one more known one among them.
fn is_mail(mut bytes: &[u8], head: &[u8]) -> bool {
    let (mut known, mut has_sender) = (0, false);
    while !bytes.is_empty() {
        let (line, rest) = first_line(bytes);
        // The last line may be cut by the end of what was read.
        let is_cut = rest.is_empty() && head.len() >= HEAD;
        if line.trim_ascii().is_empty() || is_cut {
            break;
        }
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let Some((name, value)) = header_field(line) else { return false };
            let name = String::from_utf8_lossy(name).to_ascii_lowercase();
            known += usize::from(MAIL_FIELDS.contains(&name.as_str()));
            has_sender |= (name == "from" || name == "return-path") && value.contains(&b'@');
        }
        bytes = rest;
    }
    known >= 2 && has_sender
}

/// The name and the value of `Name: value`.
fn header_field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', &line[..line.len().min(80)])?;
    let is_name = |byte: &u8| byte.is_ascii_graphic();
    (colon > 0 && line[..colon].iter().all(is_name)).then(|| (&line[..colon], &line[colon + 1..]))
}

/// A line "From ..." that may stand before a mail of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Separator {
    /// With the time of arrival, as in `From a@example.org Mon Jan  1 00:00:00 2024`.
    Dated,
    /// With no more than a name.
    Plain,
}

impl Separator {
    /// Whether the line behind it is the first one of a mail.
    pub fn fits(self, next: &[u8]) -> bool {
        // Mails that were moved often have more of these lines.
        if next.starts_with(b">From ") {
            return true;
        }
        let Some((name, _)) = header_field(next) else { return false };
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        match self {
            Self::Dated => true,
            Self::Plain => MAIL_FIELDS.contains(&name.as_str()) || name.starts_with("x-"),
        }
    }
}

/// What kind of separator this line is, if the next one fits: sentences begin with "From " too.
pub(super) fn separator(line: &[u8]) -> Option<Separator> {
    let rest = line.strip_prefix(b"From ")?.trim_ascii();
    let words: Vec<&[u8]> =
        rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(12).collect();
    let is_year = |word: &&[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    let is_time = |word: &&[u8]| {
        (4..=8).contains(&word.len())
            && word.contains(&b':')
            && word.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
    };
    match words.len() {
        0 | 1 => Some(Separator::Plain),
        4.. if words.iter().any(is_time) && words.iter().any(is_year) => Some(Separator::Dated),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &str = "From: A <a@example.org>\nSubject: one\n\nbody\n";

    #[test]
    fn a_line_is_a_separator_by_its_time_and_what_follows() {
        let date = "From a@example.org Mon Jan  1 00:00:00 2024";
        for (line, next, expected) in [
            (date, "Return-Path: <a>", true),
            (date, "X-Any: b", true),
            (date, "a sentence: yes", false),
            (date, "", false),
            ("From a@example.org Mon Jan 1 00:00 +0100 2024 remote from b", "Date: x", true),
            ("From a", "From: a", true),
            ("From a", "Note: this", false),
            ("From now on we meet at nine, she wrote.", "", false),
            ("From now on we meet", "Subject: x", false),
            ("From: a@example.org", "Subject: x", false),
        ] {
            let found = separator(line.as_bytes()).is_some_and(|kind| kind.fits(next.as_bytes()));
            assert_eq!(found, expected, "{line}");
        }
    }

    #[test]
    fn mails_show_themselves() {
        let is = |text: &str| mail_file(text.as_bytes());
        assert_eq!(is(MAIL), Some(MailFile::Mail));
        assert_eq!(is(&MAIL.replace('\n', "\r\n")), Some(MailFile::Mail));
        assert_eq!(is(&format!("From a@b Mon Jan  1 00:00:00 2024\n{MAIL}")), Some(MailFile::Mailbox));
        assert_eq!(is(&format!("Received: from x\n\tby y\n{MAIL}")), Some(MailFile::Mail));
        let long = format!("Received: {}\n", "x".repeat(70)).repeat(300);
        assert_eq!(is(&format!("From: a@b\n{long}")[..HEAD]), Some(MailFile::Mail));
        for text in [
            "",
            "From the sea came fog.\n",
            "From: the sea\nSubject: fog\n\n",
            "Title: x\nAuthor: a@b\n\ntext",
            "Dear a@b,\n\nFrom: me\nTo: you\n",
            "From: a@b\nand then a sentence\nSubject: x\n",
        ] {
            assert_eq!(is(text), None, "{text}");
        }
    }
}
