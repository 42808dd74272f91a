//! `images inspect`, `history` and `tree`.

use serde_json::{Value, json};
use wharf::{
    Error, ErrorKind, Source as _, SourceExt as _, Target,
    store::{ImageSummary, Layout, find_summary},
};

use crate::{
    common::{self, template},
    text,
};

/// The characters of a command that are shown.
const COMMAND: usize = 44;

pub(crate) async fn inspect(store: &Layout, names: &[String]) -> Result<(), Error> {
    let images = store.summaries().await?;
    let (mut found, mut failure) = (Vec::new(), None);
    for name in names {
        match find_summary(&images, name) {
            Ok(image) => found.push(described(store, image).await?),
            Err(error) => failure = Some(error),
        }
    }
    let json = serde_json::to_vec_pretty(&found).map_err(|error| Error::wrap(ErrorKind::Other, error))?;
    common::print(String::from_utf8_lossy(&json))?;
    failure.map_or(Ok(()), Err)
}

async fn described(store: &Layout, image: &ImageSummary) -> Result<Value, Error> {
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap_or_default();
    let manifest = store.manifest(&target(image)).await?;
    let config = match manifest.config() {
        Some(_) => parse(&store.config_bytes(&manifest).await?),
        None => Value::Null,
    };
    Ok(json!({ "Summary": image, "Config": config, "Manifest": parse(manifest.bytes()) }))
}

fn target(image: &ImageSummary) -> Target {
    Target::Digest(image.digest.clone())
}

pub(crate) async fn history(store: &Layout, name: &str, no_trunc: bool) -> Result<(), Error> {
    let images = store.summaries().await?;
    let image = find_summary(&images, name)?;
    let titles = ["ID", "CREATED", "CREATED BY", "SIZE", "COMMENT"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for (position, step) in store.history(&target(image)).await?.into_iter().enumerate() {
        // As for Podman, the image itself is its latest step, and the others have no ID.
        let id = if position == 0 {
            text::id(&image.id, no_trunc)
        } else {
            "<missing>".to_owned()
        };
        let mut command = step.created_by;
        if !no_trunc && command.chars().count() > COMMAND {
            command = command.chars().take(COMMAND).collect::<String>() + "...";
        }
        rows.push(vec![
            id,
            text::since(step.created),
            command,
            text::size(step.size),
            step.comment,
        ]);
    }
    common::print(template::table(&rows).join("\n"))
}

pub(crate) async fn tree(store: &Layout, name: &str) -> Result<(), Error> {
    let images = store.summaries().await?;
    let image = find_summary(&images, name)?;
    let tree = store.tree(&target(image)).await?;
    let list = |names: &[wharf::Name]| {
        let names: Vec<&str> = names.iter().map(wharf::Name::as_str).collect();
        format!("[{}]", names.join(" "))
    };
    common::print(format_args!(
        "Image ID: {}\nTags:     {}\nSize:     {}\nImage Layers",
        text::id(&tree.id, false),
        list(&image.names),
        text::size(tree.size)
    ))?;
    let last = tree.layers.len().saturating_sub(1);
    for (position, layer) in tree.layers.iter().enumerate() {
        let branch = if position == last {
            "\u{2514}\u{2500}\u{2500}"
        } else {
            "\u{251c}\u{2500}\u{2500}"
        };
        let top = match layer.top_of.as_slice() {
            [] => String::new(),
            names => format!(" Top Layer of: {}", list(names)),
        };
        let (id, size) = (text::id(&layer.chain_id, false), text::size(layer.size));
        common::print(format_args!("{branch} ID: {id} Size: {size}{top}"))?;
    }
    Ok(())
}
