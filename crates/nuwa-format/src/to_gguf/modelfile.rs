//! A `Modelfile` for ollama, which knows a file's own chat template only where it resembles one of some twenty: of any other it
//! hands on what was said without a mark. So the turns are written out in its language.

use nuwa_tokenizer::{Message, Tokenizer};

/// The file's name.
pub const MODELFILE: &str = "Modelfile";

/// The `Modelfile` of the GGUF file `file`, which lies beside it.
pub fn modelfile(file: &str, tokenizer: &Tokenizer) -> String {
    let mut lines = vec![format!("FROM ./{file}")];
    if let Some(template) = Turns::of(tokenizer).and_then(|turns| turns.template()) {
        lines.push(format!("TEMPLATE \"\"\"{template}\"\"\""));
    }
    let ends = tokenizer.end_of_turn().into_iter().chain(tokenizer.ends());
    let mut stops: Vec<String> = ends.filter_map(|id| tokenizer.id_to_token(id)).collect();
    stops.dedup();
    let quoted = stops.iter().filter(|stop| !stop.contains(['"', '\n']));
    lines.extend(quoted.map(|stop| format!("PARAMETER stop \"{stop}\"")));
    lines.push(String::new());
    lines.join("\n")
}

/// What a chat template writes around what was said.
#[derive(Debug, PartialEq)]
struct Turns {
    system: [String; 2],
    user: [String; 2],
    assistant: [String; 2],
    /// What the answer is written after; a turn that was said may have a blank more.
    opening: String,
}

/// What no template writes of its own.
const SAID: [&str; 4] = ["said-by-the-system", "said-by-the-user", "said-by-the-assistant", "said-at-last"];

impl Turns {
    /// Those of a tokenizer's template, where it writes turn after turn.
    fn of(tokenizer: &Tokenizer) -> Option<Self> {
        let [system, user, assistant, last] = SAID;
        let render = |messages: &[(&str, &str)], opened: bool| {
            let messages: Vec<Message> =
                messages.iter().map(|(role, said)| Message::new(*role, *said)).collect();
            let text = tokenizer.apply_chat_template(&messages, opened).ok()?;
            // What begins a text is put before it by whoever runs the model.
            let begin = tokenizer.bos().and_then(|id| tokenizer.id_to_token(id)).unwrap_or_default();
            let begin = if tokenizer.adds_bos() { begin } else { String::new() };
            Some(text.strip_prefix(&begin).unwrap_or(&text).to_string())
        };
        let alone = render(&[("user", user)], false)?;
        let (before_user, after_user) = alone.split_once(user)?;
        let opened = render(&[("user", user)], true)?;
        let opening = opened.strip_prefix(&alone)?.to_string();
        let all = [("system", system), ("user", user), ("assistant", assistant), ("user", last)];
        let text = render(&all, true)?;
        let (before_system, rest) = text.split_once(system)?;
        let (between, rest) = rest.split_once(user)?;
        let after_system = between.strip_suffix(before_user)?;
        let (between, rest) = rest.split_once(assistant)?;
        let before_answer = between.strip_prefix(after_user)?;
        let (between, _) = rest.split_once(last)?;
        let after_answer = between.strip_suffix(before_user)?;
        let turns = Self {
            system: [before_system, after_system].map(String::from),
            user: [before_user, after_user].map(String::from),
            assistant: [before_answer, after_answer].map(String::from),
            opening,
        };
        let longer = [&all[..], &[("assistant", system), ("user", assistant)]].concat();
        (turns.render(&longer) == render(&longer, true)?).then_some(turns)
    }

    fn render(&self, messages: &[(&str, &str)]) -> String {
        let turn = |(role, said): &(&str, &str)| {
            let [before, after] = match *role {
                "system" => &self.system,
                "user" => &self.user,
                _ => &self.assistant,
            };
            format!("{before}{said}{after}")
        };
        messages.iter().map(turn).chain([self.opening.clone()]).collect()
    }

    /// In the language of Go's templates; none where the marks mean something else there.
    fn template(&self) -> Option<String> {
        let turn = |role: &str, [before, after]: &[String; 2]| {
            format!("if eq .Role \"{role}\" }}}}{before}{{{{ .Content }}}}{after}{{{{ ")
        };
        let marks = [&self.system, &self.user, &self.assistant];
        let is_plain = |mark: &String| !mark.contains("{{") && !mark.contains("\"\"\"");
        marks.into_iter().flatten().chain([&self.opening]).all(is_plain).then(|| {
            format!(
                "{{{{ range .Messages }}}}{{{{ {}else {}else {}end }}}}{{{{ end }}}}{}",
                turn("system", &self.system),
                turn("user", &self.user),
                turn("assistant", &self.assistant),
                self.opening
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use nuwa_tokenizer::{TrainSettings, train};

    use super::*;

    fn tokenizer() -> Tokenizer {
        let settings = TrainSettings { vocab_size: 264, ..TrainSettings::default() };
        train(std::iter::once("clay clay water water".to_string()), &settings, &mut |_| {}).unwrap()
    }

    #[test]
    fn turns_are_written_in_the_language_of_ollama() {
        let own = tokenizer();
        let expected = "FROM ./a.gguf\nTEMPLATE \"\"\"{{ range .Messages }}{{ if eq .Role \"system\" }}<|im_start|>system\n {{ .Content }}<|im_end|>\n\
            {{ else if eq .Role \"user\" }}<|im_start|>user\n {{ .Content }}<|im_end|>\n\
            {{ else if eq .Role \"assistant\" }}<|im_start|>assistant\n {{ .Content }}<|im_end|>\n{{ end }}{{ end }}<|im_start|>assistant\n\"\"\"\n\
            PARAMETER stop \"<|im_end|>\"\nPARAMETER stop \"<|endoftext|>\"\n";
        assert_eq!(modelfile("a.gguf", &own), expected);
    }

    #[test]
    fn a_template_that_is_no_sequence_of_turns_is_left_out() {
        let counting = "{% for message in messages %}{{ loop.index }}:{{ message.content }}\n{% endfor %}";
        let own = tokenizer().with_chat_template(counting).unwrap();
        assert_eq!(modelfile("a.gguf", &own), "FROM ./a.gguf\nPARAMETER stop \"<|endoftext|>\"\n");
    }
}
