//! Feeds parsers with damaged inputs: `cargo xtask fuzz help` says how.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nuwa_fuzz::{Mutator, Target, target, targets};

/// No input may take longer.
const LONGEST: Duration = Duration::from_secs(2);
/// Nor may the process hold more than this many bytes.
const LARGEST: u64 = 1 << 30;
const NEVER: u64 = u64::MAX;

#[derive(Debug)]
struct Options {
    name: String,
    iterations: u64,
    seed: u64,
    from: u64,
    seconds: u64,
    save: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match options(&arguments) {
        Ok(options) if options.name == "list" => {
            targets().iter().for_each(|target| println!("{}", target.name));
            ExitCode::SUCCESS
        }
        Ok(options) => match target(&options.name) {
            Some(target) => run(target, &options),
            None => refuse(&format!("there is no target {}; `list` names them", options.name)),
        },
        Err(problem) => refuse(&problem),
    }
}

fn refuse(problem: &str) -> ExitCode {
    eprintln!("error: {problem}");
    ExitCode::from(2)
}

fn options(arguments: &[String]) -> Result<Options, String> {
    let Some((name, rest)) = arguments.split_first() else {
        return Err("expected a target or `list`".into());
    };
    let mut options =
        Options { name: name.clone(), iterations: 100_000, seed: 1, from: 0, seconds: NEVER, save: None };
    for pair in rest.chunks(2) {
        let [option, value] = pair else { return Err(format!("{} needs a value", pair[0])) };
        let number = || value.parse().map_err(|_| format!("{option} {value}: expected a whole number"));
        match option.as_str() {
            "--iterations" => options.iterations = number()?,
            "--seed" => options.seed = number()?,
            "--from" => options.from = number()?,
            "--seconds" => options.seconds = number()?,
            "--save" => options.save = Some(value.into()),
            _ => return Err(format!("unknown option {option}")),
        }
    }
    Ok(options)
}

/// Runs the inputs of one target, or writes the first of them into a file.
fn run(target: Target, options: &Options) -> ExitCode {
    let mutator = Mutator::new((target.seeds)(), options.seed);
    if let Some(path) = &options.save {
        let saved = std::fs::write(path, mutator.input(options.from));
        return saved.map_or_else(|error| refuse(&error.to_string()), |()| ExitCode::SUCCESS);
    }
    let current = Arc::new(AtomicU64::new(NEVER));
    let _watch = std::thread::spawn({
        let (current, name, seed) = (current.clone(), options.name.clone(), options.seed);
        move || watch(&current, &name, seed)
    });
    let begun = Instant::now();
    let mut done = 0;
    while done < options.iterations && begun.elapsed().as_secs() < options.seconds {
        let number = options.from + done;
        current.store(number, Ordering::Relaxed);
        let run = || (target.run)(&mutator.input(number));
        if std::panic::catch_unwind(run).is_err() {
            return found(&options.name, options.seed, number, "panics");
        }
        done += 1;
    }
    println!(
        "{}: {done} inputs, seed {}, {:.0} s",
        options.name,
        options.seed,
        begun.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

fn found(name: &str, seed: u64, number: u64, what: &str) -> ExitCode {
    eprintln!("{name}: input {number} of seed {seed} {what}; again with --seed {seed} --from {number}");
    ExitCode::FAILURE
}

/// Ends the process when one input takes too long or too much memory. An input that is too deep for the stack ends it too;
/// the number written last says where to look.
fn watch(current: &AtomicU64, name: &str, seed: u64) {
    let (mut last, mut since, mut told) = (NEVER, Instant::now(), Instant::now());
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let number = current.load(Ordering::Relaxed);
        if number != last {
            (last, since) = (number, Instant::now());
        } else if since.elapsed() > LONGEST && number != NEVER {
            found(name, seed, number, "takes too long");
            std::process::exit(1);
        }
        if resident() > LARGEST {
            found(name, seed, number, "takes too much memory");
            std::process::exit(1);
        }
        if told.elapsed() > Duration::from_secs(10) {
            eprintln!("{name}: at input {number}");
            told = Instant::now();
        }
    }
}

/// Bytes that this process holds, where Linux says so.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * 4096
}
