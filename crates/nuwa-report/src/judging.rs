//! What judges said of answers ([`nuwa_eval::people`]), for a terminal and as a page (`results.html`).

use std::path::{Path, PathBuf};

use nuwa_eval::people::{
    Agreement, CriterionResult, Estimate, GroupFigures, JudgeAccount, JudgePair, JudgePlan, JudgeResults,
    LengthEffect, PairResult, Strengths,
};

use crate::error::Result;
use crate::sheet::{Given, Grid, Sample, Section, Sheet, SheetCell};
use crate::words::Text;
use crate::words::judging::{self as words, Words};

const WORDS: Words = Words::ALL;
/// Characters of a plan's hash that are shown.
const SHORT: usize = 12;

/// Writes `results.html` into the folder of a plan, and returns its path.
///
/// # Errors
/// When it cannot be written.
pub fn write(folder: &Path, plan: &JudgePlan, results: &JudgeResults) -> Result<PathBuf> {
    let path = folder.join("results.html");
    let mut sheet = sheet(results);
    sheet.sections.push(wording(plan));
    nuwa_files::write_atomically(&path, sheet.html()?.as_bytes())?;
    Ok(path)
}

/// The results as lines of text.
pub fn text(results: &JudgeResults) -> String {
    sheet(results).text()
}

fn sheet(results: &JudgeResults) -> Sheet {
    let plan = results.plan.get(..SHORT).unwrap_or(&results.plan);
    let mut warnings: Vec<Text> = results.remarks.iter().map(words::remark).collect();
    warnings.extend((!results.left_out.is_empty()).then(|| words::left_out(&results.left_out)));
    let mut sections: Vec<Section> =
        results.groups.iter().flat_map(|group| of_group(group, &results.models)).collect();
    sections.push(judges(&results.judges, &results.judge_pairs));
    Sheet {
        brand: WORDS.brand.into(),
        title: WORDS.title.into(),
        subtitle: words::subtitle(&results.models, results.prompts, plan),
        warnings,
        sections,
        footer: WORDS.footer.into(),
    }
}

/// The sections of one group of judges, the first under the group's name.
fn of_group(group: &GroupFigures, models: &[String]) -> Vec<Section> {
    let mut sections = Vec::new();
    if !group.pairs.is_empty() {
        sections.push(pairs(group, models));
    }
    if !group.criteria.is_empty() {
        sections.push(criteria(&group.criteria, models));
    }
    if !group.agreement.is_empty() {
        sections.push(agreement(&group.agreement));
    }
    sections.extend(group.length.as_ref().map(length));
    let name = words::of_group(group.kind, &group.judges);
    for section in &mut sections {
        section.title = Text::joined(&[section.title.clone(), name.clone()], crate::words::DOT);
    }
    sections
}

fn pairs(group: &GroupFigures, models: &[String]) -> Section {
    let head = [
        WORDS.first,
        WORDS.second,
        WORDS.wins,
        WORDS.losses,
        WORDS.good,
        WORDS.bad,
        WORDS.contradictory,
        WORDS.same,
        WORDS.win_rate,
    ];
    let rows = group.pairs.iter().map(|pair| pair_row(pair, models)).collect();
    let mut tables = vec![Grid { title: None, head: head.map(Text::from).into(), rows }];
    let mut notes = vec![WORDS.about_pairs.into()];
    if let Some(strengths) = &group.strengths {
        let equal = group.length.as_ref().and_then(|length| length.scores_at_equal_length.as_deref());
        tables.push(strengths_table(strengths, equal, models));
        notes.push(WORDS.about_strengths.into());
        notes.extend(strengths.is_smoothed.then(|| WORDS.smoothed.into()));
    }
    Section { title: WORDS.pairs.into(), tables, notes, ..Section::default() }
}

fn pair_row(pair: &PairResult, models: &[String]) -> Vec<SheetCell> {
    let [first, second] = pair.models.map(|model| SheetCell::name(&models[model]));
    let counts = [pair.wins, pair.losses, pair.both_good, pair.both_bad, pair.contradictory, pair.same];
    let counts = counts.map(|count| SheetCell::figure(count.to_string()));
    let rate = SheetCell::share(pair.win_rate.value, pair.win_rate.interval);
    [first, second].into_iter().chain(counts).chain([rate]).collect()
}

fn strengths_table(strengths: &Strengths, equal: Option<&[f64]>, models: &[String]) -> Grid {
    let mut head: Vec<Text> = [WORDS.first, WORDS.score, WORDS.elo].map(Text::from).into();
    head.extend(equal.map(|_| WORDS.at_equal_length.into()));
    let mut order: Vec<usize> = (0..models.len()).collect();
    order.sort_by(|one, other| {
        strengths.models[*other].score.value.total_cmp(&strengths.models[*one].score.value)
    });
    let row = |model: usize| {
        let strength = &strengths.models[model];
        let mut row = vec![
            SheetCell::name(&models[model]),
            estimate(&strength.score),
            SheetCell::figure(format!("{:.0}", strength.elo)),
        ];
        row.extend(equal.map(|scores| SheetCell::figure(format!("{:.3}", scores[model]))));
        row
    };
    Grid { title: Some(WORDS.strengths.into()), head, rows: order.into_iter().map(row).collect() }
}

fn criteria(results: &[CriterionResult], models: &[String]) -> Section {
    let head =
        [WORDS.first, WORDS.steps, WORDS.cannot_tell, WORDS.median, WORDS.mean, WORDS.higher].map(Text::from);
    let table = |result: &CriterionResult| {
        let row = |(model, ratings): (usize, &nuwa_eval::people::ModelRatings)| {
            let counts: Vec<String> = ratings.counts.iter().map(ToString::to_string).collect();
            let score = result.strengths.as_ref().map(|strengths| estimate(&strengths.models[model].score));
            vec![
                SheetCell::name(&models[model]),
                SheetCell::figure(counts.join(" · ")),
                SheetCell::figure(ratings.cannot_tell.to_string()),
                SheetCell::figure(ratings.median.map_or(String::new(), |median| median.to_string())),
                ratings.mean.as_ref().map_or_else(SheetCell::default, estimate),
                score.unwrap_or_default(),
            ]
        };
        Grid {
            title: Some(words::criterion(Some(result.criterion)).into()),
            head: head.to_vec(),
            rows: result.models.iter().enumerate().map(row).collect(),
        }
    };
    let tables = results.iter().map(table).collect();
    Section {
        title: WORDS.criteria.into(),
        tables,
        notes: vec![WORDS.about_criteria.into()],
        ..Section::default()
    }
}

fn agreement(all: &[Agreement]) -> Section {
    let head = [WORDS.question, WORDS.items, WORDS.percent, WORDS.nominal, WORDS.ordinal, WORDS.interval];
    let row = |agreement: &Agreement| {
        let alpha = |alpha: &Option<Estimate>| alpha.as_ref().map_or_else(SheetCell::default, estimate);
        vec![
            words::criterion(agreement.criterion).into(),
            SheetCell::figure(agreement.items.to_string()),
            SheetCell::share(agreement.percent.value, agreement.percent.interval),
            alpha(&agreement.nominal),
            alpha(&agreement.ordinal),
            alpha(&agreement.interval),
        ]
    };
    let table = Grid { title: None, head: head.map(Text::from).into(), rows: all.iter().map(row).collect() };
    let (title, notes) = (WORDS.agreement.into(), vec![WORDS.about_agreement.into()]);
    Section { title, tables: vec![table], notes, ..Section::default() }
}

fn length(length: &LengthEffect) -> Section {
    let head = [WORDS.choices, WORDS.longer, WORDS.length_effect].map(Text::from).into();
    let row = vec![
        SheetCell::figure(length.n.to_string()),
        SheetCell::share(length.longer_wins.value, length.longer_wins.interval),
        length.effect.as_ref().map_or_else(SheetCell::default, estimate),
    ];
    let tables = vec![Grid { title: None, head, rows: vec![row] }];
    Section {
        title: WORDS.length.into(),
        tables,
        notes: vec![WORDS.about_length.into()],
        ..Section::default()
    }
}

fn judges(accounts: &[JudgeAccount], pairs: &[JudgePair]) -> Section {
    let head =
        [WORDS.judges, WORDS.kind, WORDS.judged, WORDS.checks, WORDS.steady, WORDS.left, WORDS.seconds];
    let row = |account: &JudgeAccount| {
        let of = |part: u64, whole: u64| SheetCell::figure(format!("{part} / {whole}"));
        vec![
            SheetCell::name(&account.judge),
            words::kind(account.kind).into(),
            of(account.judged, account.items),
            of(account.checks_failed, account.checks),
            of(account.repeated_same, account.repeated),
            of(account.left_chosen, account.sides_chosen),
            SheetCell::figure(
                account.median_seconds.map_or(String::new(), |seconds| format!("{seconds:.1}")),
            ),
        ]
    };
    let mut tables = vec![Grid {
        title: None,
        head: head.map(Text::from).into(),
        rows: accounts.iter().map(row).collect(),
    }];
    if !pairs.is_empty() {
        tables.push(judge_pairs(pairs));
    }
    let (title, notes) = (WORDS.judges.into(), vec![WORDS.about_judges.into()]);
    Section { title, tables, notes, ..Section::default() }
}

fn judge_pairs(pairs: &[JudgePair]) -> Grid {
    let head = [WORDS.judges, WORDS.question, WORDS.items, WORDS.percent, WORDS.kappa];
    let row = |pair: &JudgePair| {
        vec![
            SheetCell::name(pair.judges.join(" / ")),
            words::criterion(pair.criterion).into(),
            SheetCell::figure(pair.items.to_string()),
            SheetCell::figure(format!("{:.1} %", 100.0 * pair.percent)),
            SheetCell::figure(pair.kappa.map_or(String::new(), |kappa| format!("{kappa:.3}"))),
        ]
    };
    let rows = pairs.iter().map(row).collect();
    Grid { title: Some(WORDS.judge_pairs.into()), head: head.map(Text::from).into(), rows }
}

/// The exact words that judges were shown, in both languages.
fn wording(plan: &JudgePlan) -> Section {
    let (en, zh) = (&plan.wording.en, &plan.wording.zh);
    let sample = |(en, zh): (&nuwa_eval::people::CriterionWords, &nuwa_eval::people::CriterionWords)| {
        let step = |(place, (en, zh)): (usize, (&String, &String))| Given {
            name: Text::same((place + 1).to_string()),
            text: format!("{en}\n{zh}"),
            is_right: None,
        };
        Sample {
            title: Text::new(&en.title, &zh.title),
            prompt: format!("{}\n{}", en.question, zh.question),
            given: en.steps.iter().zip(&zh.steps).enumerate().map(step).collect(),
        }
    };
    let mut samples = vec![Sample {
        title: WORDS.pairs.into(),
        prompt: format!("{}\n{}\n\n{}\n{}", en.instructions, zh.instructions, en.choice, zh.choice),
        given: Vec::new(),
    }];
    samples.extend(en.criteria.iter().zip(&zh.criteria).map(sample));
    Section { title: WORDS.asked.into(), samples, ..Section::default() }
}

fn estimate(estimate: &Estimate) -> SheetCell {
    SheetCell::estimate(estimate.value, estimate.interval)
}
