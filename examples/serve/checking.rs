//! A check of what several processes share.

use std::process::ExitCode;

use anyhow::anyhow;
use wharf_registry_object::FsckOptions;

use crate::{arguments::Arguments, storage};

/// The status if something is damaged, as fsck(8) has it for what it leaves as it is.
const DAMAGED: u8 = 4;

/// Checks, and prints each finding on a line: damage, or a note of what only takes room or may be right.
#[tokio::main]
pub(crate) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let (Some(store), Some(database)) = (&arguments.store, &arguments.database) else {
        return Err(anyhow!("name the engines to check with --store and --database"));
    };
    let backend = storage::open_shared(arguments, store, database).await?;
    let mut options = FsckOptions::default();
    options.hash_one_in = arguments.fsck_hash;
    options.repair = arguments.fsck_repair;
    let mut tell = |finding: wharf_registry_object::FsckFinding| {
        let kind = if finding.is_damage() { "damaged" } else { "note" };
        println!("{kind}: {finding}");
    };
    let report = backend.fsck(&options, &mut tell).await?;
    println!(
        "{} repositories, {} tags, {} manifests, {} blobs, {} objects of {} bytes, {} hashed: {} damaged, {} notes",
        report.repositories,
        report.tags,
        report.manifests,
        report.blobs,
        report.objects,
        report.bytes,
        report.hashed,
        report.damage,
        report.notes
    );
    Ok(if report.damage == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(DAMAGED)
    })
}
