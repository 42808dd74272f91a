//! The programs and their command lines.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use wharf_testkit::Sandbox;

/// Where the programs are built; another place for those that hash with portable code.
const TARGET: &str = if cfg!(wharf_sha2) {
    "target/portable"
} else {
    "target"
};

/// A program that is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tool {
    Wharf,
    Skopeo,
    OciClient,
    Crane,
    Regctl,
    Oras,
}

impl Tool {
    const ALL: [Self; 6] = [
        Self::Wharf,
        Self::Skopeo,
        Self::OciClient,
        Self::Crane,
        Self::Regctl,
        Self::Oras,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Wharf => "wharf",
            Self::Skopeo => "skopeo",
            Self::OciClient => "oci-client",
            Self::Crane => "crane",
            Self::Regctl => "regctl",
            Self::Oras => "oras",
        }
    }
}

/// What a program is to do. Images in registries are written `HOST/NAME:TAG`.
#[derive(Debug, Clone, Copy)]
pub enum Job<'a> {
    Pull {
        from: &'a str,
        layout: &'a Path,
        tag: &'a str,
    },
    Push {
        layout: &'a Path,
        tag: &'a str,
        to: &'a str,
    },
    Copy {
        from: &'a str,
        to: &'a str,
    },
    /// A copy with Skopeo's flags for changes, from and to places as Skopeo writes them.
    Change {
        from: &'a str,
        to: &'a str,
        flags: &'a [&'a str],
    },
}

/// The programs that were built or found, and a home for them without any configuration.
#[derive(Debug)]
pub struct Tools {
    present: Vec<Tool>,
    examples: PathBuf,
    oci_client: PathBuf,
    sandbox: Sandbox,
}

impl Tools {
    /// Builds wharf's examples, unless they are in `examples`, and the oci-client peer; looks for the others in
    /// `PATH`. With `only`, no others than these.
    pub fn find(examples: Option<&Path>, only: &[String]) -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.join("../..");
        let wanted = |tool: &Tool| only.is_empty() || only.iter().any(|name| name == tool.name());
        let examples = match examples {
            Some(folder) => folder.to_owned(),
            None if wanted(&Tool::Wharf) => {
                cargo(
                    &root,
                    &["--example", "pull", "--example", "push", "--example", "copy"],
                )?;
                root.join(TARGET).join("release/examples")
            }
            None => PathBuf::new(),
        };
        let oci_client = here.join(TARGET).join("release/oci-client-peer");
        if wanted(&Tool::OciClient) {
            cargo(here, &["--package", "oci-client-peer"])?;
        }
        let installed = |tool: &Tool| match tool {
            Tool::Wharf | Tool::OciClient => true,
            other => on_path(other.name()),
        };
        let present: Vec<Tool> = Tool::ALL.into_iter().filter(wanted).filter(installed).collect();
        let names: Vec<&str> = present.iter().map(|tool| tool.name()).collect();
        eprintln!("comparing {}", names.join(", "));
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.path("home/.docker"))?;
        Ok(Self {
            present,
            examples,
            oci_client,
            sandbox,
        })
    }

    /// The programs there are.
    pub fn present(&self) -> &[Tool] {
        &self.present
    }

    /// The command line, or `None` if the program cannot do this.
    pub fn command(&self, tool: Tool, job: Job<'_>) -> Option<Command> {
        let mut command = match tool {
            Tool::Wharf => self.wharf(job),
            Tool::Skopeo => self.skopeo(job),
            Tool::OciClient => self.oci_client(job)?,
            Tool::Crane => crane(job)?,
            Tool::Regctl => regctl(job)?,
            Tool::Oras => oras(job)?,
        };
        let at = |name: &str| self.sandbox.path(name);
        command.env("PATH", env::var_os("PATH").unwrap_or_default());
        command
            .env("TMPDIR", at("tmp"))
            .env("HOME", at("home"))
            .env("DOCKER_CONFIG", at("home/.docker"));
        command
            .env("XDG_CONFIG_HOME", at("home/.config"))
            .env("XDG_DATA_HOME", at("home/.local/share"));
        command
            .env("XDG_RUNTIME_DIR", at("run"))
            .env("REGISTRY_AUTH_FILE", at("auth.json"));
        Some(command)
    }

    fn wharf(&self, job: Job<'_>) -> Command {
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
        };
        let mut command = Command::new(self.examples.join(name));
        command
            .args(["--quiet", "--tls-verify=false", "--registries-conf"])
            .arg(self.sandbox.path("registries.conf"));
        command.args(arguments);
        command
    }

    fn skopeo(&self, job: Job<'_>) -> Command {
        let mut command = Command::new("skopeo");
        for (flag, name) in [
            ("--policy", "policy.json"),
            ("--registries-conf", "registries.conf"),
            ("--registries.d", "registries.d"),
            ("--tmpdir", "tmp"),
        ] {
            command.arg(flag).arg(self.sandbox.path(name));
        }
        command.args([
            "copy",
            "--quiet",
            "--src-tls-verify=false",
            "--dest-tls-verify=false",
        ]);
        command.args(match job {
            Job::Pull { from, layout, tag } => vec![docker(from), oci(layout, tag)],
            Job::Push { layout, tag, to } => vec![oci(layout, tag), docker(to)],
            Job::Copy { from, to } => vec![docker(from), docker(to)],
            Job::Change { from, to, flags } => change(from, to, flags),
        });
        command
    }

    fn oci_client(&self, job: Job<'_>) -> Option<Command> {
        let mut command = Command::new(&self.oci_client);
        match job {
            Job::Pull { from, layout, tag } => command.args(["pull", from]).arg(layout).arg(tag),
            Job::Push { layout, tag, to } => command.arg("push").arg(layout).args([tag, to]),
            Job::Copy { .. } | Job::Change { .. } => return None,
        };
        Some(command)
    }
}

fn crane(job: Job<'_>) -> Option<Command> {
    let mut command = Command::new("crane");
    match job {
        Job::Pull { from, layout, .. } => command
            .args(["pull", "--insecure", "--format=oci", "--annotate-ref", from])
            .arg(layout),
        Job::Push { layout, to, .. } => command.args(["push", "--insecure"]).arg(layout).arg(to),
        Job::Copy { from, to } => command.args(["copy", "--insecure", from, to]),
        Job::Change { .. } => return None,
    };
    Some(command)
}

fn regctl(job: Job<'_>) -> Option<Command> {
    let mut command = Command::new("regctl");
    let host = match job {
        Job::Pull { from, .. } | Job::Copy { from, .. } => from,
        Job::Push { to, .. } => to,
        Job::Change { .. } => return None,
    };
    let host = host.split('/').next().unwrap_or_default();
    command.args(["--host", &format!("reg={host},tls=disabled"), "image", "copy"]);
    let layout = |layout: &Path, tag: &str| format!("ocidir://{}:{tag}", text(layout));
    command.args(match job {
        Job::Pull {
            from,
            layout: directory,
            tag,
        } => [from.to_owned(), layout(directory, tag)],
        Job::Push {
            layout: directory,
            tag,
            to,
        } => [layout(directory, tag), to.to_owned()],
        Job::Copy { from, to } => [from.to_owned(), to.to_owned()],
        Job::Change { .. } => return None,
    });
    Some(command)
}

fn oras(job: Job<'_>) -> Option<Command> {
    let mut command = Command::new("oras");
    command.args(["copy", "--no-tty"]);
    let layout = |layout: &Path, tag: &str| format!("{}:{tag}", text(layout));
    match job {
        Job::Pull {
            from,
            layout: directory,
            tag,
        } => command.args([
            "--from-plain-http",
            "--to-oci-layout",
            from,
            &layout(directory, tag),
        ]),
        Job::Push {
            layout: directory,
            tag,
            to,
        } => command.args([
            "--to-plain-http",
            "--from-oci-layout",
            &layout(directory, tag),
            to,
        ]),
        Job::Copy { from, to } => command.args(["--from-plain-http", "--to-plain-http", from, to]),
        Job::Change { .. } => return None,
    };
    Some(command)
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

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn cargo(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--release", "--quiet", "--target-dir", TARGET])
        .args(arguments)
        .current_dir(directory);
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(())
}
