use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use wharf_auth::{Credential, Fixed};
use wharf_content::{Name, Target};
use wharf_copy::{Options, copy};
use wharf_distribution::{Client, Remote};
use wharf_http::{RetryPolicy, Roots, Timeouts, TlsSettings};
use wharf_reference::{Digest, Reference, Registry, Repository};
use wharf_store::Layout;
use wharf_testkit::hostile::{Done, Driver, Stage};

/// The client of this workspace, as it comes, but for waits that fit into a test.
pub(crate) struct Ours {
    client: Client,
}

impl Ours {
    pub(crate) fn new(stage: &Stage, registry: &str, password: &str) -> Self {
        let pem = stage.ca().pem().to_owned();
        let tls = move |_: &Registry| {
            let settings = TlsSettings::default().with_roots(Roots::AddedOnly);
            Ok(settings.with_root_pem(pem.clone()))
        };
        let login = Fixed::new(
            Registry::parse(registry).unwrap(),
            Credential::basic("alice", password),
        );
        let moment = Duration::from_secs(1);
        let timeouts = Timeouts::default()
            .with_connect(moment)
            .with_head(moment)
            .with_idle(moment);
        let builder = Client::builder()
            .with_certificates(Arc::new(tls))
            .with_credentials(Arc::new(login))
            .with_timeouts(timeouts)
            .with_retry(RetryPolicy::default().with_initial_backoff(Duration::from_millis(50)));
        Self {
            client: builder.build().unwrap(),
        }
    }

    fn remote(&self, image: &str) -> (Arc<Remote>, Target) {
        let reference = Reference::parse(image).unwrap();
        let remote = self.client.remote(&reference.repository());
        (Arc::new(remote), Target::of(&reference))
    }
}

fn done<T, E: std::fmt::Display>(result: Result<T, E>, output: impl FnOnce(T) -> String) -> Done {
    match result {
        Ok(value) => Done::Well(output(value)),
        Err(error) => Done::Failed(error.to_string()),
    }
}

#[async_trait]
impl Driver for Ours {
    async fn pull(&self, image: &str, into: &Path) -> Done {
        let (remote, target) = self.remote(image);
        let layout = match Layout::create(into).await {
            Ok(layout) => Arc::new(layout),
            Err(error) => return Done::Failed(error.to_string()),
        };
        let options = Options::default().with_name(Name::parse("pulled").unwrap());
        done(copy(remote, layout, &target, options).await, |_| String::new())
    }

    async fn push(&self, layout: &Path, tag: &str, image: &str) -> Done {
        let (remote, _) = self.remote(image);
        let layout = match Layout::open(layout).await {
            Ok(layout) => Arc::new(layout),
            Err(error) => return Done::Failed(error.to_string()),
        };
        let name = Name::parse(tag).unwrap();
        let options = Options::default().with_name(name.clone());
        done(copy(layout, remote, &name.into(), options).await, |_| {
            String::new()
        })
    }

    async fn list(&self, repository: &str) -> Done {
        let remote = self.client.remote(&Repository::parse(repository).unwrap());
        done(remote.tags().collect().await, |tags| {
            tags.iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        })
    }

    async fn referrers(&self, repository: &str, subject: &Digest) -> Done {
        let remote = self.client.remote(&Repository::parse(repository).unwrap());
        let entries = match remote.referrers(subject, None).await {
            Ok(entries) => entries,
            Err(error) => return Done::Failed(error.to_string()),
        };
        let mut real = Vec::new();
        for entry in &entries {
            if remote.referrer(entry, subject).await.is_ok() {
                real.push(entry.digest().to_string());
            }
        }
        Done::Well(real.join("\n"))
    }

    async fn login(&self, registry: &str) -> Done {
        let registry = Registry::parse(registry).unwrap();
        done(self.client.check_credentials(&registry).await, |()| String::new())
    }
}
