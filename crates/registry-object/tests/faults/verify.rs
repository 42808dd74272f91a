//! The conditions that must hold afterwards.

use std::{convert::identity, num::NonZeroU32, time::Duration};

use futures_util::{StreamExt as _, future::join_all, stream};
use wharf_registry::{Backend as _, GcOptions};
use wharf_registry_object::{FsckFinding, FsckOptions, FsckReport, ObjectBackend};
use wharf_testkit::{history::is_linearizable, sha256};

use crate::{
    crowd::Crowd,
    engines::{self, Engines},
    http::request,
    store_faults::Faults,
};

/// The images that are pulled at a time.
const PULLS: usize = 4;

pub(crate) async fn all(crowd: &Crowd, engines: &Engines) -> String {
    let mut operations = 0;
    for (tag, history) in &*crowd.histories() {
        operations += history.len();
        assert!(
            is_linearizable(&None, history),
            "no order explains {tag}: {history:#?}"
        );
    }
    let pulled = pull_all(crowd, crowd.processes.count()).await;
    let report = collect_all(engines).await;
    pull_all(crowd, 1).await;
    format!(
        "{operations} operations on tags have an order; {pulled} images are pulled from each process; {} objects are left, \
         damaged 0, forgotten 0",
        report.objects
    )
}

/// Pulls each image that was acknowledged from each of so many processes, several at a time, and returns how many images they are.
async fn pull_all(crowd: &Crowd, processes: usize) -> usize {
    let images = crowd.images().clone();
    let pulls = images.iter().map(|((repository, digest), image)| async move {
        let manifest = (format!("/v2/{repository}/manifests/{digest}"), &image.manifest);
        let blobs = image
            .blobs
            .iter()
            .map(|blob| (format!("/v2/{repository}/blobs/{}", sha256(blob)), blob));
        for (path, bytes) in std::iter::once(manifest).chain(blobs) {
            let answers = (0..processes).map(|process| assert_answers(crowd, process, &path, bytes));
            join_all(answers).await;
        }
    });
    stream::iter(pulls).for_each_concurrent(PULLS, identity).await;
    images.len()
}

/// Waits until a process answers with these bytes.
async fn assert_answers(crowd: &Crowd, process: usize, path: &str, bytes: &[u8]) {
    let answer = loop {
        let address = crowd.processes.address(process).expect("it serves");
        match request(&address, "GET", path, "", b"").await {
            Ok(answer) if answer.status != 503 => break answer,
            // One that was just started, or whose connections to the database are those before the restart.
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    };
    assert_eq!(answer.status, 200, "{path} of process {process}");
    assert!(
        answer.body == *bytes,
        "{path} of process {process} has other bytes"
    );
}

/// Collects at once what nobody needs, and checks what is left.
async fn collect_all(engines: &Engines) -> FsckReport {
    let backend = engines.open(&Faults::none(), engines::at_once()).await;
    assert_whole(&backend.expect("a backend")).await
}

/// Finds nothing but objects that belong to nothing, collects, and finds nothing at all.
pub(crate) async fn assert_whole(backend: &ObjectBackend) -> FsckReport {
    let options = GcOptions::default().with_grace(Duration::ZERO);
    // Objects that a process has written after it was stopped for longer than anything waits for belong to nothing.
    let (_, found) = check(backend, true).await;
    let is_late = |finding: &FsckFinding| matches!(finding, FsckFinding::Unnamed { .. });
    assert!(found.iter().all(is_late), "{found:#?}");
    for _ in 0..3 {
        let report = backend.collect(&options).await.expect("a report");
        assert_eq!(report.failed, 0);
    }
    let (report, found) = check(backend, false).await;
    assert_eq!(found, []);
    assert_eq!(
        (report.unlinked, report.pending, report.doomed),
        (0, 0, 0),
        "{report:?}"
    );
    report
}

async fn check(backend: &ObjectBackend, repair: bool) -> (FsckReport, Vec<FsckFinding>) {
    let mut options = FsckOptions::default();
    options.hash_one_in = Some(NonZeroU32::MIN);
    options.repair = repair;
    let mut found = Vec::new();
    let report = backend.fsck(&options, &mut |finding| found.push(finding)).await;
    (report.expect("a report"), found)
}
