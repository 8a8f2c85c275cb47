use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Program;
use crate::console::print;

/// Print a shell completion script
///
/// See also `nuwa man` for manual pages.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  nuwa completions bash > ~/.local/share/bash-completion/completions/nuwa
  nuwa completions zsh > \"${fpath[1]}/_nuwa\"
  nuwa completions fish > ~/.config/fish/completions/nuwa.fish
  nuwa completions powershell >> $PROFILE")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub fn run(self) -> anyhow::Result<()> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Program::command(), "nuwa", &mut script);
        print(std::str::from_utf8(&script)?)
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_shell_is_told_of_every_verb() {
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Program::command(), "nuwa", &mut script);
            let script = String::from_utf8(script).unwrap();
            for verb in Program::command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
                assert!(script.contains(verb.get_name()), "{shell}: {}", verb.get_name());
            }
        }
    }
}
