//! `images diff`.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    time::Duration,
};

use clap::Args;
use serde_json::json;
use wharf::{
    Error, ImageLocation, Platform, Selection, StoreImage,
    layer::{Difference, DifferenceKind},
    store::{Layout, find_summary},
};

use crate::common;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The image: one of the store, or one at a location such as `docker://REF`, `oci:DIR:NAME` or `oci-archive:FILE`
    #[arg(value_name = "IMAGE")]
    image: String,
    /// The image that it is compared with; without it, the layers below the top one of IMAGE
    #[arg(value_name = "BASE")]
    base: Option<String>,
    /// `json` for an object with the lists `changed`, `added` and `deleted`
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    format: Option<String>,
    /// The images for this platform, when there are several; the host's by default
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    #[command(flatten)]
    connection: common::Connection,
}

impl Arguments {
    /// The time that the command may take.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.connection.host.command_timeout()
    }
}

pub(crate) async fn diff(store: &Path, arguments: Arguments) -> Result<(), Error> {
    let image = located(store, &arguments.image).await?;
    let base = match &arguments.base {
        Some(base) => Some(located(store, base).await?),
        None => None,
    };
    let selection = arguments
        .platform
        .map_or_else(Selection::default, Selection::Platform);
    let registry = common::registry_of(&image).or_else(|| common::registry_of(base.as_ref()?));
    let client = common::build(arguments.connection.builder(registry)?)?;
    let differences = match &base {
        Some(base) => client.differences_with(base, &image, selection).await?,
        None => client.top_layer_differences(&image, selection).await?,
    };
    let listed = as_podman_lists(&differences);
    if arguments.format.is_some() {
        let mut lists = BTreeMap::from(["added", "changed", "deleted"].map(|list| (list, Vec::new())));
        for (kind, path) in listed {
            lists.entry(list_of(kind)).or_default().push(path);
        }
        return common::print(json!(lists));
    }
    if listed.is_empty() {
        return Ok(());
    }
    let lines = listed.into_iter().map(|(kind, path)| {
        let letter = list_of(kind).get(..1).unwrap_or_default().to_ascii_uppercase();
        format!("{letter} {path}")
    });
    common::print(lines.collect::<Vec<_>>().join("\n"))
}

/// The image of this name or ID in the store, or one at a location with a transport.
async fn located(store: &Path, text: &str) -> Result<ImageLocation, Error> {
    let location = text.parse::<ImageLocation>();
    let images = match (location, Layout::open(store).await) {
        (Ok(location), _) => return Ok(location),
        (Err(_), store) => store?.summaries().await?,
    };
    let digest = find_summary(&images, text)?.digest.clone();
    Ok(ImageLocation::Store {
        directory: store.to_owned(),
        image: StoreImage::Digest(digest),
    })
}

/// The differences in Podman's form: a directory is changed if something in it is, the root is not listed, and of a
/// directory that is gone, it alone.
fn as_podman_lists(differences: &[Difference]) -> Vec<(DifferenceKind, String)> {
    let mut listed: Vec<(DifferenceKind, String)> = Vec::new();
    let mut known: HashMap<&[u8], DifferenceKind> = HashMap::new();
    for difference in differences.iter().filter(|one| one.name != b".") {
        let name = difference.name.as_slice();
        let slashes = name.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        let mut parents = slashes.filter_map(|(at, _)| name.get(..at));
        let is_in_deleted = parents
            .clone()
            .any(|parent| known.get(parent) == Some(&DifferenceKind::Deleted));
        if is_in_deleted {
            continue;
        }
        let whole = std::iter::once((name, difference.kind));
        let parents = parents.by_ref().map(|parent| (parent, DifferenceKind::Changed));
        for (name, kind) in parents.chain(whole) {
            if !known.contains_key(name) {
                known.insert(name, kind);
                listed.push((kind, format!("/{}", String::from_utf8_lossy(name))));
            }
        }
    }
    listed
}

const fn list_of(kind: DifferenceKind) -> &'static str {
    match kind {
        DifferenceKind::Added => "added",
        DifferenceKind::Deleted => "deleted",
        _ => "changed",
    }
}
