//! What an image name means on a host, where the image would be looked for, and why: one JSON object.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser;
use serde::Serialize;
use wharf_config::{
    Alias, Candidate, Generation, Intent, Locations, Registries, Resolution, Role, ShortNameMode, ShortNames,
    TlsMode,
};
use wharf_reference::{Reference, ShortName, Written};

/// Say where an image would be looked for, and why.
///
/// Reads this host's registries.conf with its drop-ins and the aliases of short names, contacts nobody and
/// writes nothing. Prints one JSON object: whether the name is short; the aliases and search registries that
/// were considered, each with the file and line it comes from; the images the name may mean; for each the
/// candidates in the order in which they are tried; and warnings about what has no effect in the files.
///
/// Exits with 1 if the configuration cannot be used or leaves nothing to try.
#[derive(Parser)]
struct Arguments {
    /// A name such as alpine, quay.io/app:1 or localhost:5000/app@sha256:…
    #[arg(value_name = "REF")]
    reference: String,
    /// Read this file instead of searching for registries.conf.
    #[arg(long, value_name = "FILE")]
    registries_conf: Option<PathBuf>,
    /// Read the drop-in files of this directory instead of the default ones.
    #[arg(long, value_name = "DIR")]
    registries_conf_dir: Option<PathBuf>,
    /// Read a whole host's configuration below this directory, as its superuser.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// What to do with a short name that may mean several images: enforcing, permissive or disabled.
    #[arg(long, value_name = "MODE")]
    mode: Option<ShortNameMode>,
    /// Find files by the rules of Podman 5 and older.
    #[arg(long)]
    classic: bool,
    /// Resolve for a push: no mirrors.
    #[arg(long)]
    push: bool,
    /// Take every short name for Docker Hub's, as Docker does.
    #[arg(long)]
    docker_hub: bool,
}

#[derive(Serialize)]
struct Answer {
    input: String,
    short: bool,
    mode: &'static str,
    files: Vec<String>,
    aliases: Vec<AliasLine>,
    search_registries: Vec<String>,
    search_origin: Option<String>,
    /// Why the name means the images below.
    origin: Option<String>,
    images: Vec<Image>,
    warnings: Vec<String>,
    error: Option<String>,
}

/// An alias of the name, the one that counts first.
#[derive(Serialize)]
struct AliasLine {
    /// Null if it is erased.
    repository: Option<String>,
    origin: String,
}

#[derive(Serialize)]
struct Image {
    reference: String,
    candidates: Vec<CandidateLine>,
    skipped: Vec<Skipped>,
    error: Option<String>,
}

#[derive(Serialize)]
struct CandidateLine {
    /// Host and port that are contacted.
    endpoint: String,
    repository: String,
    role: &'static str,
    /// `verify`, or `insecure`: https without verification, else plain http.
    tls: &'static str,
    /// The file and table that block it.
    blocked: Option<String>,
    /// The file and table it comes from; null if none applies.
    origin: Option<String>,
}

#[derive(Serialize)]
struct Skipped {
    role: &'static str,
    origin: String,
    reason: String,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let locations = locations(&arguments);
    let written = Written::parse(&arguments.reference)
        .with_context(|| format!("{} is not an image name", arguments.reference))?;
    let registries = Registries::load(&locations).context("registries.conf cannot be used")?;
    let mut names = ShortNames::load(&locations, &registries).with_docker_hub(arguments.docker_hub);
    if let Some(mode) = arguments.mode {
        names = names.with_mode(mode);
    }
    let answer = answer(&arguments, &written, &registries, &names);
    let mut output = io::stdout().lock();
    serde_json::to_writer_pretty(&mut output, &answer)?;
    writeln!(output)?;
    let usable = answer.images.iter().any(|image| image.error.is_none());
    Ok(if usable {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn locations(arguments: &Arguments) -> Locations {
    let mut locations = match &arguments.root {
        Some(root) => Locations::rooted(root),
        None => Locations::from_env(),
    };
    if let Some(file) = &arguments.registries_conf {
        locations = locations.with_registries_conf(file);
    }
    if let Some(dir) = &arguments.registries_conf_dir {
        locations = locations.with_registries_conf_dir(dir);
    }
    if arguments.classic {
        locations = locations.with_generation(Generation::Podman5);
    }
    locations
}

fn answer(arguments: &Arguments, written: &Written, registries: &Registries, names: &ShortNames) -> Answer {
    let short = written.short_name();
    let warnings = registries.warnings().iter().chain(names.warnings());
    let mut answer = Answer {
        input: arguments.reference.clone(),
        short: short.is_some(),
        mode: names.mode().as_str(),
        files: registries
            .files()
            .iter()
            .map(|file| file.display().to_string())
            .collect(),
        aliases: short
            .as_ref()
            .map_or_else(Vec::new, |short| aliases(short, registries, names)),
        search_registries: registries
            .search_registries()
            .iter()
            .map(ToString::to_string)
            .collect(),
        search_origin: registries.search_line().map(ToString::to_string),
        origin: None,
        images: Vec::new(),
        warnings: warnings.map(ToString::to_string).collect(),
        error: None,
    };
    match names.resolve(written, None) {
        Ok(resolved) => {
            answer.origin = Some(resolved.reason().to_string());
            let names = resolved.possible_names().iter();
            answer.images = names
                .map(|name| {
                    let (image, warnings) = image(name.reference(), arguments.push, registries);
                    answer.warnings.extend(warnings);
                    image
                })
                .collect();
        }
        Err(error) => answer.error = Some(format!("{:#}", anyhow::Error::from(error))),
    }
    answer
}

fn aliases(short: &ShortName, registries: &Registries, names: &ShortNames) -> Vec<AliasLine> {
    let line = |alias: &Alias| AliasLine {
        repository: alias.repository().map(ToString::to_string),
        origin: alias.source_line().to_string(),
    };
    let first = names.alias(short.name()).ok().flatten();
    let second = registries.aliases().named(short.name());
    let second = second.filter(|second| first != Some(*second));
    first.into_iter().chain(second).map(line).collect()
}

fn image(reference: &Reference, push: bool, registries: &Registries) -> (Image, Vec<String>) {
    let intent = if push {
        Intent::Push
    } else {
        Intent::pull(reference)
    };
    let resolution: Resolution<'_> = registries.explain(&reference.repository(), intent);
    let warnings = resolution.warnings().iter().map(ToString::to_string).collect();
    let image = Image {
        reference: reference.to_string(),
        candidates: resolution.candidates().iter().map(line).collect(),
        skipped: resolution
            .skipped()
            .iter()
            .map(|skipped| Skipped {
                role: role(skipped.role),
                origin: skipped.table.to_string(),
                reason: skipped.reason.clone(),
            })
            .collect(),
        error: resolution.into_candidates().err().map(|error| error.to_string()),
    };
    (image, warnings)
}

fn line(candidate: &Candidate) -> CandidateLine {
    let registry = candidate.repository.registry();
    CandidateLine {
        endpoint: if registry.is_docker_hub() {
            "registry-1.docker.io".to_owned()
        } else {
            registry.to_string()
        },
        repository: candidate.repository.to_string(),
        role: role(candidate.role),
        tls: match candidate.tls {
            TlsMode::Verify => "verify",
            _ => "insecure",
        },
        blocked: candidate
            .blocked
            .as_ref()
            .map(|blocked| blocked.table.to_string()),
        origin: candidate.table.as_ref().map(ToString::to_string),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Mirror => "mirror",
        _ => "primary",
    }
}
