//! Adds the changes of a tree to an image, as `umoci repack` does, with wharf's crates.
//!
//!     wharf-repack repack LAYOUT TAG ROOT NAME ROUND
//!     wharf-repack change ROOT ROUND
//!
//! `repack` takes a snapshot of the tree at ROOT, which reads every file, changes the tree, and writes the image TAG of
//! the layout with the changes as another layer under NAME. `change` changes the tree alone.

use std::{fs, path::Path, sync::Arc};

use anyhow::bail;
use wharf_content::{History, Name, Target};
use wharf_copy::{Options as CopyOptions, Selection, copy};
use wharf_image::{NewLayer, Options, Recipe, prepare};
use wharf_layer::{DiffOptions, Root, Snapshot};
use wharf_store::Layout;

/// Files that change, each in a directory of its own.
const CHANGED: usize = 100;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["repack", layout, tag, root, name, round] => {
            repack(Path::new(layout), tag, Path::new(root), name, round).await
        }
        ["change", root, round] => change(Path::new(root), round),
        _ => bail!("usage: wharf-repack repack LAYOUT TAG ROOT NAME ROUND | change ROOT ROUND"),
    }
}

async fn repack(layout: &Path, tag: &str, root: &Path, name: &str, round: &str) -> anyhow::Result<()> {
    let before = Snapshot::of(&Root::open(root)?)?;
    change(root, round)?;
    let layer = NewLayer::from_changes(before, root, DiffOptions::default());
    let recipe = Recipe::new().append(layer, History::default().with_created_by("repack"));
    let layout = Arc::new(Layout::open(layout).await?);
    let target = Target::from(&Name::parse(tag)?);
    let prepared = prepare(
        layout.clone(),
        layout.clone(),
        &target,
        &recipe,
        &Options::default(),
    )
    .await?;
    let target = prepared.target();
    let options = CopyOptions::from(Selection::All).with_name(Name::parse(name)?);
    copy(Arc::new(prepared), layout, &target, options).await?;
    Ok(())
}

/// Writes another text to the first file of each directory below `srv`, up to a hundred.
fn change(root: &Path, round: &str) -> anyhow::Result<()> {
    let mut directories: Vec<_> = fs::read_dir(root.join("srv"))?.collect::<Result<_, _>>()?;
    directories.sort_by_key(fs::DirEntry::file_name);
    for directory in directories.iter().take(CHANGED) {
        fs::write(directory.path().join("file0"), format!("round {round}\n"))?;
    }
    Ok(())
}
