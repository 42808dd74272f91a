//! Images unpacked by a user who is not root, in the user namespace that `podman unshare` makes.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    process::{Command, Stdio},
};

use wharf::layer::{
    Merged,
    tar::{Kind, Member, Writer},
};
use wharf_testkit::{Sandbox, require_peers, skip};

use crate::program::{self, Ended, ended, run};

/// The user that is not root, and the first of the ids that are subordinate to it.
const USER: u32 = 65_534;
const SUBORDINATE: u32 = 200_000;

/// `podman unshare` with these arguments. Root becomes another user first, with subordinate ids that no file of this host
/// states.
fn unshare(sandbox: &Sandbox, is_root: bool, arguments: &[&str]) -> Ended {
    const AS_ANOTHER: &str =
        "mount --bind etc /etc && exec setpriv --reuid=65534 --regid=65534 --clear-groups \"$@\"";
    let mut command = if is_root {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "--propagation=private",
            "sh",
            "-c",
            AS_ANOTHER,
            "sh",
            "podman",
        ]);
        command
    } else {
        Command::new("podman")
    };
    command
        .arg("unshare")
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", sandbox.home())
        .env("XDG_RUNTIME_DIR", sandbox.path("run"))
        .env("CONTAINERS_CONF", sandbox.path("containers.conf"))
        .env("CONTAINERS_STORAGE_CONF", sandbox.path("storage.conf"))
        .current_dir(sandbox.path("."))
        .stdin(Stdio::null());
    ended(&mut command)
}

/// Makes all of a sandbox that of the other user, and a directory `etc` that gives it subordinate ids.
fn hand_over(sandbox: &Sandbox) {
    sandbox.write(
        "etc/passwd",
        format!("root:x:0:0::/:/bin/sh\nnobody:x:{USER}:{USER}::/:/bin/sh\n"),
    );
    sandbox.write("etc/group", format!("root:x:0:\nnogroup:x:{USER}:\n"));
    for name in ["etc/subuid", "etc/subgid"] {
        sandbox.write(name, format!("nobody:{SUBORDINATE}:65536\n"));
    }
    let owner = format!("{USER}:{USER}");
    let chown = Command::new("chown")
        .args(["-R", &owner])
        .arg(sandbox.path(""))
        .status();
    assert!(chown.unwrap().success());
}

/// An image `NAME` in the layout `images` with these members.
fn import(sandbox: &Sandbox, name: &str, members: &[Member]) {
    let (mut writer, mut tar) = (Writer::new(), Vec::new());
    for member in members {
        tar.extend(writer.member(member).unwrap());
        tar.extend_from_slice(writer.end_member().unwrap());
    }
    tar.extend_from_slice(writer.finish().unwrap());
    sandbox.write("layer.tar", tar);
    run(
        sandbox,
        "import",
        &["--quiet", "layer.tar", &format!("oci:images:{name}")],
    )
    .ok();
}

#[test]
fn owners_of_an_image_are_kept_in_the_namespace_of_podman_unshare() {
    require_peers!("podman", "newuidmap", "unshare", "setpriv");
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let sandbox = Sandbox::new();
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let file = |name: &str, owner: (u64, u64), mode: u32| {
        let member = Member::file(name, 0).unwrap();
        member.with_owner(owner.0, owner.1).with_mode(mode)
    };
    let directory = Member::new("d", Kind::Directory).unwrap();
    let members = [
        directory.with_owner(5, 7).with_mode(0o700),
        file("d/program", (1000, 1000), 0o4755),
        file("able", (0, 0), 0o755).with_xattr("security.capability", capability),
        file("last", (65_535, 65_535), 0o600),
    ];
    import(&sandbox, "it", &members);
    import(&sandbox, "beyond", &[file("far", (4_000_000, 0), 0o644)]);
    for name in ["unpack", "build-from"] {
        fs::copy(program::example(name), sandbox.path(name)).unwrap();
    }
    if is_root {
        hand_over(&sandbox);
    }
    let try_out = unshare(&sandbox, is_root, &["cat", "/proc/self/uid_map"]);
    if try_out.code != Some(0) || try_out.stdout.lines().count() < 2 {
        skip(&format!(
            "no subordinate ids, or no user namespaces here: {}",
            try_out.stderr.trim()
        ));
        return;
    }
    let unpack = |image: &str, to: &str| {
        let arguments = [
            "./unpack",
            "--policy=policy.json",
            "--quiet",
            "--owner=keep",
            image,
            to,
        ];
        unshare(&sandbox, is_root, &arguments)
    };
    unpack("oci:images:it", "root").ok();
    let arguments = [
        "stat",
        "--format=%n %u:%g %a",
        "root/d",
        "root/d/program",
        "root/able",
        "root/last",
    ];
    assert_eq!(
        unshare(&sandbox, is_root, &arguments).ok(),
        "root/d 5:7 700\nroot/d/program 1000:1000 4755\nroot/able 0:0 755\nroot/last 65535:65535 600\n"
    );
    if is_root {
        let outside = fs::metadata(sandbox.path("root/d")).unwrap();
        assert_eq!((outside.uid(), outside.gid()), (SUBORDINATE + 4, SUBORDINATE + 6));
        assert_eq!(fs::metadata(sandbox.path("root/able")).unwrap().uid(), USER);
    }
    unpack("oci:images:beyond", "other").fails(1, &["\"far\"", "user namespace"]);
    assert!(!sandbox.path("other").exists());

    // What is packed there again has the owners of the image, and its capabilities.
    let arguments = ["./build-from", "--quiet", "--keep-owners", "root", "oci:again:it"];
    unshare(&sandbox, is_root, &arguments).ok();
    run(
        &sandbox,
        "export",
        &["--policy=policy.json", "oci:again:it", "again.tar"],
    )
    .ok();
    let mut merged = Merged::new();
    merged
        .add(fs::File::open(sandbox.path("again.tar")).unwrap())
        .unwrap();
    for member in &members {
        assert_eq!(merged.entry(member.name()).unwrap().member().unwrap(), *member);
    }
}
