//! The directories that `skopeo sync` 1.9.3 has written, read, and written alike.

use std::fs;

use wharf::{
    Selection,
    sync::{Destination, Naming, Options, SyncSet, plan, run},
};
use wharf_testkit::{Sandbox, unpack_saved_sync};

use super::{World, tree};

/// The names at the registry that Skopeo has copied from, and of its directories.
const IMAGES: [(&str, &str); 3] = [
    ("lib/one:1.0", "one:1.0"),
    ("lib/one:1.1", "one:1.1"),
    ("two:latest", "two:latest"),
];

#[tokio::test(flavor = "multi_thread")]
async fn directories_of_skopeo_are_read_and_written_alike() {
    let (world, sandbox) = (World::new().await, Sandbox::new());
    let all = || Options::default().with_copy(Selection::All);
    unpack_saved_sync("sync", &sandbox.path("theirs"));
    for (name, directory) in IMAGES {
        let from = format!("dir:{}", sandbox.path("theirs").join(directory).display());
        let to = format!("docker://{}/{name}", world.source.registry());
        world.client.copy_with(&from, &to, Selection::All).await.unwrap();
    }
    let set = || world.set("lib/one").and(world.set("two"));
    for (golden, naming) in [("sync", Naming::Last), ("sync-scoped", Naming::Scoped)] {
        let (ours, theirs) = (format!("ours-{golden}"), format!("theirs-{golden}"));
        unpack_saved_sync(golden, &sandbox.path(&theirs));
        let destination = Destination::Directory(sandbox.path(&ours));
        let options = all().with_naming(naming);
        let planned = plan(&world.client, &set(), &destination, options).await.unwrap();
        assert_eq!(run(planned).await.copied(), 3, "{golden}");
        if golden == "sync-scoped" {
            let host = world.source.registry().to_string();
            fs::rename(
                sandbox.path(&ours).join(host),
                sandbox.path(&ours).join("127.0.0.1:5055"),
            )
            .unwrap();
        }
        let (ours, theirs) = (tree(&sandbox.path(&ours)), tree(&sandbox.path(&theirs)));
        assert_eq!(ours.keys().collect::<Vec<_>>(), theirs.keys().collect::<Vec<_>>());
        assert!(ours == theirs, "{golden}: the content of the directories differs");
        assert!(theirs.len() > 10, "{golden}");
    }

    // Each directory is an image of the set, under its name.
    let set = SyncSet::from_directory(sandbox.path("theirs"));
    let planned = plan(&world.client, &set, &world.to("mirror"), all())
        .await
        .unwrap();
    assert_eq!(run(planned).await.copied(), 3);
    assert_eq!(world.tags("mirror/one").await, ["1.0", "1.1"]);
    assert_eq!(world.tags("mirror/two").await, ["latest"]);
}
