//! Clients that are led to the object store.

use std::time::Duration;

use clap::Args;
use wharf_registry::{Redirects, Registry};

#[derive(Args)]
#[command(next_help_heading = "Several processes")]
pub(crate) struct Redirecting {
    /// Answer GET of a blob with a signed URL of the store, which clients must be able to reach: whoever has the URL
    /// has the blob until it expires. Not with a store that is a directory.
    #[arg(id = "redirect", long = "redirect", requires = "store")]
    is_on: bool,
    /// How long such a URL is valid, in seconds.
    #[arg(
        long = "redirect-lifetime",
        value_name = "SECONDS",
        default_value_t = 300,
        value_parser = clap::value_parser!(u64).range(1..=604_800),
        requires = "redirect"
    )]
    lifetime: u64,
    /// Bytes of the smallest blob that is answered so; a smaller one is sent at once.
    #[arg(
        long = "redirect-min-size",
        value_name = "BYTES",
        default_value_t = 65536,
        requires = "redirect"
    )]
    least: u64,
}

impl Redirecting {
    pub(crate) const fn is_on(&self) -> bool {
        self.is_on
    }

    /// The registry, with redirects if they are wanted.
    pub(crate) fn apply(&self, registry: Registry) -> Registry {
        if !self.is_on {
            return registry;
        }
        let redirects = Redirects::new()
            .with_lifetime(Duration::from_secs(self.lifetime))
            .with_least_size(self.least);
        registry.with_redirects(redirects)
    }
}
