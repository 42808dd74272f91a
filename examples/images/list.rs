//! `images ls`.

use std::collections::HashSet;

use clap::Args;
use serde_json::{Map, Value, json};
use wharf::{
    Error, ErrorKind,
    store::{Filter, ImageSummary, Layout},
};

use crate::{
    common::{self, template},
    text,
};

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(crate) struct Arguments {
    /// Only images that pass: dangling, reference, before, since, until, label, label!, id, digest; all keys, and one of
    /// the values of a key
    #[arg(short, long, value_name = "KEY=VALUE", value_parser = filter)]
    filter: Vec<Filter>,
    /// Show the digests of manifests
    #[arg(long)]
    digests: bool,
    /// Print IDs alone
    #[arg(short, long)]
    quiet: bool,
    /// Do not shorten IDs
    #[arg(long)]
    no_trunc: bool,
    /// Print no line of titles
    #[arg(short, long)]
    noheading: bool,
    /// The order of the rows
    #[arg(long, value_name = "created|id|repository|size|tag", default_value = "created", value_parser = ["created", "id", "repository", "size", "tag"])]
    sort: String,
    /// Accepted as by Podman: all images are listed anyway
    #[arg(short, long, hide = true)]
    all: bool,
    /// `json`, or text with `{{.ID}}`, `{{.Repository}}`, `{{.Tag}}`, `{{.Digest}}`, `{{.CreatedSince}}`, `{{.Size}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<template::Format>,
    /// Only images with this name, as the filter `reference`
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    Filter::parse(text).map_err(|error| error.to_string())
}

/// A row: an image under one of its names.
struct Row<'a> {
    image: &'a ImageSummary,
    repository: &'a str,
    tag: &'a str,
}

pub(crate) async fn list(store: &Layout, arguments: &Arguments) -> Result<(), Error> {
    let all = store.summaries().await?;
    let mut filters = arguments.filter.clone();
    filters.extend(arguments.name.clone().map(Filter::Reference));
    let images = Filter::all(&filters, &all)?;
    for image in &images {
        if let Some(reason) = &image.unreadable {
            common::note(format_args!("warning: image {}: {reason}", image.digest));
        }
    }
    let rows = rows(&images, &arguments.sort);
    let images = by_rows(&rows);
    if matches!(arguments.format, Some(template::Format::Json)) {
        let json =
            serde_json::to_vec_pretty(&images).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
        return common::print(String::from_utf8_lossy(&json));
    }
    if arguments.quiet {
        let ids = images.iter().map(|image| text::id(&image.id, arguments.no_trunc));
        let ids = ids.collect::<Vec<_>>().join("\n");
        return if ids.is_empty() {
            Ok(())
        } else {
            common::print(ids)
        };
    }
    if let Some(template::Format::Template { is_table, parts }) = &arguments.format {
        return print_by(parts, *is_table, &rows, arguments);
    }
    let mut lines = Vec::new();
    if !arguments.noheading {
        let titles = ["REPOSITORY", "TAG", "DIGEST", "IMAGE ID", "CREATED", "SIZE"];
        let titles = titles
            .iter()
            .filter(|title| arguments.digests || **title != "DIGEST");
        lines.push(titles.map(ToString::to_string).collect());
    }
    lines.extend(rows.iter().map(|row| {
        let mut cells = vec![row.repository.to_owned(), row.tag.to_owned()];
        if arguments.digests {
            cells.push(row.image.digest.to_string());
        }
        cells.push(text::id(&row.image.id, arguments.no_trunc));
        cells.push(text::since(row.image.created));
        cells.push(text::size(row.image.size));
        cells
    }));
    if lines.is_empty() {
        Ok(())
    } else {
        common::print(template::table(&lines).join("\n"))
    }
}

/// The images in the order of their first rows.
fn by_rows<'a>(rows: &[Row<'a>]) -> Vec<&'a ImageSummary> {
    let mut seen = HashSet::new();
    let images = rows.iter().map(|row| row.image);
    images.filter(|image| seen.insert(&image.digest)).collect()
}

/// Prints rows by a template: as a table, or a line each.
fn print_by(
    parts: &[template::Part],
    is_table: bool,
    rows: &[Row<'_>],
    arguments: &Arguments,
) -> Result<(), Error> {
    let mut lines = Vec::new();
    if is_table && !arguments.noheading {
        lines.push(template::headings(parts));
    }
    for row in rows {
        let values = values(row, arguments.no_trunc);
        if is_table {
            lines.push(template::cells(parts, &values)?);
        } else {
            common::print(template::render(parts, &values)?)?;
        }
    }
    if lines.is_empty() {
        return Ok(());
    }
    common::print(template::table(&lines).join("\n"))
}

fn rows<'a>(images: &[&'a ImageSummary], sort: &str) -> Vec<Row<'a>> {
    let mut rows = Vec::new();
    for image in images {
        let none = image.names.is_empty().then_some(("<none>", "<none>"));
        let names = image.names.iter().map(text::split).chain(none);
        rows.extend(names.map(|(repository, tag)| Row {
            image,
            repository,
            tag,
        }));
    }
    match sort {
        "id" => rows.sort_by_key(|row| row.image.id.encoded()),
        "repository" => rows.sort_by_key(|row| (row.repository, row.tag)),
        "size" => rows.sort_by_key(|row| row.image.size),
        "tag" => rows.sort_by_key(|row| row.tag),
        _ => {} // as they are listed
    }
    rows
}

fn values(row: &Row<'_>, no_trunc: bool) -> Map<String, Value> {
    let values = json!({
        "ID": text::id(&row.image.id, no_trunc),
        "Id": text::id(&row.image.id, no_trunc),
        "Repository": row.repository,
        "Tag": row.tag,
        "Digest": row.image.digest,
        "CreatedSince": text::since(row.image.created),
        "Size": text::size(row.image.size),
    });
    match values {
        Value::Object(values) => values,
        _ => Map::new(),
    }
}
