//! Searches registries for images, as `podman search` does.
//!
//!     cargo run --release --example search -- alpine

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example prints")]

mod common;

use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use wharf::{Client, Error, ErrorKind, Registry, WithCauses, distribution::SearchResult, reference::Written};

use common::template::{self, Format, Part};

/// The results for each registry without `--limit`.
const DEFAULT_LIMIT: usize = 25;

/// The characters of a description that are shown without `--no-trunc`.
const DESCRIPTION: usize = 44;

/// Search all search registries of registries.conf, or the registry that TERM begins with: by the registry's search, or
/// in its catalog where it has none.
#[derive(Parser)]
struct Arguments {
    /// A part of a name, such as `alpine`, `quay.io/fedora` or, for all of a catalog, `localhost:5000/`
    #[arg(value_name = "TERM")]
    term: String,
    /// Most results for each registry: at most 100, 25 by default
    #[arg(long, value_name = "N", default_value_t = 0)]
    limit: usize,
    /// Show only results with `stars=N` at least, `is-official[=BOOL]` or `is-automated[=BOOL]`; may be repeated
    #[arg(short, long, value_name = "FILTER", value_delimiter = ',')]
    filter: Vec<Filter>,
    /// List the tags of the repository TERM
    #[arg(long, conflicts_with = "filter")]
    list_tags: bool,
    /// Show whole descriptions
    #[arg(long)]
    no_trunc: bool,
    /// Show stars, official and automated, too
    #[arg(long)]
    compatible: bool,
    /// `json`, or a row with the keys `{{.Index}} {{.Name}} {{.Description}} {{.Stars}} {{.Official}} {{.Automated}}
    /// {{.Tag}}`; with `table` before it, in columns
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,
    #[command(flatten)]
    connection: common::Connection,
}

/// A condition for results.
#[derive(Clone)]
enum Filter {
    Stars(u64),
    IsOfficial(bool),
    IsAutomated(bool),
}

impl std::str::FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (key, value) = text
            .split_once('=')
            .map_or((text, None), |(key, value)| (key, Some(value)));
        let flag = || match value {
            None | Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(format!("{key} is true or false")),
        };
        match key {
            "stars" => match value.and_then(|value| value.parse().ok()) {
                Some(stars) => Ok(Self::Stars(stars)),
                None => Err("stars needs a number, such as stars=10".to_owned()),
            },
            "is-official" => flag().map(Self::IsOfficial),
            "is-automated" => flag().map(Self::IsAutomated),
            _ => Err("use stars=N, is-official or is-automated".to_owned()),
        }
    }
}

impl Filter {
    fn admits(&self, result: &SearchResult) -> bool {
        match self {
            Self::Stars(least) => result.stars >= *least,
            Self::IsOfficial(wanted) => result.is_official == *wanted,
            Self::IsAutomated(wanted) => result.is_automated == *wanted,
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    common::run(arguments.connection.host.command_timeout(), search(arguments))
}

async fn search(mut arguments: Arguments) -> Result<(), Error> {
    let (registry, term) = split(
        arguments
            .term
            .strip_prefix("docker://")
            .unwrap_or(&arguments.term),
    )?;
    let creds = arguments.connection.creds.take();
    let mut builder = arguments.connection.host.reader()?;
    match (creds, &registry) {
        (Some(credential), Some(registry)) => builder = builder.with_credential(registry.clone(), credential),
        (Some(_), None) => {
            let message = "--creds is for one registry: write it before the term, such as quay.io/fedora";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        (None, _) => {}
    }
    let client = common::build(builder)?;
    let registries = match registry {
        Some(registry) => vec![registry],
        None => client.search_registries().to_vec(),
    };
    if registries.is_empty() {
        let message = format!(
            "no registries to search: registries.conf lists no unqualified-search-registries; write the registry before \
             the term, such as docker.io/{term}"
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if arguments.list_tags {
        return list_tags(&client, &registries, &term, &arguments).await;
    }
    if term.is_empty() && registries.iter().any(Registry::is_docker_hub) {
        return Err(Error::new(
            ErrorKind::Invalid,
            "docker.io has no catalog: write a term",
        ));
    }
    let rows = found(&client, &registries, &term, &arguments).await?;
    show(&rows, &arguments)
}

/// The registry that a term begins with, by the rule for image names, and the rest.
fn split(text: &str) -> Result<(Option<Registry>, String), Error> {
    let Some((first, rest)) = text.split_once('/') else {
        return Ok((None, text.to_owned()));
    };
    if first != "localhost" && !first.contains(['.', ':']) {
        return Ok((None, text.to_owned()));
    }
    let registry = Registry::parse(first).map_err(|error| {
        Error::new(ErrorKind::Invalid, format!("{first:?} is not a registry")).with_source(error)
    })?;
    Ok((Some(registry), rest.to_owned()))
}

type Row = Map<String, Value>;

/// The results of all registries, in their order. If one fails, the others count.
async fn found(
    client: &Client,
    registries: &[Registry],
    term: &str,
    arguments: &Arguments,
) -> Result<Vec<Row>, Error> {
    let limit = match arguments.limit {
        0 => DEFAULT_LIMIT,
        limit => limit.min(100),
    };
    let mut searching = JoinSet::new();
    for (position, registry) in registries.iter().cloned().enumerate() {
        let (client, term) = (client.clone(), term.to_owned());
        // Results that are filtered out do not count for the limit.
        let asked = if arguments.filter.is_empty() { limit } else { 100 };
        searching.spawn(async move {
            let found = client.distribution().search(&registry, &term, asked).await;
            (position, registry, found)
        });
    }
    let mut results = Vec::new();
    let mut failures = Vec::new();
    while let Some(searched) = searching.join_next().await {
        let (position, registry, found) = searched.map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        match found {
            Ok(found) => results.push((position, registry, found)),
            Err(error) => failures.push(explained(&registry, error.into())),
        }
    }
    if results.is_empty() {
        return Err(match failures.len() {
            1 => failures.remove(0),
            _ => Error::all(failures, format!("no registry could be searched for {term}")),
        });
    }
    for failure in &failures {
        common::note(format_args!("warning: {}", WithCauses(failure)));
    }
    results.sort_by_key(|(position, ..)| *position);
    let rows = results.iter().flat_map(|(_, registry, found)| {
        let admitted = found
            .iter()
            .filter(|result| arguments.filter.iter().all(|filter| filter.admits(result)));
        admitted
            .take(limit)
            .map(|result| row(registry, result, arguments.no_trunc))
    });
    Ok(rows.collect())
}

/// The failure of a registry that has neither a search nor a catalog, in words.
fn explained(registry: &Registry, error: Error) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Unsupported => {
            let message = format!(
                "{registry} cannot be searched: it has neither a search nor a catalog; with --list-tags, the tags of a \
                 repository are listed"
            );
            Error::new(ErrorKind::Unsupported, message).with_source(error)
        }
        _ => error,
    }
}

fn row(registry: &Registry, result: &SearchResult, whole: bool) -> Row {
    let is_short = registry.is_docker_hub() && !result.name.contains('/');
    let name = match result.name.strip_prefix(&format!("{registry}/")) {
        Some(_) => result.name.clone(),
        None if is_short => format!("{registry}/library/{}", result.name),
        None => format!("{registry}/{}", result.name),
    };
    let description = result.description.replace("\\n", " ");
    let description = match description.char_indices().nth(DESCRIPTION) {
        Some((end, _)) if !whole => format!("{}...", description.get(..end).unwrap_or_default()),
        _ => description,
    };
    let ok = |is: bool| if is { "[OK]" } else { "" };
    let values = json!({
        "Index": registry.to_string(),
        "Name": name,
        "Description": description,
        "Stars": result.stars,
        "Official": ok(result.is_official),
        "Automated": ok(result.is_automated),
        "Tag": "",
    });
    members(values)
}

fn members(value: Value) -> Row {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn show(rows: &[Row], arguments: &Arguments) -> Result<(), Error> {
    if let Some(Format::Json) = &arguments.format {
        return print_json(&rows);
    }
    if rows.is_empty() {
        return Ok(());
    }
    let default = match (arguments.list_tags, arguments.compatible) {
        (true, _) => "table {{.Name}} {{.Tag}}",
        (false, false) => "table {{.Name}} {{.Description}}",
        (false, true) => "table {{.Name}} {{.Description}} {{.Stars}} {{.Official}} {{.Automated}}",
    };
    let format = match &arguments.format {
        Some(format) => format.clone(),
        None => default
            .parse()
            .map_err(|error: String| Error::new(ErrorKind::Other, error))?,
    };
    let Format::Template { is_table, parts } = format else {
        return Ok(());
    };
    if is_table {
        print_table(rows, &parts)
    } else {
        print_lines(rows, &parts)
    }
}

fn print_table(rows: &[Row], parts: &[Part]) -> Result<(), Error> {
    let mut cells = vec![template::headings(parts)];
    for row in rows {
        cells.push(template::cells(parts, row)?);
    }
    for line in template::table(&cells) {
        common::print(line)?;
    }
    Ok(())
}

fn print_lines(rows: &[Row], parts: &[Part]) -> Result<(), Error> {
    for row in rows {
        common::print(template::render(parts, row)?)?;
    }
    Ok(())
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Error> {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    value
        .serialize(&mut serializer)
        .map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    text.push(b'\n');
    common::print_bytes(&text)
}

/// Lists the tags of a repository, of the first registry that has it.
async fn list_tags(
    client: &Client,
    registries: &[Registry],
    term: &str,
    arguments: &Arguments,
) -> Result<(), Error> {
    let mut failures = Vec::new();
    for registry in registries {
        let name: Written = common::reference(&format!("{registry}/{term}"))
            .map_err(|message| Error::new(ErrorKind::Invalid, message))?;
        match client.tags(&name).await {
            Ok(mut tags) => {
                if arguments.limit > 0 {
                    tags.truncate(arguments.limit);
                }
                let repository = name.normalise().repository().to_string();
                let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
                if let Some(Format::Json) = &arguments.format {
                    return print_json(&[json!({ "Name": repository, "Tags": tags })]);
                }
                let rows = tags.iter().map(|tag| {
                    members(json!({
                        "Index": registry.to_string(),
                        "Name": repository,
                        "Description": "",
                        "Stars": 0,
                        "Official": "",
                        "Automated": "",
                        "Tag": tag,
                    }))
                });
                return show(&rows.collect::<Vec<_>>(), arguments);
            }
            Err(error) => failures.push(error),
        }
    }
    Err(match failures.len() {
        1 => failures.remove(0),
        _ => Error::all(failures, format!("no registry has a repository {term}")),
    })
}
