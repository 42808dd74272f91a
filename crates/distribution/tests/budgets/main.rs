//! What attacks on resources cost, in numbers: requests, connections, bytes, memory, files left open. Each
//! script runs in a process of its own, one case after the other, so that the memory is the attack's.
//!
//! `cargo test -p wharf-distribution --test budgets`, with part of a script's name to run some only, and
//! `-- --cases` to see each case.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program of the tests that reports on standard output"
)]

mod ask;
mod case;
mod scripts;

use std::{
    process::{Command, ExitCode, Stdio},
    thread,
    time::{Duration, Instant},
};

use self::case::Figures;

/// In the environment of a process that runs one script.
const SCRIPT: &str = "WHARF_BUDGET_SCRIPT";
/// A script that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(2 * 60);

fn main() -> ExitCode {
    if let Ok(name) = std::env::var(SCRIPT) {
        let (_, cases) = scripts::ALL
            .into_iter()
            .find(|(known, _)| *known == name)
            .unwrap();
        return case::run_all(&cases());
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wanted: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let with_cases = words.iter().any(|word| word == "--cases");
    println!("{}", Figures::head());
    let mut ok = true;
    for (name, _) in scripts::ALL {
        if wanted.is_empty() || wanted.iter().any(|word| name.contains(word.as_str())) {
            ok &= run(name, with_cases);
        }
    }
    if ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a script in a process of its own and prints what it found; whether all was within the budgets.
fn run(name: &str, with_cases: bool) -> bool {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let mut child = command.env(SCRIPT, name).stdout(Stdio::piped()).spawn().unwrap();
    let output = child.stdout.take().unwrap();
    let reader = thread::spawn(move || std::io::read_to_string(output).unwrap_or_default());
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() > deadline {
            println!("{name} does not end");
            child.kill().unwrap();
            break child.wait().unwrap();
        }
        thread::sleep(Duration::from_millis(5));
    };
    let printed = reader.join().unwrap();
    let mut figures = Figures::default();
    for line in printed.lines() {
        match line.strip_prefix("case ").and_then(Figures::read) {
            Some(one) => {
                figures.add(&one);
                if with_cases {
                    println!("{one}");
                }
            }
            None => println!("{name}: {line}"),
        }
    }
    println!("{}", figures.named(name));
    status.success() && figures.cases > 0
}
