/// Lets text through up to the first stop string, holding back what may still become one.
///
/// Which stop string is first does not depend on how the text is cut into pieces: the one that is complete first, and
/// of those that end at the same place the longest.
#[derive(Debug)]
pub struct StopFilter {
    stops: Vec<String>,
    held: String,
}

/// What a piece of text led to.
#[derive(Debug, PartialEq, Eq)]
pub struct Passed {
    /// The text that is certain now.
    pub text: String,
    /// Whether a stop string followed it.
    pub stopped: bool,
}

impl StopFilter {
    /// None of `stops` is empty.
    pub fn new(stops: Vec<String>) -> Self {
        Self { stops, held: String::new() }
    }

    pub fn push(&mut self, piece: &str) -> Passed {
        self.held.push_str(piece);
        if let Some(start) = self.first_stop() {
            self.held.truncate(start);
            return Passed { text: std::mem::take(&mut self.held), stopped: true };
        }
        let rest = self.held.split_off(self.held.len() - self.undecided());
        Passed { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was held back, when no more text comes.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the first stop string begins.
    fn first_stop(&self) -> Option<usize> {
        let places = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start))
        });
        places.min().map(|(_, start)| start)
    }

    /// The length of the longest end of the held text that begins a stop string.
    fn undecided(&self) -> usize {
        let held = self.held.as_bytes();
        let longest_of = |stop: &String| {
            let most = held.len().min(stop.len() - 1);
            (1..=most).rev().find(|&length| held.ends_with(&stop.as_bytes()[..length])).unwrap_or(0)
        };
        self.stops.iter().map(longest_of).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run<'a>(stops: &[String], pieces: impl IntoIterator<Item = &'a str>) -> (String, bool) {
        let mut filter = StopFilter::new(stops.to_vec());
        let mut text = String::new();
        for piece in pieces {
            let passed = filter.push(piece);
            text.push_str(&passed.text);
            if passed.stopped {
                return (text, true);
            }
        }
        text.push_str(&filter.finish());
        (text, false)
    }

    /// By definition: the shortest beginning of `text` that ends with a stop string, without that string.
    fn expected(stops: &[String], text: &str) -> (String, bool) {
        for (end, _) in text.char_indices().skip(1).chain([(text.len(), ' ')]) {
            let ending = stops.iter().filter(|stop| text[..end].ends_with(stop.as_str()));
            if let Some(stop) = ending.max_by_key(|stop| stop.len()) {
                return (text[..end - stop.len()].to_string(), true);
            }
        }
        (text.to_string(), false)
    }

    #[test]
    fn a_stop_string_split_over_pieces_is_never_seen() {
        let stops = ["###".to_string(), "。\n".to_string()];
        assert_eq!(run(&stops, ["a#", "b##", "#c"]), ("a#b".into(), true));
        assert_eq!(run(&stops, ["女。", "女。", "\n女"]), ("女。女".into(), true));
        assert_eq!(run(&stops, ["end ##"]), ("end ##".into(), false));
        assert_eq!(run(&[], ["x", "y"]), ("xy".into(), false));
    }

    #[test]
    fn undecided_text_waits_and_decided_text_does_not() {
        let stops = ["stop".to_string()];
        let mut filter = StopFilter::new(stops.to_vec());
        assert_eq!(filter.push("a st"), Passed { text: "a ".into(), stopped: false });
        assert_eq!(filter.push("ar st"), Passed { text: "star ".into(), stopped: false });
        assert_eq!(filter.push("opped"), Passed { text: String::new(), stopped: true });
    }

    proptest! {
        #[test]
        fn the_cut_into_pieces_does_not_matter(
            pieces in prop::collection::vec("[ab女]{0,4}", 0..12),
            stops in prop::collection::vec("[ab女]{1,4}", 0..4),
        ) {
            let text = pieces.concat();
            let (passed, stopped) = run(&stops, pieces.iter().map(String::as_str));
            prop_assert!(stops.iter().all(|stop| !passed.contains(stop.as_str())));
            prop_assert_eq!((passed, stopped), expected(&stops, &text));
        }
    }
}
