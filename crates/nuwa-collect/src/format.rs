//! What kinds of files are read, by the endings of their names and, where a name says nothing, by their first bytes.

use std::path::Path;

use nuwa_files::compressed;

use super::letters::{MailFile, mail_file};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Text,
    Markdown,
    Html,
    JsonLines,
    /// JSON in a file whose name does not promise lines.
    Json,
    /// A table of text, its columns parted by commas or the like, or by tabs.
    Csv,
    Tsv,
    /// One mail.
    Mail,
    /// Many mails (mbox).
    Mailbox,
    /// The archive of a web crawl: WARC, or WET with text only.
    Warc,
    Parquet,
    Pdf,
    Zip,
    /// A zip archive that is one document: of a word processor, a book.
    Office,
    Tar,
}

impl Format {
    /// Whether it holds other files.
    pub fn is_archive(self) -> bool {
        matches!(self, Self::Zip | Self::Tar)
    }

    /// Whether a small file may give many documents or large ones, so that it is not read ahead.
    pub fn holds_many(self) -> bool {
        self.is_archive() || matches!(self, Self::Office | Self::Mailbox | Self::Warc | Self::Parquet)
    }

    /// What the name says, `None` where it says nothing.
    pub fn of_name(path: &Path, extra_text_extensions: &[String]) -> Option<Self> {
        match extension(path).as_str() {
            "txt" | "text" => Some(Self::Text),
            "md" | "markdown" => Some(Self::Markdown),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "jsonl" | "ndjson" => Some(Self::JsonLines),
            "json" => Some(Self::Json),
            "csv" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "eml" | "mht" | "mhtml" => Some(Self::Mail),
            "mbox" | "mbx" => Some(Self::Mailbox),
            "warc" | "wet" => Some(Self::Warc),
            "parquet" => Some(Self::Parquet),
            "pdf" => Some(Self::Pdf),
            "docx" | "docm" | "odt" | "ott" | "pptx" | "odp" | "epub" | "xlsx" | "ods" => Some(Self::Office),
            "zip" => Some(Self::Zip),
            "tar" | "tgz" | "tbz2" | "txz" | "tzst" => Some(Self::Tar),
            other => extra_text_extensions
                .iter()
                .any(|extra| extra.trim_start_matches('.').eq_ignore_ascii_case(other))
                .then_some(Self::Text),
        }
    }

    /// Whether the name is of no ending that anything is known by: that of a mail in a folder of mails, say. Then its first bytes
    /// are looked at.
    pub fn is_unnamed(path: &Path) -> bool {
        let extension = extension(path);
        let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
        // Maildir puts the name of the machine at the end.
        let is_in_maildir = folder == "cur" || folder == "new";
        let is_usual = (1..=5).contains(&extension.len())
            && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && extension.starts_with(|first: char| first.is_ascii_alphabetic());
        is_in_maildir || !is_usual
    }

    /// What the first bytes say for certain of a file without a known ending.
    pub fn of_certain_bytes(start: &[u8]) -> Option<Self> {
        Self::of_mail(start).or_else(|| Some(Self::of_bytes(start)).filter(|format| *format != Self::Text))
    }

    /// A mail or a mailbox, where the first bytes are of one.
    pub fn of_mail(start: &[u8]) -> Option<Self> {
        mail_file(start).map(|file| match file {
            MailFile::Mail => Self::Mail,
            MailFile::Mailbox => Self::Mailbox,
        })
    }

    /// What the first bytes say of a file whose name says nothing.
    pub fn of_bytes(start: &[u8]) -> Self {
        let starts = |signature: &[u8]| start.starts_with(signature);
        match () {
            () if starts(b"PK\x03\x04") => Self::Zip,
            () if starts(b"WARC/") => Self::Warc,
            () if starts(b"PAR1") => Self::Parquet,
            () if starts(b"%PDF-") => Self::Pdf,
            () if start.get(257..262) == Some(b"ustar") => Self::Tar,
            () => Self::Text,
        }
    }
}

/// Whether collecting a folder reads files of this name.
pub fn is_known_name(path: &Path, extra_text_extensions: &[String]) -> bool {
    Format::of_name(path, extra_text_extensions).is_some()
}

/// The ending without the dot, in small letters, and without that of a compression.
pub(super) fn extension(path: &Path) -> String {
    let name = compressed::name_within(path);
    let extension = Path::new(&name).extension().unwrap_or_default();
    extension.to_string_lossy().to_lowercase()
}
