//! What image names mean: one JSON object per name, one per line.

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Parser;
use serde::Serialize;
use wharf_reference::Reference;

/// Say what image names mean, as Docker reads them.
///
/// Prints one JSON object per name, each on its line: "input", "registry", "repository" (the path within the
/// registry), "tag" and "digest" (null where none is given; no "latest" is added), "familiar" (the short form)
/// and "canonical" (the full form). For a name that is refused: "input", "error" and "position", the offset of
/// the first offending byte.
///
/// Exits with 1 if any name was refused.
#[derive(Parser)]
struct Arguments {
    /// Names such as alpine, quay.io/app:1 or localhost:5000/app@sha256:…
    #[arg(value_name = "REF", required = true, allow_hyphen_values = true)]
    references: Vec<String>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Line<'a> {
    Accepted {
        input: &'a str,
        registry: String,
        repository: &'a str,
        tag: Option<String>,
        digest: Option<String>,
        familiar: String,
        canonical: &'a str,
    },
    Refused {
        input: &'a str,
        error: String,
        position: usize,
    },
}

fn main() -> io::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut output = io::stdout().lock();
    let mut code = ExitCode::SUCCESS;
    for input in &arguments.references {
        let parsed = Reference::parse(input);
        let line = match &parsed {
            Ok(reference) => Line::Accepted {
                input,
                registry: reference.registry().to_string(),
                repository: reference.path(),
                tag: reference.tag().map(|tag| tag.to_string()),
                digest: reference.digest().map(|digest| digest.to_string()),
                familiar: reference.familiar().to_string(),
                canonical: reference.as_str(),
            },
            Err(error) => {
                code = ExitCode::FAILURE;
                Line::Refused {
                    input,
                    error: error.to_string(),
                    position: error.position(),
                }
            }
        };
        writeln!(output, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(code)
}
