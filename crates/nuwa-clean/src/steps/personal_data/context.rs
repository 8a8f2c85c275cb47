//! What stands round a number: whether it may begin and end here, and what it is said to be.

use nuwa_text::is_of_word;

/// Bytes before a number in which a word may say what it is.
const BEFORE: usize = 40;
/// Words between such a word and the number.
const WORDS_BETWEEN: usize = 4;

const PHONE: &[&str] = &[
    "phone",
    "phones",
    "telephone",
    "tel",
    "fax",
    "telefax",
    "mobile",
    "mob",
    "cell",
    "cellphone",
    "cellular",
    "desk",
    "dial",
    "hotline",
    "landline",
    "sms",
    "whatsapp",
    "tty",
    "tdd",
    "telefon",
    "telefonnummer",
    "handy",
    "mobil",
    "tél",
    "téléphone",
    "portable",
    "teléfono",
    "telefono",
    "móvil",
    "celular",
    "cellulare",
    "telefone",
    "telefoon",
    "тел",
    "телефон",
    "факс",
];
const PHONE_UNSPACED: &[&str] =
    &["电话", "電話", "手机", "手機", "传真", "傳真", "致电", "拨打", "热线", "座机", "联系方式", "携帯"];
const CALLING: &[&str] =
    &["call", "calling", "answering", "message", "messages", "text", "reach", "ring", "contact"];
const AT: &[&str] = &["at", "on", "to", "via"];
const AFTER_PHONE: &[&str] = &["office", "fax", "mobile", "cell", "phone", "tel", "mob"];
const CARD: &[&str] = &[
    "card",
    "cards",
    "cc",
    "credit",
    "debit",
    "visa",
    "mastercard",
    "amex",
    "maestro",
    "karte",
    "kreditkarte",
    "carte",
    "tarjeta",
    "carta",
    "cartão",
];
const CARD_UNSPACED: &[&str] = &["卡号", "信用卡", "银行卡", "借记卡", "カード"];
const SSN: &[&str] = &["ssn", "social", "security"];
const ADDRESS: &[&str] = &["ip", "ipv4", "address", "addr", "host", "server", "client", "gateway", "dns"];
const SOMETHING_ELSE: &[&str] = &[
    "ean",
    "upc",
    "gtin",
    "sku",
    "doi",
    "pmid",
    "oclc",
    "lccn",
    "order",
    "invoice",
    "tracking",
    "serial",
    "part",
    "model",
    "version",
    "ref",
    "reference",
    "ticket",
    "case",
    "patent",
    "bestellnummer",
    "rechnung",
    "commande",
    "pedido",
];
/// What may stand between such a word and its number.
const NUMBER: &[&str] = &["no", "nr", "number", "num", "id", "code", "is"];
const SOMETHING_ELSE_UNSPACED: &[&str] = &["订单", "编号", "单号", "快递", "运单", "型号", "书号", "流水号"];

/// The text round a number.
pub(super) struct Context<'a> {
    text: &'a str,
    start: usize,
    end: usize,
}

impl<'a> Context<'a> {
    pub(super) fn of(text: &'a str, start: usize, end: usize) -> Self {
        Self { text, start, end }
    }

    /// Whether neither a letter nor a digit, nor a sign that makes more of it (a decimal, a path, an amount), touches it.
    pub(super) fn is_free(&self) -> bool {
        let mut before = self.text[..self.start].chars().rev();
        let mut after = self.text[self.end..].chars();
        let is_left_free = match before.next() {
            Some('.' | ',' | ':' | '\'' | '’' | '*' | '^') => {
                !before.next().is_some_and(|c| c.is_ascii_digit())
            }
            Some('-' | '–' | '−') => !before.next().is_some_and(char::is_alphanumeric),
            Some(character) => !binds(character) && !"/\\=&?#%@+$€£¥₩₽<".contains(character),
            None => true,
        };
        let is_right_free = match after.next() {
            Some('.' | ',' | ':' | '\'' | '’' | '/' | '-' | '–') => {
                !after.next().is_some_and(|c| c.is_ascii_digit())
            }
            Some(character) => !binds(character) && !"%@=€£¥°".contains(character),
            None => true,
        };
        is_left_free && is_right_free
    }

    pub(super) fn is_phone(&self) -> bool {
        let words = self.words_before();
        let calls = words.last().is_some_and(|last| AT.contains(&last.as_str()))
            && words.iter().any(|word| CALLING.contains(&word.as_str()));
        calls
            || self.says(PHONE, PHONE_UNSPACED)
            || self.word_after().is_some_and(|word| AFTER_PHONE.contains(&word.as_str()))
    }

    pub(super) fn is_card(&self) -> bool {
        self.says(CARD, CARD_UNSPACED)
    }

    pub(super) fn is_ssn(&self) -> bool {
        self.says(SSN, &[])
    }

    pub(super) fn is_address(&self) -> bool {
        self.says(ADDRESS, &[])
    }

    /// Said to be a number of another kind: of a book, an order, a part.
    pub(super) fn is_something_else(&self) -> bool {
        let words = self.words_before();
        let named = words.iter().rev().find(|word| !NUMBER.contains(&word.as_str()));
        named.is_some_and(|word| SOMETHING_ELSE.contains(&word.as_str()))
            || self.says(&[], SOMETHING_ELSE_UNSPACED)
            || self.is_book()
    }

    /// "ISBN-13: " holds digits of its own.
    fn is_book(&self) -> bool {
        let from = self.text.ceil_char_boundary(self.start.saturating_sub(BEFORE / 2));
        let before = self.text[from..self.start].to_lowercase();
        before.contains("isbn") || before.contains("issn")
    }

    fn says(&self, words: &[&str], unspaced: &[&str]) -> bool {
        let before = self.before();
        let near = before.char_indices().rev().nth(9).map_or(before, |(at, _)| &before[at..]);
        unspaced.iter().any(|word| near.contains(word))
            || self.words_before().iter().any(|word| words.contains(&word.as_str()))
    }

    /// The text before, up to the last digit: what lies beyond another number speaks of that one.
    fn before(&self) -> &'a str {
        let from = self.text.ceil_char_boundary(self.start.saturating_sub(BEFORE));
        let before = &self.text[from..self.start];
        before.rsplit(|character: char| character.is_ascii_digit()).next().unwrap_or(before)
    }

    /// The last words before, in lower case.
    fn words_before(&self) -> Vec<String> {
        let words = self.before().split(|character: char| !character.is_alphabetic());
        let mut last: Vec<&str> =
            words.filter(|word| !word.is_empty()).rev().take(WORDS_BETWEEN + 1).collect();
        last.reverse();
        last.into_iter().map(str::to_lowercase).collect()
    }

    fn word_after(&self) -> Option<String> {
        let rest = self.text[self.end..].trim_start_matches([' ', '-', '(', ',']);
        let word = rest.split(|character: char| !character.is_alphabetic()).next()?;
        (!word.is_empty() && word.len() <= 16).then(|| word.to_lowercase())
    }
}

/// Letters and digits that make one word with a number; those of scripts without blanks do not.
fn binds(character: char) -> bool {
    character == '_' || is_of_word(character)
}
