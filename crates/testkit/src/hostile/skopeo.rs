use std::{fs, path::Path, time::Duration};

use async_trait::async_trait;
use base64::Engine as _;
use serde_json::{Value, json};
use wharf_reference::Digest;

use super::{Done, Driver, Stage};
use crate::{Output, Sandbox, Tool};

/// skopeo as a program, in a home of its own. It resolves names as the system does, so that origins must be
/// addresses of this machine, with their ports.
#[derive(Debug)]
pub struct Skopeo {
    sandbox: Sandbox,
    tool: Tool,
    login: Option<(String, String)>,
}

impl Skopeo {
    /// Trusts the stage's authority, and has this user's password for this registry if there is one.
    pub fn new(stage: &Stage, registry: &str, login: Option<(&str, &str)>, limit: Duration) -> Self {
        let sandbox = Sandbox::new();
        let roots = sandbox.write("roots.pem", stage.ca().pem());
        let roots = roots.to_str().expect("temporary paths are text").to_owned();
        if let Some((user, password)) = login {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
            let auths = json!({ "auths": { registry: { "auth": encoded } } });
            sandbox.write("auth.json", auths.to_string());
        }
        let tool = sandbox
            .skopeo()
            .env("SSL_CERT_FILE", &roots)
            .env("SSL_CERT_DIR", "/nonexistent")
            .within(limit);
        Self {
            sandbox,
            tool,
            login: login.map(|(user, password)| (user.to_owned(), password.to_owned())),
        }
    }

    /// The output of `skopeo --version`; `None` if it is not installed.
    pub fn version() -> Option<String> {
        crate::peer::find("skopeo")?;
        let printed = Sandbox::new().skopeo().run(&["--version"]).ok();
        let version = printed.split_whitespace().last()?;
        Some(format!("skopeo {version}"))
    }
}

fn done(output: Output) -> Done {
    if output.timed_out {
        return Done::Never;
    }
    if output.success {
        Done::Well(output.stdout)
    } else {
        Done::Failed(format!("{}{}", output.stdout, output.stderr))
    }
}

#[async_trait]
impl Driver for Skopeo {
    async fn pull(&self, image: &str, into: &Path) -> Done {
        let (from, to) = (
            format!("docker://{image}"),
            format!("oci:{}:pulled", into.display()),
        );
        done(self.tool.run_async(&["copy", "--quiet", &from, &to]).await)
    }

    async fn push(&self, layout: &Path, tag: &str, image: &str) -> Done {
        let (from, to) = (
            format!("oci:{}:{tag}", layout.display()),
            format!("docker://{image}"),
        );
        done(self.tool.run_async(&["copy", "--quiet", &from, &to]).await)
    }

    async fn list(&self, repository: &str) -> Done {
        let from = format!("docker://{repository}");
        let listed = done(self.tool.run_async(&["list-tags", &from]).await);
        let Done::Well(output) = listed else { return listed };
        let Ok(document) = serde_json::from_str::<Value>(&output) else {
            return Done::Failed(output);
        };
        let tags = document["Tags"].as_array().into_iter().flatten();
        let lines: Vec<&str> = tags.filter_map(Value::as_str).collect();
        Done::Well(lines.join("\n"))
    }

    async fn referrers(&self, _: &str, _: &Digest) -> Done {
        Done::Unable
    }

    async fn login(&self, registry: &str) -> Done {
        let (user, password) = self.login.clone().unwrap_or_default();
        let _ = fs::remove_file(self.sandbox.auth_file()); // what is written there is what the login gave
        let arguments = ["login", "--username", &user, "--password", &password, registry];
        done(self.tool.run_async(&arguments).await)
    }
}
