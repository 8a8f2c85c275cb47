//! How many evaluation items are found on pages, by the frame of the set and the form of the page, and how many clean pages are
//! lost: `cargo run -p nuwa-clean --example framed -- ../shared/data even|odd [MISSED]`.
//!
//! Frames and forms were made to measure on the even items; the odd ones are for reporting.

#[path = "../tests/it/framed.rs"]
mod framed;

use std::path::PathBuf;

use framed::{FRAMES, PAGES, clean_pages, found, recall, sets, step};

const MOST: usize = 200;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [shared, half, rest @ ..] = &arguments[..] else { panic!("expected: SHARED even|odd [MISSED]") };
    let shared = PathBuf::from(shared);
    let missed_shown: usize = rest.first().map_or(0, |count| count.parse().unwrap());
    let sets = sets(&shared.join("eval"), usize::from(half == "odd"), MOST);
    let clean = clean_pages(&shared, 5);
    println!(
        "set, frame: share found by form of page ({}); {half} items, at most {MOST} a set",
        PAGES.join(", ")
    );
    for frame in FRAMES {
        let folder = tempfile::tempdir().unwrap();
        let step = step(&sets, frame, folder.path());
        for (name, items) in &sets {
            let mut shares = Vec::new();
            for form in PAGES {
                let (planted, right, missed) = recall(&step, items, form, &clean);
                missed
                    .iter()
                    .take(missed_shown)
                    .for_each(|page| println!("  {name} {frame} {form}: {page:?}"));
                shares.push(if planted == 0 {
                    "-".into()
                } else {
                    format!("{:.1}", 100.0 * right as f64 / planted as f64)
                });
            }
            println!("{name}, {frame}: {}", shares.join(" "));
        }
        let lost: Vec<String> = clean.iter().filter_map(|text| found(&step, text)).collect();
        println!(
            "{frame}: {} of {} clean pages lost {lost:?}; looked for, too short: {:?}",
            lost.len(),
            clean.len(),
            step.items()
        );
    }
}
