//! Near duplicates against brute force: the paragraphs of five editions of one novel.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use nuwa_clean::{CleanSettings, StepName};

use crate::{Cleaned, cleaned, documents_of, shared};

const EDITIONS: [&str; 5] = ["2600-0", "2600-8", "wrnpc10", "wrnpc11", "wrnpc12"];

/// Paragraphs of 40 words or more, of all editions.
fn paragraphs() -> Option<Vec<String>> {
    let folder = shared("messy/war_and_peace_editions")?;
    let mut all = Vec::new();
    for edition in EDITIONS {
        let file = std::fs::File::open(folder.join(format!("{edition}.txt.gz"))).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
        // Two editions are UTF-8 or ASCII, the others Latin-1.
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect());
        let text = text.replace("\r\n", "\n");
        let long = text.split("\n\n").filter(|paragraph| paragraph.split_whitespace().count() >= 40);
        all.extend(long.map(str::to_string));
    }
    Some(all)
}

/// Runs of five words without case, apostrophes and punctuation, as numbers.
fn shingle_sets(paragraphs: &[String]) -> Vec<Vec<u32>> {
    let mut numbers: HashMap<Vec<String>, u32> = HashMap::new();
    let set = |paragraph: &String| {
        let plain = paragraph.to_lowercase().replace(['\'', '’'], "");
        let words: Vec<String> = plain
            .split(|character: char| !character.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_string)
            .collect();
        let mut set = Vec::new();
        for run in words.windows(5) {
            let next = numbers.len() as u32;
            set.push(*numbers.entry(run.to_vec()).or_insert(next));
        }
        set.sort_unstable();
        set.dedup();
        set
    };
    paragraphs.iter().map(set).collect()
}

/// The Jaccard similarity of each pair of paragraphs that share anything.
fn brute_force(sets: &[Vec<u32>]) -> HashMap<(u32, u32), f64> {
    let mut holders: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut similarities = HashMap::new();
    for (number, set) in (0..).zip(sets) {
        let mut common: BTreeMap<u32, usize> = BTreeMap::new();
        for shingle in set {
            let holders = holders.entry(*shingle).or_default();
            holders.iter().for_each(|holder| *common.entry(*holder).or_default() += 1);
            holders.push(number);
        }
        for (other, common) in common {
            let union = set.len() + sets[other as usize].len() - common;
            similarities.insert((other, number), common as f64 / union as f64);
        }
    }
    similarities
}

/// The cluster of each paragraph, by the paragraph that was kept.
fn clusters(cleaned: &Cleaned, paragraphs: usize) -> Vec<usize> {
    let number = |id: &str| id.rsplit('#').next().unwrap().parse::<usize>().unwrap() - 1;
    let mut clusters: Vec<usize> = (0..paragraphs).collect();
    for line in &cleaned.rejected {
        let kept = number(line["detail"].as_str().unwrap());
        clusters[number(line["id"].as_str().unwrap())] = kept;
        assert_eq!(clusters[kept], kept, "what is kept is in its own cluster");
    }
    clusters
}

#[test]
fn paragraphs_of_editions_are_found_as_brute_force_finds_them() {
    let Some(paragraphs) = paragraphs() else { return };
    let truth = brute_force(&shingle_sets(&paragraphs));
    let texts: Vec<&str> = paragraphs.iter().map(String::as_str).collect();
    let folder = documents_of(&texts);
    for threshold in [0.8, 0.75] {
        let mut settings = CleanSettings { steps: vec![StepName::NearDuplicates], ..Default::default() };
        settings.near_duplicates.threshold = threshold;
        let cleaned = cleaned(folder.path(), &settings).unwrap();
        let clusters = clusters(&cleaned, paragraphs.len());
        let alike: Vec<(u32, u32)> =
            truth.iter().filter(|(_, similarity)| **similarity >= 0.8).map(|(pair, _)| *pair).collect();
        let together = |(one, other): &&(u32, u32)| clusters[*one as usize] == clusters[*other as usize];
        let recall = alike.iter().filter(together).count() as f64 / alike.len() as f64;

        let mut members: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
        (0..).zip(&clusters).for_each(|(number, cluster)| members.entry(*cluster).or_default().push(number));
        let (mut pairs, mut right, mut removed, mut rightly) = (0, 0, 0, 0);
        for members in members.values() {
            for (at, other) in members.iter().enumerate() {
                let similar = |one: &u32| {
                    let pair = (*one.min(other), *one.max(other));
                    truth.get(&pair).is_some_and(|similarity| *similarity >= threshold)
                };
                pairs += at;
                right += members[..at].iter().filter(|one| similar(one)).count();
                removed += usize::from(clusters[*other as usize] != *other as usize);
                let is_right = clusters[*other as usize] != *other as usize && members.iter().any(similar);
                rightly += usize::from(is_right);
            }
        }
        let (precision, of_removed) = (right as f64 / pairs as f64, rightly as f64 / removed as f64);
        let seconds = cleaned.summary.steps[0].seconds;
        println!(
            "threshold {threshold}: {} paragraphs, {} pairs of 0.8 or more, recall {recall:.4}; {pairs} pairs in clusters, \
             precision {precision:.4}; {removed} removed, {of_removed:.4} of them rightly; {seconds:.1} s",
            paragraphs.len(),
            alike.len(),
        );
        assert!(alike.len() > 10_000, "{} pairs", alike.len());
        assert!(recall >= 0.95, "recall {recall}");
        assert!(precision >= 0.95, "precision {precision}");
        assert!(of_removed >= 0.95, "precision of what is removed {of_removed}");
    }
}
