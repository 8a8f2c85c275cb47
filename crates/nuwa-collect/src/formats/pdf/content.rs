//! The commands of a page, followed as far as they say where its characters stand.

use std::collections::HashMap;
use std::rc::Rc;

use hayro_syntax::Pdf;
use hayro_syntax::content::{Instruction, UntypedIter};
use hayro_syntax::object::{Array, Dict, MaybeRef, Name, Object, ObjectIdentifier, Stream};
use hayro_syntax::page::{Page, Resources};

use super::budget::Budget;
use super::filters::decoded;
use super::fonts::{Font, Fonts, Letter};
use super::geometry::{Point, Transform};
use super::layers::Layers;
use super::lines::{Lines, Place};

/// How deep forms may lie in forms, and saved states on one another.
const FORMS: usize = 24;
const STATES: usize = 1 << 10;
/// What is kept of the forms that were expanded, in bytes.
const KEPT: usize = 1 << 26;

/// What all pages of a file share.
pub(super) struct Reader<'a> {
    layers: Layers,
    fonts: Fonts,
    standard: Rc<Font>,
    /// What stands at the places that were looked up, where it is a stream or a dictionary.
    streams: HashMap<ObjectIdentifier, Option<Stream<'a>>>,
    dicts: HashMap<ObjectIdentifier, Option<Dict<'a>>>,
    forms: HashMap<ObjectIdentifier, Rc<[u8]>>,
    kept: usize,
    lines: Lines,
    pub budget: Budget,
}

impl<'a> Reader<'a> {
    pub fn of(pdf: &'a Pdf, budget: Budget) -> Self {
        Self {
            layers: Layers::of(pdf),
            fonts: Fonts::default(),
            standard: Rc::new(Font::standard()),
            streams: HashMap::new(),
            dicts: HashMap::new(),
            forms: HashMap::new(),
            kept: 0,
            lines: Lines::default(),
            budget,
        }
    }

    /// The text of a page.
    pub fn text(&mut self, page: &Page<'a>) -> String {
        self.budget.object();
        let content = self.content(page);
        self.draw(&content, page.resources(), State::default(), 0);
        std::mem::take(&mut self.lines).text
    }

    fn content(&mut self, page: &Page) -> Vec<u8> {
        let parts = match page.raw().get::<Object>("Contents") {
            Some(Object::Stream(stream)) => vec![stream],
            Some(Object::Array(parts)) => {
                let parts = parts.raw_iter().take_while(|_| self.budget.object());
                parts.filter_map(|part| part_of(page, part)).collect()
            }
            _ => Vec::new(),
        };
        let mut content = Vec::new();
        for part in parts {
            content.extend_from_slice(&decoded(&part, &mut self.budget).unwrap_or_default());
            content.push(b' ');
        }
        content
    }

    fn draw(&mut self, content: &[u8], resources: &Resources<'a>, state: State, depth: usize) {
        if !self.budget.read(content.len()) {
            return;
        }
        let fonts = HashMap::new();
        let mut drawing =
            Drawing { reader: self, resources, state, saved: Vec::new(), shown: Vec::new(), fonts, depth };
        let mut commands = UntypedIter::new(content);
        while let Some(command) = commands.next() {
            if !drawing.reader.budget.step() {
                return;
            }
            drawing.follow(&command);
        }
    }

    /// The stream that a dictionary names: each is looked up once.
    fn stream(&mut self, names: &Dict<'a>, name: &Name) -> Option<Stream<'a>> {
        let place = names.get_ref(name).filter(|_| self.budget.object())?;
        self.streams.entry(place.into()).or_insert_with(|| names.get(name)).clone()
    }

    /// The same of a dictionary, which may also stand where it is named.
    fn dict(&mut self, names: &Dict<'a>, name: &Name) -> Option<Dict<'a>> {
        if !self.budget.object() {
            return None;
        }
        match names.get_ref(name) {
            Some(place) => self.dicts.entry(place.into()).or_insert_with(|| names.get(name)).clone(),
            None => names.get(name).filter(|dict: &Dict| self.budget.read(dict.data().len())),
        }
    }

    /// The resources of a form, where it has some.
    fn resources(&mut self, form: &Dict<'a>) -> Option<Resources<'a>> {
        let dict: Dict = form.get("Resources")?;
        let size = dict.data().len();
        let resources = Resources::new(dict);
        let parts = [&resources.fonts, &resources.x_objects, &resources.ext_g_states, &resources.properties];
        let size = parts.iter().map(|part| part.data().len()).sum::<usize>() + size;
        self.budget.read(size).then_some(resources)
    }

    /// What a form holds.
    fn form(&mut self, form: &Stream) -> Option<Rc<[u8]>> {
        if let Some(content) = self.forms.get(&form.obj_id()) {
            return Some(content.clone());
        }
        let content: Rc<[u8]> = decoded(form, &mut self.budget)?.into();
        if self.kept + content.len() <= KEPT {
            self.kept += content.len();
            self.forms.insert(form.obj_id(), content.clone());
        }
        Some(content)
    }
}

/// What commands change and `q` saves.
#[derive(Clone)]
struct State {
    page: Transform,
    text: Transform,
    line: Transform,
    font: Option<Rc<Font>>,
    is_font_named: bool,
    size: f64,
    between_characters: f64,
    between_words: f64,
    stretch: f64,
    leading: f64,
    rise: f64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            page: Transform::IDENTITY,
            text: Transform::IDENTITY,
            line: Transform::IDENTITY,
            font: None,
            is_font_named: false,
            size: 1.0,
            between_characters: 0.0,
            between_words: 0.0,
            stretch: 1.0,
            leading: 0.0,
            rise: 0.0,
        }
    }
}

impl State {
    fn next_line(&mut self, right: f64, up: f64) {
        self.line = self.line * Transform::shift(right, up);
        self.text = self.line;
    }

    /// Moves the pen along the line.
    fn advance(&mut self, way: f64) {
        let is_vertical = self.font.as_ref().is_some_and(|font| font.is_vertical());
        let way = if is_vertical { (0.0, way) } else { (way * self.stretch, 0.0) };
        self.text = self.text * Transform::shift(way.0, way.1);
    }

    fn place(&self, letter: &Letter, is_vertical: bool) -> Place {
        let size = Transform([self.size * self.stretch, 0.0, 0.0, self.size, 0.0, self.rise]);
        let to_page = self.page * self.text * size;
        let start = to_page * Point::ORIGIN;
        let way = |right, up| to_page * Point::new(right, up) - start;
        let (along, across) =
            if is_vertical { (way(0.0, -1.0), way(1.0, 0.0)) } else { (way(1.0, 0.0), way(0.0, 1.0)) };
        let end = if is_vertical { way(0.0, letter.advance) } else { way(letter.advance, 0.0) };
        Place { start, end: start + end, along: along.direction(), size: across.length() }
    }
}

/// A page or a form while it is drawn.
struct Drawing<'r, 'a> {
    reader: &'r mut Reader<'a>,
    resources: &'r Resources<'a>,
    state: State,
    saved: Vec<State>,
    /// Whether the marked parts that are open are seen.
    shown: Vec<bool>,
    fonts: HashMap<Vec<u8>, Option<Rc<Font>>>,
    depth: usize,
}

impl<'a> Drawing<'_, 'a> {
    fn follow(&mut self, command: &Instruction) {
        match &**command.operator {
            b"q" if self.saved.len() < STATES => self.saved.push(self.state.clone()),
            b"Q" => self.state = self.saved.pop().unwrap_or_else(|| self.state.clone()),
            b"BMC" => self.shown.push(self.is_shown()),
            b"BDC" => self.open(command),
            b"EMC" => drop(self.shown.pop()),
            b"Do" => drop(self.form(command)),
            b"gs" => drop(self.graphics_state(command)),
            b"Tf" => drop(self.font(command)),
            b"Tj" => self.show_operand(command),
            b"TJ" => self.show_all(command),
            b"'" => {
                self.state.next_line(0.0, -self.state.leading);
                self.show_operand(command);
            }
            b"\"" => self.show_spaced(command),
            operator => drop(self.set(operator, command)),
        }
    }

    /// The commands of numbers alone.
    fn set(&mut self, operator: &[u8], command: &Instruction) -> Option<()> {
        let state = &mut self.state;
        match operator {
            b"cm" => state.page = state.page * Transform(numbers(command)?),
            b"BT" => (state.text, state.line) = (Transform::IDENTITY, Transform::IDENTITY),
            b"Tm" => (state.text, state.line) = (Transform(numbers(command)?), Transform(numbers(command)?)),
            b"Td" | b"TD" => {
                let [right, up] = numbers(command)?;
                if operator == b"TD" {
                    state.leading = -up;
                }
                state.next_line(right, up);
            }
            b"T*" => state.next_line(0.0, -state.leading),
            b"Tc" => [state.between_characters] = numbers(command)?,
            b"Tw" => [state.between_words] = numbers(command)?,
            b"Tz" => state.stretch = numbers::<1>(command)?[0] / 100.0,
            b"TL" => [state.leading] = numbers(command)?,
            b"Ts" => [state.rise] = numbers(command)?,
            _ => {}
        }
        Some(())
    }

    fn is_shown(&self) -> bool {
        self.shown.last().copied().unwrap_or(true)
    }

    /// Opens a marked part; one that belongs to a layer is seen with it.
    fn open(&mut self, command: &Instruction) {
        let Reader { layers, budget, .. } = &mut *self.reader;
        let is_shown = match command.operands().last() {
            Some(Object::Name(name)) => layers.shows(&self.resources.properties, name, budget),
            Some(Object::Dict(dict)) => layers.shows(dict, b"OC", budget),
            _ => true,
        };
        self.shown.push(self.is_shown() && is_shown);
    }

    fn form(&mut self, command: &Instruction) -> Option<()> {
        let form = self.reader.stream(&self.resources.x_objects, name(command)?)?;
        let dict = form.dict();
        let is_form = dict.get::<Name>("Subtype").as_deref() == Some(b"Form");
        let Reader { layers, budget, .. } = &mut *self.reader;
        let is_shown = self.shown.last().copied().unwrap_or(true) && layers.shows(dict, b"OC", budget);
        if !is_form || !is_shown || self.depth >= FORMS {
            return None;
        }
        let mut state = self.state.clone();
        state.page = state.page * dict.get("Matrix").map_or(Transform::IDENTITY, Transform);
        let own = self.reader.resources(dict);
        let content = self.reader.form(&form)?;
        self.reader.draw(&content, own.as_ref().unwrap_or(self.resources), state, self.depth + 1);
        Some(())
    }

    /// A graphics state may set the font.
    fn graphics_state(&mut self, command: &Instruction) -> Option<()> {
        let graphics = self.reader.dict(&self.resources.ext_g_states, name(command)?)?;
        let list = graphics.get::<Array>("Font")?;
        let mut items = list.iter::<Object>();
        let (font, size) = (items.next()?.into_dict()?, items.next()?.into_number()?);
        let font = self.reader.fonts.get(&font, &mut self.reader.budget);
        self.set_font(font, size.as_f64());
        Some(())
    }

    fn font(&mut self, command: &Instruction) -> Option<()> {
        let name = name(command)?;
        let reader = &mut *self.reader;
        let font = match self.fonts.get(&**name) {
            Some(font) => font.clone(),
            None => {
                let font = match reader.dict(&self.resources.fonts, name) {
                    Some(dict) => reader.fonts.get(&dict, &mut reader.budget),
                    None => Some(reader.standard.clone()),
                };
                self.fonts.insert(name.to_vec(), font.clone());
                font
            }
        };
        let [size] = numbers(command)?;
        self.set_font(font, size);
        Some(())
    }

    fn set_font(&mut self, font: Option<Rc<Font>>, size: f64) {
        (self.state.font, self.state.size, self.state.is_font_named) = (font, size, true);
    }

    fn show_operand(&mut self, command: &Instruction) {
        if let Some(Object::String(text)) = command.operands().last() {
            self.show(text.as_bytes());
        }
    }

    fn show_all(&mut self, command: &Instruction) {
        let Some(Object::Array(parts)) = command.operands().last() else { return };
        for part in parts.iter::<Object>() {
            match part {
                Object::String(text) => self.show(text.as_bytes()),
                Object::Number(back) => self.state.advance(-back.as_f64() / 1000.0 * self.state.size),
                _ => {}
            }
        }
    }

    fn show_spaced(&mut self, command: &Instruction) {
        if let Some([between_words, between_characters]) = numbers(command) {
            (self.state.between_words, self.state.between_characters) = (between_words, between_characters);
        }
        self.state.next_line(0.0, -self.state.leading);
        self.show_operand(command);
    }

    fn show(&mut self, mut bytes: &[u8]) {
        if !self.state.is_font_named {
            let standard = self.reader.standard.clone();
            self.set_font(Some(standard), self.state.size);
        }
        let Some(font) = self.state.font.clone() else { return };
        let is_shown = self.is_shown();
        while !bytes.is_empty() && self.reader.budget.step() {
            let letter = font.first(bytes);
            if let Some(text) = letter.text.as_deref().filter(|_| is_shown)
                && self.reader.budget.text(text.len())
            {
                self.reader.lines.push(text, self.state.place(&letter, font.is_vertical()));
            }
            let between_words = if letter.is_blank { self.state.between_words } else { 0.0 };
            self.state
                .advance(letter.advance * self.state.size + self.state.between_characters + between_words);
            bytes = &bytes[letter.length..];
        }
    }
}

fn part_of<'a>(page: &Page<'a>, part: MaybeRef<Object<'a>>) -> Option<Stream<'a>> {
    match part {
        MaybeRef::Ref(place) => page.xref().get(place.into()),
        MaybeRef::NotRef(object) => object.into_stream(),
    }
}

/// The last numbers before a command.
fn numbers<const COUNT: usize>(command: &Instruction) -> Option<[f64; COUNT]> {
    let mut last = [0.0; COUNT];
    let mut count = 0;
    for operand in command.operands() {
        if let Object::Number(number) = operand {
            last.rotate_left(1);
            last[COUNT - 1] = number.as_f64();
            count += 1;
        }
    }
    (count >= COUNT).then_some(last)
}

fn name<'c, 'a>(command: &Instruction<'c, 'a>) -> Option<&'c Name<'a>> {
    command.operands().find_map(|operand| match operand {
        Object::Name(name) => Some(name),
        _ => None,
    })
}
