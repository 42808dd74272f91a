//! The programs and their command lines.

mod commands;
mod job;

use std::{
    env, fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};
use wharf_testkit::Sandbox;

pub use job::{Job, Mode, Tool};

use crate::{
    nginx,
    peers::{self, NGINX, Peers, REGISTRY},
    server::{LOGIN, Servers, Wire},
};

/// Where the programs are built; another place for those that hash with portable code.
const TARGET: &str = if cfg!(wharf_sha2) {
    "target/portable"
} else {
    "target"
};

/// The profile that wharf is built with: the one that this program is built with.
const PROFILE: &str = if cfg!(debug_assertions) {
    "debug"
} else {
    "release"
};

/// The programs that were built or found, and a home for them without any configuration.
#[derive(Debug)]
pub struct Tools {
    present: Vec<(Tool, PathBuf)>,
    repack: PathBuf,
    /// The program of the registry, and what starts it.
    registry: Option<(PathBuf, Servers)>,
    sandbox: Sandbox,
}

impl Tools {
    /// Builds wharf's examples, unless they are in `examples`, and the programs of this workspace; looks for the others
    /// among the peers. With `only`, no others than these.
    pub fn find(mode: Mode, examples: Option<&Path>, only: &[String], peers: &Peers) -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let built = here.join(TARGET).join(PROFILE);
        let wanted = |tool: &Tool| only.is_empty() || only.iter().any(|name| name == tool.name());
        let mut present = Vec::new();
        for tool in mode.tools().iter().copied().filter(wanted) {
            let path = match tool {
                Tool::Wharf => Some(build(examples, mode.examples())?),
                Tool::OciClient => {
                    cargo(here, &["--package", "oci-client-peer"])?;
                    Some(built.join("oci-client-peer"))
                }
                other => peers.find(other.name()),
            };
            present.extend(path.map(|path| (tool, path)));
        }
        let sandbox = Sandbox::new();
        fs::create_dir_all(sandbox.path("home/.docker"))?;
        configure_buildah(&sandbox)?;
        let registry = peers
            .find(REGISTRY)
            .filter(|_| !matches!(mode, Mode::Images | Mode::Registries))
            .map(|program| (program.clone(), Servers::new(&program, peers.find(NGINX))));
        if let Some((_, servers)) = &registry {
            sandbox.write("authority.pem", servers.authority());
        }
        Ok(Self {
            present,
            repack: built.join("wharf-repack"),
            registry,
            sandbox,
        })
    }

    /// Builds the program of this workspace that repacks with wharf's crates.
    pub fn build_repack(&self) -> anyhow::Result<()> {
        cargo(
            Path::new(env!("CARGO_MANIFEST_DIR")),
            &["--package", "wharf-repack"],
        )
    }

    /// The programs there are.
    pub fn present(&self) -> Vec<Tool> {
        self.present.iter().map(|(tool, _)| *tool).collect()
    }

    /// The registries.
    pub fn servers(&self) -> anyhow::Result<&Servers> {
        let registry = self.registry.as_ref().context("no registry is installed")?;
        Ok(&registry.1)
    }

    /// The programs and the registry with their versions, as text.
    pub fn versions(&self) -> String {
        let mut named: Vec<String> = Vec::new();
        for (tool, path) in &self.present {
            let version = match tool {
                Tool::Wharf => peers::locked_version("wharf-content"),
                Tool::OciClient => peers::locked_version("oci-client"),
                _ => peers::version(path),
            };
            named.push(format!("{} {version}", tool.name()));
        }
        let warning = if PROFILE == "debug" {
            "\nThis is a debug build: its figures tell nothing of wharf.\n"
        } else {
            ""
        };
        let registry = self
            .registry
            .as_ref()
            .map_or_else(String::new, |(program, servers)| {
                let name = program.file_name().unwrap_or_default().display();
                let nginx = servers
                    .nginx()
                    .map(|nginx| format!(", nginx {}", nginx::version(nginx)));
                let nginx = nginx.unwrap_or_default();
                format!("; the registry is {name} {}{nginx}", peers::version(program))
            });
        format!("{}{registry}\n{warning}", named.join(", "))
    }

    /// Where a program is; of wharf, the directory of its examples.
    pub fn program(&self, tool: Tool) -> Option<&Path> {
        let found = self.present.iter().find(|(known, _)| *known == tool);
        found.map(|(_, path)| path.as_path())
    }

    /// Lets the programs find the user's password for these registries, as a login leaves it.
    pub fn log_in(&self, hosts: &[String]) -> anyhow::Result<()> {
        let entries = hosts
            .iter()
            .map(|host| (host.clone(), serde_json::json!({ "auth": LOGIN })));
        let auths: serde_json::Map<String, serde_json::Value> = entries.collect();
        let text = serde_json::json!({ "auths": auths }).to_string();
        for name in ["auth.json", "home/.docker/config.json"] {
            let path = self.sandbox.path(name);
            fs::write(&path, &text)?;
            fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// The command line, or `None` if the program is not there or cannot do this.
    pub fn command(&self, tool: Tool, job: Job<'_>, wire: Wire) -> Option<Command> {
        let program = self.program(tool)?;
        let mut command = match tool {
            Tool::Wharf => match job {
                Job::Repack { .. } => commands::repack(&self.repack, job)?,
                job => commands::wharf(program, &self.sandbox, job, wire)?,
            },
            Tool::Crane => match job {
                Job::PullTree { .. } => commands::crane_to_tar(program, self.program(Tool::Tar)?, job)?,
                Job::PushTree { .. } => commands::tar_to_crane(program, self.program(Tool::Tar)?, job)?,
                job => commands::crane(program, job, wire)?,
            },
            Tool::Skopeo => match job {
                Job::PullTree { from, scratch, .. } => {
                    let layout = &scratch.join("layout");
                    let pull = Job::Pull {
                        from,
                        layout,
                        tag: "it",
                    };
                    let skopeo = commands::skopeo(program, &self.sandbox, pull, wire)?;
                    commands::skopeo_to_umoci(&skopeo, self.program(Tool::Umoci)?, job)?
                }
                job => commands::skopeo(program, &self.sandbox, job, wire)?,
            },
            Tool::Podman => commands::podman(program, job)?,
            Tool::Buildah => commands::buildah(program, &self.sandbox, job)?,
            Tool::Regctl => commands::regctl(program, job, wire)?,
            Tool::Oras => commands::oras(program, job, wire)?,
            Tool::OciClient => commands::oci_client(program, &self.sandbox, job, wire)?,
            Tool::Umoci => commands::umoci(program, job)?,
            Tool::Tar => commands::tar(program, job)?,
        };
        self.environment(&mut command);
        Some(command)
    }

    /// Changes a tree as [`Job::Repack`] has it changed: wharf's program does that itself.
    pub fn change(&self, tree: &Path, round: usize) -> anyhow::Result<()> {
        let mut command = Command::new(&self.repack);
        command.arg("change").arg(tree).arg(round.to_string());
        ensure!(command.status()?.success(), "{command:?} failed");
        Ok(())
    }

    fn environment(&self, command: &mut Command) {
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
            .env("REGISTRY_AUTH_FILE", at("auth.json"))
            .env("SSL_CERT_FILE", at("authority.pem"))
            .env("CONTAINERS_CONF", at("containers.conf"));
    }
}

/// Buildah refuses to start without a program for networks, which it never runs here.
fn configure_buildah(sandbox: &Sandbox) -> anyhow::Result<()> {
    let helpers = sandbox.path("helpers");
    fs::create_dir_all(&helpers)?;
    let program = helpers.join("netavark");
    fs::write(&program, "#!/bin/sh\nexit 1\n")?;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    let helpers = helpers.display();
    let text = format!(
        "[engine]\nhelper_binaries_dir = [\"{helpers}\"]\n[network]\nnetwork_backend = \"netavark\"\n"
    );
    sandbox.write("containers.conf", &text);
    Ok(())
}

/// The directory of wharf's examples; those that are named are built, unless it is given.
pub fn build(given: Option<&Path>, names: &[&str]) -> anyhow::Result<PathBuf> {
    if let Some(directory) = given {
        return Ok(directory.to_owned());
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let arguments: Vec<&str> = names.iter().flat_map(|name| ["--example", name]).collect();
    cargo(&root, &arguments)?;
    Ok(root.join(TARGET).join(PROFILE).join("examples"))
}

fn cargo(directory: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command
        .args(["build", "--quiet", "--target-dir", TARGET])
        .args((PROFILE == "release").then_some("--release"))
        .args(arguments)
        .current_dir(directory);
    ensure!(command.status()?.success(), "{command:?} failed");
    Ok(())
}
