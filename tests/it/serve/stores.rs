//! Several processes over a bucket, and clients of all kinds.

use wharf_testkit::{Image, Moto, PostgreSql, Sandbox, SeaweedFs, require_peers};

use super::{Serve, allow_plain_http};
use crate::program::{self, ended, run};

/// A server of S3 with a bucket, and the variables for it.
struct Bucket {
    url: String,
    endpoint: String,
    key: [&'static str; 2],
}

impl Bucket {
    fn all() -> [Self; 2] {
        let (moto, weed) = (Moto::shared(), SeaweedFs::shared());
        [
            (moto.create_bucket(), moto.endpoint(), ["any", "key"]),
            (
                weed.create_bucket(),
                weed.endpoint(),
                [SeaweedFs::KEY, SeaweedFs::SECRET],
            ),
        ]
        .map(|(bucket, endpoint, key)| Self {
            url: format!("s3://{bucket}/some/registry"),
            endpoint,
            key,
        })
    }

    fn variables(&self) -> [(&str, &str); 3] {
        let [id, secret] = self.key;
        [
            ("AWS_ENDPOINT_URL", &self.endpoint),
            ("AWS_ACCESS_KEY_ID", id),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ]
    }
}

/// An image that is pushed to one process is pulled from another, by each client. The layer is so large that the store gets it in parts.
#[test]
fn images_go_through_the_processes_over_a_bucket_with_every_client() {
    require_peers!(
        "postgres",
        "psql",
        "skopeo",
        "podman",
        Moto::PROGRAM,
        SeaweedFs::PROGRAM
    );
    let image = Image::builder()
        .noise(1, 6 << 20)
        .files(&[("etc/motd", b"hello")])
        .finish();
    let digest = image.manifest().digest().to_string();
    for bucket in Bucket::all() {
        let sandbox = Sandbox::new();
        let server = PostgreSql::shared();
        sandbox.write("database", server.socket_url(&server.create_database()));
        let flags = ["--store", &bucket.url, "--database", "@database"];
        let serving = [&flags[..], &["--listen", "127.0.0.1:0"]].concat();
        let start = || Serve::with_variables(&sandbox, &serving, &bucket.variables());
        let (one, other) = (start(), start());
        let (here, there) = (one.name(), other.name());
        allow_plain_http(&sandbox, &[here, there]);
        image.write_layout(&sandbox.path("layout"), "v1");

        // Ours pushes, Skopeo copies from process to process, ours pulls and copies.
        let pushed = format!("{here}/lib/ours:1");
        let push = run(&sandbox, "push", &["--store", "layout", "v1", &pushed]);
        assert_eq!(push.last_line(), digest);
        let (from, to) = (
            format!("docker://{there}/lib/ours:1"),
            format!("docker://{here}/lib/skopeo:1"),
        );
        sandbox
            .skopeo()
            .run(&["copy", "--preserve-digests", &from, &to])
            .ok();
        let pulled = run(
            &sandbox,
            "pull",
            &[&format!("{there}/lib/skopeo:1"), "--store", "pulled"],
        );
        assert_eq!(pulled.last_line(), digest);
        let into = format!("oci:{}:v1", sandbox.path("copied").display());
        run(&sandbox, "copy", &[&to, &into]).ok();
        let raw = sandbox.skopeo().run(&["inspect", "--raw", &into]).ok();
        assert_eq!(raw.as_bytes(), image.manifest().bytes());

        // Podman pulls, and pushes what it has unpacked: its own layers around the same config.
        let theirs = format!("{there}/lib/skopeo:1");
        sandbox.podman().run(&["pull", "--quiet", &theirs]).ok();
        let podmans = format!("{here}/lib/podman:1");
        sandbox.podman().run(&["push", "--quiet", &theirs, &podmans]).ok();
        let again = format!("{there}/lib/podman:1");
        run(&sandbox, "pull", &[&again, "--store", "pulled"]).ok();

        let checking = [&flags[..], &["--fsck", "--fsck-hash", "1"]].concat();
        let mut checking = program::command(&sandbox, "serve", &checking);
        let checked = ended(checking.envs(bucket.variables()));
        assert_eq!(checked.code, Some(0), "{}{}", checked.stdout, checked.stderr);
        assert!(checked.stdout.contains(" 0 damaged"), "{}", checked.stdout);
        for process in [one, other] {
            process.signal("TERM");
            process.ended_well();
        }
    }
}
