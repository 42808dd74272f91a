//! Webhooks that are told of what changes.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, anyhow};
use clap::{Args, ValueEnum};
use wharf_http::ReqwestConnector;
use wharf_registry::{EventFormat, EventOptions, Registry};
use wharf_registry_webhook::Webhook;

#[derive(Args)]
#[command(next_help_heading = "Events")]
pub(crate) struct Notify {
    /// Tell this URL of every push, mount and delete, in the order of each repository, until it answers 2xx; 410 ends it.
    /// May be given several times. Events that were not accepted are lost when this program is killed, unless --database keeps them.
    #[arg(long = "notify", value_name = "URL")]
    urls: Vec<String>,
    /// The shape of events.
    #[arg(long = "notify-format", value_enum, default_value_t = Shape::Distribution)]
    shape: Shape,
    /// Sign events with the key in this file, less white space at its ends: HMAC-SHA256 in X-Wharf-Signature-256.
    #[arg(long = "notify-key", value_name = "FILE", requires = "urls")]
    key: Option<PathBuf>,
    /// Send the headers in this file too, a line of `Name: value` for each.
    #[arg(long = "notify-headers", value_name = "FILE", requires = "urls")]
    headers: Option<PathBuf>,
    /// Tell of pulls too, as far as the URL keeps up.
    #[arg(long = "notify-pulls", requires = "urls")]
    pulls: bool,
    /// Accept http URLs: whoever is on the way reads and changes what is sent.
    #[arg(long = "notify-plain-http", requires = "urls")]
    plain_http: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    /// As docker-registry sends them.
    Distribution,
    /// As the CNCF specifies cloud events, in version 1.0.
    Cloudevents,
}

impl Notify {
    /// The registry with its subscribers.
    pub(crate) async fn subscribe(&self, registry: Registry) -> anyhow::Result<Registry> {
        let mut registry = registry.with_event_options(EventOptions::default().with_pulls(self.pulls));
        let key = self.key.as_ref().map(read).transpose()?;
        let headers = self.headers.as_ref().map(read).transpose()?.unwrap_or_default();
        let connector = ReqwestConnector::new();
        for url in &self.urls {
            let mut builder = Webhook::builder(url).with_format(match self.shape {
                Shape::Distribution => EventFormat::Distribution,
                Shape::Cloudevents => EventFormat::CloudEvents,
            });
            for line in headers.lines().filter(|line| !line.trim().is_empty()) {
                let (name, value) = line
                    .split_once(':')
                    .context("a line of the file of --notify-headers is not `Name: value`")?;
                builder = builder.with_header(name.trim(), value.trim());
            }
            if let Some(key) = &key {
                builder = builder.with_key(key.trim());
            }
            if self.plain_http {
                builder = builder.dangerous_plain_http();
            }
            let webhook = builder.build(&connector);
            let webhook = match webhook {
                Err(error) if url.starts_with("http://") && !self.plain_http => {
                    return Err(anyhow!("{error}; --notify-plain-http accepts it"));
                }
                built => built.context("--notify")?,
            };
            let name = webhook.name();
            registry = registry.with_subscriber(&name, webhook).await?;
        }
        Ok(registry)
    }
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
