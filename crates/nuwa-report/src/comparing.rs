//! Models side by side ([`nuwa_eval::comparison`]), for a terminal and as a page.

use std::path::Path;

use nuwa_eval::comparison::{
    Compared, ComparedFigure, ComparedTask, DifferingItem, MeanScore, ModelComparison,
};

use crate::error::Result;
use crate::sheet::{Given, Grid, Sample, Section, Sheet, SheetCell};
use crate::words::Text;
use crate::words::comparing::{self as words, Words};

const WORDS: Words = Words::ALL;
/// Below this, a p is not told in digits.
const LEAST_P: f64 = 0.001;

/// Writes the page.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, comparison: &ModelComparison) -> Result<()> {
    Ok(nuwa_files::write_atomically(path, sheet(comparison).html()?.as_bytes())?)
}

/// The comparison as lines of text.
pub fn text(comparison: &ModelComparison) -> String {
    sheet(comparison).text()
}

fn sheet(comparison: &ModelComparison) -> Sheet {
    let unpaired: Vec<&str> =
        comparison.tasks.iter().filter(|task| !task.is_same_items).map(|task| task.task.as_str()).collect();
    let mut warnings = Vec::new();
    warnings.extend((!unpaired.is_empty()).then(|| words::other_items(&unpaired)));
    warnings.extend((!comparison.left_out.is_empty()).then(|| words::left_out(&comparison.left_out)));
    warnings.extend((comparison.models.len() > comparison.measured).then(|| WORDS.about_published.into()));
    let mut sections = vec![values(comparison), tests(comparison)];
    sections.extend(others(comparison));
    sections.extend((!comparison.samples.is_empty()).then(|| samples(comparison)));
    Sheet {
        brand: WORDS.brand.into(),
        title: WORDS.title.into(),
        subtitle: words::subtitle(&comparison.models, comparison.tasks.len() as u64),
        warnings,
        sections,
        footer: WORDS.footer.into(),
    }
}

fn head(comparison: &ModelComparison) -> Vec<Text> {
    let names = comparison.models.iter().map(Text::same);
    [WORDS.task, WORDS.figure].map(Text::from).into_iter().chain(names).collect()
}

/// The figure that stands for each task, and their mean.
fn values(comparison: &ModelComparison) -> Section {
    let has_chance = comparison.tasks.iter().any(|task| task.chance.is_some());
    let mut head = head(comparison);
    head.extend(has_chance.then(|| WORDS.chance.into()));
    let chance = |chance: Option<f64>| {
        has_chance.then(|| SheetCell::figure(chance.map_or(String::new(), |chance| format!("{chance:.3}"))))
    };
    let row = |task: &ComparedTask| {
        let figure = task.figures.first()?;
        let mut row = value_row(&task.task, figure);
        row.extend(chance(task.chance));
        Some(row)
    };
    let mut rows: Vec<Vec<SheetCell>> = comparison.tasks.iter().filter_map(row).collect();
    if let Some(MeanScore { values, chance: of_mean, .. }) =
        comparison.mean.as_ref().filter(|mean| mean.tasks.len() > 1)
    {
        let mut row = vec![SheetCell::from(WORDS.mean), SheetCell::from(WORDS.raw)];
        row.extend(values.iter().map(cell));
        row.extend(chance(*of_mean));
        rows.push(row);
    }
    let (title, notes) = (WORDS.headline.into(), vec![WORDS.about_values.into()]);
    Section { title, tables: vec![Grid { title: None, head, rows }], notes, ..Section::default() }
}

fn value_row(task: &str, figure: &ComparedFigure) -> Vec<SheetCell> {
    let names = [SheetCell::name(task), SheetCell::name(&figure.figure)];
    names.into_iter().chain(figure.values.iter().map(cell)).collect()
}

fn cell(value: &Option<Compared>) -> SheetCell {
    value.as_ref().map_or_else(SheetCell::default, |value| SheetCell::estimate(value.value, value.interval))
}

/// The test of each model on each task.
fn tests(comparison: &ModelComparison) -> Section {
    let head = [
        WORDS.task,
        WORDS.model,
        WORDS.difference,
        WORDS.p,
        WORDS.holm,
        WORDS.clear,
        WORDS.only,
        WORDS.detectable,
        WORDS.how,
    ];
    let of_task = |task: &ComparedTask| {
        let figure = task.figures.first();
        let row = |figure: &ComparedFigure| {
            let models = comparison.models.iter().enumerate();
            models.filter_map(|(model, name)| test_row(&task.task, name, figure, model)).collect::<Vec<_>>()
        };
        figure.map(row).unwrap_or_default()
    };
    let rows = comparison.tasks.iter().flat_map(of_task).collect();
    let table = Grid { title: None, head: head.map(Text::from).into(), rows };
    let (title, notes) = (WORDS.tests.into(), vec![WORDS.about_tests.into()]);
    Section { title, tables: vec![table], notes, ..Section::default() }
}

fn test_row(task: &str, name: &str, figure: &ComparedFigure, model: usize) -> Option<Vec<SheetCell>> {
    let test = figure.tests[model]?;
    let [low, high] = test.interval;
    let clear = if figure.is_clear(model) { WORDS.yes } else { WORDS.no };
    let only = test.only_one_right.map_or(String::new(), |[first, own]| format!("{first} / {own}"));
    Some(vec![
        SheetCell::name(task),
        SheetCell::name(name),
        SheetCell::figure(format!("{:+.3} [{low:+.3}, {high:+.3}]", test.difference)),
        SheetCell::figure(probability(test.p)),
        SheetCell::figure(test.p_holm.map_or(String::new(), probability)),
        clear.into(),
        SheetCell::figure(only),
        SheetCell::figure(test.detectable.map_or(String::new(), |difference| format!("{difference:.3}"))),
        SheetCell::name(test.kind.name()),
    ])
}

fn probability(p: f64) -> String {
    if p < LEAST_P { format!("< {LEAST_P}") } else { format!("{p:.3}") }
}

/// The figures that do not stand for their task; none where there are none.
fn others(comparison: &ModelComparison) -> Option<Section> {
    let of_task = |task: &ComparedTask| {
        task.figures.iter().skip(1).map(|figure| value_row(&task.task, figure)).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<SheetCell>> = comparison.tasks.iter().flat_map(of_task).collect();
    let table = Grid { title: None, head: head(comparison), rows };
    (!table.rows.is_empty()).then(|| Section {
        title: WORDS.others.into(),
        tables: vec![table],
        ..Section::default()
    })
}

fn samples(comparison: &ModelComparison) -> Section {
    let sample = |item: &DifferingItem| {
        let expected = Given { name: WORDS.expected.into(), text: item.expected.clone(), is_right: None };
        let given = comparison.models.iter().zip(&item.given).map(|(name, (text, is_right))| Given {
            name: Text::same(name),
            text: text.clone(),
            is_right: Some(*is_right),
        });
        Sample {
            title: words::sample(&item.task, item.item),
            prompt: item.prompt.clone(),
            given: std::iter::once(expected).chain(given).collect(),
        }
    };
    let samples = comparison.samples.iter().map(sample).collect();
    Section { title: WORDS.samples.into(), samples, ..Section::default() }
}
