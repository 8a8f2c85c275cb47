//! The fonts of a file, as far as text needs them: which character a code stands for, and how far it moves the pen.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_cmap::{BfString, CMap, CMapName, CidFamily, WritingMode, load_embedded};
use hayro_syntax::object::{Array, Dict, Name, Object, Stream, String as Bytes};

use super::budget::Budget;
use super::filters::decoded;
use super::names::text_of_name;
use super::programs;
use super::standard::{DINGBATS, STANDARD, SYMBOL, Widths};

/// A character as a font writes it.
pub(super) struct Letter {
    /// Nothing where the file does not say.
    pub text: Option<String>,
    /// How far it moves the pen, in sizes of the font.
    pub advance: f64,
    /// The bytes of its code.
    pub length: usize,
    /// Whether it is the blank that the space between words widens.
    pub is_blank: bool,
}

/// A font.
pub(super) enum Font {
    /// A byte is a character.
    Simple(Box<Simple>),
    /// Codes of several bytes.
    Composite(Box<Composite>),
}

impl Font {
    fn new(dict: &Dict, budget: &mut Budget) -> Option<Self> {
        if !budget.font() || !budget.read(dict.data().len()) {
            return None;
        }
        match &*dict.get::<Name>("Subtype")? {
            b"Type0" => Composite::new(dict, budget).map(|font| Self::Composite(Box::new(font))),
            kind => Some(Self::Simple(Box::new(Simple::new(dict, kind, budget)))),
        }
    }

    /// What readers take where a page names a font that is not there.
    pub fn standard() -> Self {
        let characters = STANDARD.characters();
        let text = |code: usize| characters[code].filter(char::is_ascii).map(String::from);
        let widths = Widths::of_font("", false);
        Self::Simple(Box::new(Simple {
            texts: (0..256).map(text).collect(),
            widths: (0..256).map(|code| text(code).map_or(0.0, |text| widths.of(&text))).collect(),
        }))
    }

    /// The first character of a text that is not empty.
    pub fn first(&self, bytes: &[u8]) -> Letter {
        match self {
            Self::Simple(font) => font.letter(bytes[0]),
            Self::Composite(font) => font.letter(bytes),
        }
    }

    /// Whether it writes from top to bottom.
    pub fn is_vertical(&self) -> bool {
        matches!(self, Self::Composite(font) if font.is_vertical)
    }
}

/// The fonts that were met, by where they stand in the file.
#[derive(Default)]
pub(super) struct Fonts(HashMap<(usize, usize), Option<Rc<Font>>>);

impl Fonts {
    pub fn get(&mut self, dict: &Dict, budget: &mut Budget) -> Option<Rc<Font>> {
        let place = (dict.data().as_ptr() as usize, dict.data().len());
        self.0.entry(place).or_insert_with(|| Font::new(dict, budget).map(Rc::new)).clone()
    }
}

/// What each byte stands for.
pub(super) struct Simple {
    texts: Vec<Option<String>>,
    widths: Vec<f64>,
}

impl Simple {
    fn new(dict: &Dict, kind: &[u8], budget: &mut Budget) -> Self {
        let to_unicode = to_unicode(dict, budget);
        let names = encoding(dict, kind, budget);
        let said = |code| to_unicode.as_ref().and_then(|map| looked_up(map, code));
        let texts: Vec<_> = names.into_iter().zip(0..).map(|(name, code)| said(code).or(name)).collect();
        Self { widths: widths(dict, kind, &texts), texts }
    }

    fn letter(&self, code: u8) -> Letter {
        Letter {
            text: self.texts[usize::from(code)].clone(),
            advance: self.widths[usize::from(code)] / 1000.0,
            length: 1,
            is_blank: code == b' ',
        }
    }
}

/// What the encoding of a font of bytes says of each of them.
fn encoding(dict: &Dict, kind: &[u8], budget: &mut Budget) -> Vec<Option<String>> {
    let differences = dict.get::<Dict>("Encoding");
    let base = match &differences {
        Some(differences) => differences.get::<Name>("BaseEncoding"),
        None => dict.get::<Name>("Encoding"),
    };
    let mut texts = match base.as_deref() {
        _ if let Some(own) = of_signs(dict) => own,
        Some(b"WinAnsiEncoding") => of_code_page(encoding_rs::WINDOWS_1252),
        Some(b"MacRomanEncoding") => of_code_page(encoding_rs::MACINTOSH),
        None if kind == b"Type3" => vec![None; 256],
        None if let Some(own) = programs::encoding(dict, budget) => own,
        _ => of_characters(STANDARD.characters()),
    };
    if let Some(list) = differences.and_then(|differences| differences.get::<Array>("Differences")) {
        budget.read(list.data().len());
        apply_differences(&mut texts, &list);
    }
    texts
}

/// That of the standard fonts of signs, where the file does not hold the font.
fn of_signs(dict: &Dict) -> Option<Vec<Option<String>>> {
    let name = font_name(dict).to_lowercase();
    let signs = match name.as_str() {
        "symbol" => SYMBOL,
        name if name.contains("dingbats") => DINGBATS,
        _ => return None,
    };
    let descriptor = dict.get::<Dict>("FontDescriptor").unwrap_or_default();
    let is_inside = ["FontFile", "FontFile2", "FontFile3"].iter().any(|key| descriptor.contains_key(key));
    (!is_inside).then(|| of_characters(signs.characters()))
}

fn of_characters(characters: [Option<char>; 256]) -> Vec<Option<String>> {
    characters.iter().map(|character| character.map(String::from)).collect()
}

fn of_code_page(page: &'static encoding_rs::Encoding) -> Vec<Option<String>> {
    let text = |code: u8| match page.decode_without_bom_handling(&[code]).0.chars().next()? {
        '\u{a0}' => Some(" ".into()),
        '\u{ad}' => Some("-".into()),
        control if control.is_control() => None,
        character => Some(character.into()),
    };
    (0..=255).map(text).collect()
}

/// A number is the code of the name behind it; the names that follow count on.
fn apply_differences(texts: &mut [Option<String>], list: &Array) {
    let mut code = 0;
    for object in list.iter::<Object>() {
        match object {
            Object::Number(number) => code = number.as_i64(),
            Object::Name(name) => {
                if let Some(text) = usize::try_from(code).ok().and_then(|code| texts.get_mut(code)) {
                    *text = text_of_name(name.as_str());
                }
                code = code.saturating_add(1);
            }
            _ => {}
        }
    }
}

/// The name of a font without the mark of a part of it: `ABCDEF+Times` is `Times`.
fn font_name(dict: &Dict) -> String {
    let name = dict.get::<Name>("BaseFont").map(|name| name.as_str().to_owned()).unwrap_or_default();
    match name.split_once('+') {
        Some((mark, rest)) if mark.len() == 6 => rest.into(),
        _ => name,
    }
}

const SERIF: u32 = 1 << 1;

/// How wide each byte is.
fn widths(dict: &Dict, kind: &[u8], texts: &[Option<String>]) -> Vec<f64> {
    let descriptor = dict.get::<Dict>("FontDescriptor").unwrap_or_default();
    let Some(list) = dict.get::<Array>("Widths") else {
        let is_serif = descriptor.get::<u32>("Flags").is_some_and(|flags| flags & SERIF != 0);
        let standard = Widths::of_font(&font_name(dict), is_serif);
        return texts.iter().map(|text| text.as_ref().map_or(0.0, |text| standard.of(text))).collect();
    };
    let mut widths = vec![descriptor.get::<f64>("MissingWidth").unwrap_or(0.0); 256];
    let first = dict.get::<usize>("FirstChar").unwrap_or(0).min(256);
    for (place, width) in widths[first..].iter_mut().zip(list.iter::<f64>()) {
        *place = width;
    }
    if kind == b"Type3" {
        let scale = dict.get::<[f64; 6]>("FontMatrix").map_or(1.0, |matrix| matrix[0] * 1000.0);
        widths.iter_mut().for_each(|width| *width *= scale);
    }
    widths
}

/// What a font of codes of several bytes says of them.
pub(super) struct Composite {
    /// From codes to the numbers of characters.
    numbers: CMap,
    /// From codes to text.
    to_unicode: Option<CMap>,
    /// From numbers to text.
    text_of_number: Option<CMap>,
    advances: HashMap<u32, f64>,
    usual_advance: f64,
    is_vertical: bool,
}

impl Composite {
    fn new(dict: &Dict, budget: &mut Budget) -> Option<Self> {
        let numbers = numbers(&dict.get::<Object>("Encoding")?, budget)?;
        let inner = dict.get::<Array>("DescendantFonts")?.iter::<Dict>().next()?;
        let is_vertical = numbers.metadata().writing_mode == Some(WritingMode::Vertical);
        let (key, numbers_each) = if is_vertical { ("W2", 3) } else { ("W", 1) };
        let list = inner.get::<Array>(key).unwrap_or_default();
        budget.read(list.data().len() + inner.data().len());
        let usual_height = || inner.get::<[f64; 2]>("DW2").map_or(-1000.0, |usual| usual[1]);
        let usual_width = || inner.get::<f64>("DW").unwrap_or(1000.0);
        Some(Self {
            advances: advances(&list, numbers_each, budget),
            usual_advance: if is_vertical { usual_height() } else { usual_width() },
            to_unicode: to_unicode(dict, budget),
            text_of_number: text_of_numbers(&numbers, &inner, budget),
            numbers,
            is_vertical,
        })
    }

    fn letter(&self, bytes: &[u8]) -> Letter {
        let (code, length, number) = self.code(bytes);
        let by_code = self.to_unicode.as_ref().and_then(|map| looked_up(map, code));
        let by_number = || looked_up(self.text_of_number.as_ref()?, number);
        Letter {
            text: by_code.or_else(by_number),
            advance: self.advances.get(&number).unwrap_or(&self.usual_advance) / 1000.0,
            length,
            is_blank: length == 1 && code == u32::from(b' '),
        }
    }

    /// The first code that the font knows, its length and its number.
    fn code(&self, bytes: &[u8]) -> (u32, usize, u32) {
        let mut code = 0;
        for (byte, length) in bytes.iter().zip(1..=4) {
            code = code << 8 | u32::from(*byte);
            if let Some(number) = self.numbers.lookup_cid_code(code, length) {
                return (code, length.into(), number);
            }
        }
        (0, 1, 0)
    }
}

/// How codes are numbered: as a name or a stream says.
fn numbers(encoding: &Object, budget: &mut Budget) -> Option<CMap> {
    match encoding {
        Object::Name(name) => match CMapName::from_bytes(name) {
            CMapName::IdentityH => Some(CMap::identity_h()),
            CMapName::IdentityV => Some(CMap::identity_v()),
            name => embedded(name, budget),
        },
        Object::Stream(stream) => table(stream, budget),
        _ => None,
    }
}

fn embedded(name: CMapName, budget: &mut Budget) -> Option<CMap> {
    if !budget.table() {
        return None;
    }
    CMap::parse(load_embedded(name)?, load_embedded)
}

/// That of a stream, which may build on one of those that are known.
fn table(stream: &Stream, budget: &mut Budget) -> Option<CMap> {
    let table = decoded(stream, budget)?;
    let is_affordable = memchr::memmem::find(&table, b"usecmap").is_none() || budget.table();
    is_affordable.then(|| CMap::parse(&table, load_embedded))?
}

/// The texts of the numbers of a known collection of characters.
fn text_of_numbers(numbers: &CMap, inner: &Dict, budget: &mut Budget) -> Option<CMap> {
    let of_codes =
        numbers.metadata().character_collection.as_ref().map(|collection| collection.family.clone());
    let family = of_codes.filter(|family| *family != CidFamily::AdobeIdentity).or_else(|| {
        let info = inner.get::<Dict>("CIDSystemInfo")?;
        let (registry, ordering) = (info.get::<Bytes>("Registry")?, info.get::<Bytes>("Ordering")?);
        Some(CidFamily::from_registry_ordering(&registry, &ordering))
    })?;
    embedded(family.ucs2_cmap()?, budget)
}

/// What a font says of its codes' text.
fn to_unicode(dict: &Dict, budget: &mut Budget) -> Option<CMap> {
    match dict.get::<Object>("ToUnicode")? {
        Object::Stream(stream) => table(&stream, budget),
        Object::Name(name) => embedded(CMapName::from_bytes(&name), budget),
        _ => None,
    }
}

fn looked_up(map: &CMap, code: u32) -> Option<String> {
    match map.lookup_bf_string(code)? {
        BfString::Char('\0') => None,
        BfString::Char(character) => Some(character.into()),
        BfString::String(text) => Some(text),
    }
}

/// Numbers of characters have two bytes.
const NUMBERS: u32 = 1 << 16;

/// `first [width ...]` or `first last width`, and so on; where a width is several numbers, the first of them counts.
fn advances(list: &Array, numbers_each: usize, budget: &mut Budget) -> HashMap<u32, f64> {
    let mut advances = HashMap::new();
    let mut items = list.iter::<Object>();
    while let (Some(first), Some(second)) = (items.next().and_then(number), items.next()) {
        if let Object::Array(widths) = second {
            let each = (first..NUMBERS).zip(widths.iter::<f64>().step_by(numbers_each));
            advances.extend(each.take_while(|_| budget.step()));
            continue;
        }
        let (last, width) = (number(second), items.next().and_then(Object::into_number));
        let (Some(last), Some(width)) = (last, width) else { break };
        let all = (first..=last.min(NUMBERS)).map(|number| (number, width.as_f64()));
        advances.extend(all.take_while(|_| budget.step()));
        items.by_ref().take(numbers_each - 1).for_each(drop);
    }
    advances
}

fn number(object: Object) -> Option<u32> {
    u32::try_from(object.into_number()?.as_i64()).ok()
}
