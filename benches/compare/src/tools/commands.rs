//! The command line of each program for a job; `None` if it cannot do it.

use std::{path::Path, process::Command};

use wharf_testkit::Sandbox;

use super::Job;
use crate::server::{PASSWORD, USER, Wire};

pub fn wharf(examples: &Path, sandbox: &Sandbox, job: Job<'_>, wire: Wire) -> Option<Command> {
    let (name, arguments) = match job {
        Job::Pull { from, layout, tag } => (
            "pull",
            vec![
                from.to_owned(),
                "--store".into(),
                text(layout),
                "--name".into(),
                tag.to_owned(),
            ],
        ),
        Job::Push { layout, tag, to } => (
            "push",
            vec!["--store".into(), text(layout), tag.to_owned(), to.to_owned()],
        ),
        Job::Copy { from, to } => ("copy", vec![docker(from), docker(to)]),
        Job::Change { from, to, flags } => ("copy", change(from, to, flags)),
        Job::Unpack { layout, tag, to, .. } => ("unpack", vec![oci(layout, tag), text(to)]),
        Job::PullTree { from, to, .. } => ("unpack", vec![docker(from), text(to)]),
        Job::PushTree { tree, to, .. } => (
            "append",
            vec![
                "--keep-owners".into(),
                "--compression-level=1".into(),
                "--new-layer".into(),
                text(tree),
                "--new-tag".into(),
                docker(to),
            ],
        ),
        Job::Repack { .. } => return None,
    };
    let mut command = Command::new(examples.join(name));
    command.arg("--quiet");
    if wire == Wire::Plain {
        command.arg("--tls-verify=false");
    }
    command
        .arg("--registries-conf")
        .arg(sandbox.path("registries.conf"))
        .args(arguments);
    Some(command)
}

/// The program of this workspace that repacks with wharf's crates.
pub fn repack(program: &Path, job: Job<'_>) -> Option<Command> {
    let Job::Repack {
        layout,
        tag,
        tree,
        name,
        round,
    } = job
    else {
        return None;
    };
    let mut command = Command::new(program);
    command.arg("repack").arg(layout).arg(tag).arg(tree);
    command.arg(name).arg(round.to_string());
    Some(command)
}

pub fn skopeo(program: &Path, sandbox: &Sandbox, job: Job<'_>, wire: Wire) -> Option<Command> {
    let mut command = Command::new(program);
    for (flag, name) in [
        ("--policy", "policy.json"),
        ("--registries-conf", "registries.conf"),
        ("--registries.d", "registries.d"),
        ("--tmpdir", "tmp"),
    ] {
        command.arg(flag).arg(sandbox.path(name));
    }
    command.args(["copy", "--quiet"]);
    if wire == Wire::Plain {
        command.args(["--src-tls-verify=false", "--dest-tls-verify=false"]);
    }
    command.args(match job {
        Job::Pull { from, layout, tag } => vec![docker(from), oci(layout, tag)],
        Job::Push { layout, tag, to } => vec![oci(layout, tag), docker(to)],
        Job::Copy { from, to } => vec![docker(from), docker(to)],
        Job::Change { from, to, flags } => change(from, to, flags),
        _ => return None,
    });
    Some(command)
}

pub fn oci_client(program: &Path, sandbox: &Sandbox, job: Job<'_>, wire: Wire) -> Option<Command> {
    let mut command = Command::new(program);
    if wire != Wire::Plain {
        command
            .arg("--tls")
            .arg(sandbox.path("authority.pem"))
            .args([USER, PASSWORD]);
    }
    match job {
        Job::Pull { from, layout, tag } => command.args(["pull", from]).arg(layout).arg(tag),
        Job::Push { layout, tag, to } => command.arg("push").arg(layout).args([tag, to]),
        _ => return None,
    };
    Some(command)
}

pub fn crane(program: &Path, job: Job<'_>, wire: Wire) -> Option<Command> {
    let mut command = Command::new(program);
    match job {
        Job::Pull { from, layout, .. } => command
            .args(["pull", "--format=oci", "--annotate-ref", from])
            .arg(layout),
        Job::Push { layout, to, .. } => command.arg("push").arg(layout).arg(to),
        Job::Copy { from, to } => command.args(["copy", from, to]),
        _ => return None,
    };
    if wire == Wire::Plain {
        command.arg("--insecure");
    }
    Some(command)
}

/// crane writes the tar of the root file system, and GNU tar unpacks it.
pub fn crane_to_tar(crane: &Path, tar: &Path, job: Job<'_>) -> Option<Command> {
    let Job::PullTree { from, to, .. } = job else {
        return None;
    };
    let mut command = Command::new("bash");
    command.args([
        "-c",
        r#"set -o pipefail; "$0" export --insecure "$1" - | "$2" --extract --directory "$3""#,
    ]);
    command.arg(crane).arg(from).arg(tar).arg(to);
    Some(command)
}

/// GNU tar writes the tar of a directory, which crane compresses, at its level 1, and pushes as it comes.
pub fn tar_to_crane(crane: &Path, tar: &Path, job: Job<'_>) -> Option<Command> {
    let Job::PushTree { tree, to, .. } = job else {
        return None;
    };
    let mut command = Command::new("bash");
    command.args([
        "-c",
        r#"set -o pipefail; "$2" --create --directory "$3" . | "$0" append --insecure --new_layer - --new_tag "$1""#,
    ]);
    command.arg(crane).arg(to).arg(tar).arg(tree);
    Some(command)
}

/// Buildah, with an empty store that needs no feature of the kernel.
pub fn buildah(program: &Path, sandbox: &Sandbox, job: Job<'_>) -> Option<Command> {
    let Job::PushTree { tree, scratch, to } = job else {
        return None;
    };
    let mut command = Command::new("bash");
    command.args([
        "-c",
        r#"set -e
buildah=("$0" --root "$1/storage" --runroot "$1/run" --storage-driver vfs)
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" copy --quiet "$container" "$2" /
"${buildah[@]}" commit --quiet --rm --tls-verify=false --signature-policy "$3" \
    --disable-compression=false --compression-format gzip --compression-level 1 "$container" "docker://$4""#,
    ]);
    command.arg(program).arg(scratch).arg(tree);
    command.arg(sandbox.path("policy.json")).arg(to);
    Some(command)
}

/// Skopeo writes a layout, and umoci unpacks it.
pub fn skopeo_to_umoci(skopeo: &Command, umoci: &Path, job: Job<'_>) -> Option<Command> {
    let Job::PullTree { scratch, to, .. } = job else {
        return None;
    };
    let layout = scratch.join("layout");
    let unpack = Job::Unpack {
        layout: &layout,
        tag: "it",
        layer: None,
        to,
    };
    let unpack = self::umoci(umoci, unpack)?;
    let mut command = Command::new("bash");
    // The first argument is the number of those after it that are umoci's; Skopeo's follow.
    command.args(["-c", r#"umoci=("${@:1:$0}"); "${@:$0+1}" && "${umoci[@]}""#]);
    command.arg((1 + unpack.get_args().count()).to_string());
    for part in [&unpack, skopeo] {
        command.arg(part.get_program()).args(part.get_args());
    }
    Some(command)
}

/// Podman, with an empty store that needs no feature of the kernel.
pub fn podman(program: &Path, job: Job<'_>) -> Option<Command> {
    let Job::PullTree { from, scratch, .. } = job else {
        return None;
    };
    let mut command = Command::new(program);
    command.arg("--root").arg(scratch.join("storage"));
    command.arg("--runroot").arg(scratch.join("run"));
    command.args([
        "--storage-driver=vfs",
        "--events-backend=none",
        "--cgroup-manager=cgroupfs",
    ]);
    command.args(["pull", "--quiet", "--tls-verify=false", from]);
    Some(command)
}

pub fn regctl(program: &Path, job: Job<'_>, wire: Wire) -> Option<Command> {
    let mut command = Command::new(program);
    let layout = |layout: &Path, tag: &str| format!("ocidir://{}:{tag}", text(layout));
    let (host, [from, to]) = match job {
        Job::Pull {
            from,
            layout: directory,
            tag,
        } => (from, [from.to_owned(), layout(directory, tag)]),
        Job::Push {
            layout: directory,
            tag,
            to,
        } => (to, [layout(directory, tag), to.to_owned()]),
        Job::Copy { from, to } => (from, [from.to_owned(), to.to_owned()]),
        _ => return None,
    };
    if wire == Wire::Plain {
        let host = host.split('/').next().unwrap_or_default();
        command.args(["--host", &format!("reg={host},tls=disabled")]);
    }
    command.args(["image", "copy", &from, &to]);
    Some(command)
}

pub fn oras(program: &Path, job: Job<'_>, wire: Wire) -> Option<Command> {
    let layout = |layout: &Path, tag: &str| format!("{}:{tag}", text(layout));
    let (plain, arguments) = match job {
        Job::Pull {
            from,
            layout: directory,
            tag,
        } => (
            &["--from-plain-http"][..],
            vec!["--to-oci-layout".into(), from.to_owned(), layout(directory, tag)],
        ),
        Job::Push {
            layout: directory,
            tag,
            to,
        } => (
            &["--to-plain-http"][..],
            vec!["--from-oci-layout".into(), layout(directory, tag), to.to_owned()],
        ),
        Job::Copy { from, to } => (
            &["--from-plain-http", "--to-plain-http"][..],
            vec![from.to_owned(), to.to_owned()],
        ),
        _ => return None,
    };
    let mut command = Command::new(program);
    command.args(["copy", "--no-tty"]);
    if wire == Wire::Plain {
        command.args(plain);
    }
    command.args(arguments);
    Some(command)
}

pub fn umoci(program: &Path, job: Job<'_>) -> Option<Command> {
    let mut command = Command::new(program);
    let image = |layout: &Path, tag: &str| format!("{}:{tag}", text(layout));
    match job {
        Job::Unpack { layout, tag, to, .. } => {
            command.args(["unpack", "--image", &image(layout, tag)]);
            if !is_root() {
                command.arg("--rootless");
            }
            command.arg(to)
        }
        Job::Repack {
            layout, tree, name, ..
        } => command
            .args(["repack", "--image", &image(layout, name)])
            .arg(tree),
        _ => return None,
    };
    Some(command)
}

/// GNU tar, which takes a layer alone.
pub fn tar(program: &Path, job: Job<'_>) -> Option<Command> {
    let Job::Unpack {
        layer: Some(layer),
        to,
        ..
    } = job
    else {
        return None;
    };
    let mut command = Command::new(program);
    command.args(["--extract", "--gzip", "--file"]).arg(layer);
    command.arg("--directory").arg(to);
    Some(command)
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// The arguments of a copy with flags.
fn change(from: &str, to: &str, flags: &[&str]) -> Vec<String> {
    flags
        .iter()
        .copied()
        .chain([from, to])
        .map(str::to_owned)
        .collect()
}

fn docker(reference: &str) -> String {
    format!("docker://{reference}")
}

fn oci(layout: &Path, tag: &str) -> String {
    format!("oci:{}:{tag}", text(layout))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
