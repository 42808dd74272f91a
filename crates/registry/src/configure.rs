//! How a registry is set up: consuming methods, called before it serves.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;

use crate::{
    Access, Limits, Observer, Registry, Upstream, auth::Issuer, registry::Config, upstream::PullThrough,
};

/// The most bytes of all configured warnings together.
const MAX_WARNINGS: usize = 4096;

impl Registry {
    pub(crate) fn config_mut(&mut self) -> &mut Config {
        Arc::make_mut(&mut self.config)
    }

    /// Requires credentials, and admits this user. May be called for several users.
    #[must_use]
    pub fn with_basic(mut self, user: &str, password: &str) -> Self {
        self.config_mut().authentication.users.insert(user, password);
        self
    }

    /// Requires credentials, and admits these users.
    #[cfg(feature = "htpasswd")]
    #[must_use]
    pub fn with_htpasswd(mut self, users: &crate::Htpasswd) -> Self {
        self.config_mut().authentication.users.htpasswd = Some(users.clone());
        self
    }

    /// Has clients exchange their credentials for a token at the registry's own `/token`, valid for five
    /// minutes. Without users, everybody gets one.
    ///
    /// Clients are sent to the [external URL](Registry::with_external_url); a served registry knows it.
    ///
    /// A token allows what it was asked for, `repository:<path>:<actions>`, as far as its user may do that. The
    /// challenge to a mount names the repository to mount from, too, or the scope `registry:blobs:mount` if the
    /// client leaves it to the registry where the blob is: with it, what the user may pull can be mounted.
    #[must_use]
    pub fn with_tokens(self) -> Self {
        self.with_token_lifetime(Duration::from_secs(5 * 60))
    }

    /// As [`Registry::with_tokens`], with tokens that are valid for `lifetime`.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        let issuer = Issuer::new("registry", lifetime);
        self.config_mut().authentication.issuer = Some(Arc::new(issuer));
        self
    }

    /// Accepts tokens that another party signs, instead of issuing its own.
    ///
    /// Clients are sent to `realm`; a token must come from `issuer` (`iss`) and be for `service` (`aud`), and
    /// list the repositories and actions it allows in `access`, as Docker's token specification has it.
    #[cfg(feature = "jwt")]
    #[must_use]
    pub fn with_token_keys(
        mut self,
        realm: &str,
        issuer: &str,
        service: &str,
        keys: &crate::TokenKeys,
    ) -> Self {
        let verifier = crate::auth::Verifier {
            realm: realm.to_owned(),
            issuer: issuer.to_owned(),
            service: service.to_owned(),
            keys: keys.clone(),
        };
        self.config_mut().authentication.verifier = Some(Arc::new(verifier));
        self
    }

    /// Sets whether clients without credentials are let in. They may pull, or what [`Registry::with_access`] says. `/v2/` still
    /// asks for a login, from which clients learn that there are some.
    #[must_use]
    pub fn with_anonymous(mut self, anonymous: bool) -> Self {
        self.config_mut().authentication.anonymous = anonymous;
        self
    }

    /// Asks `access` what users may do. Without it, whoever has credentials may do everything.
    #[must_use]
    pub fn with_access(mut self, access: impl Access + 'static) -> Self {
        self.config_mut().authentication.access = Some(Arc::new(access));
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.config_mut().limits = limits;
        self
    }

    /// Where clients find this registry: scheme, host and port, such as `https://registry.example.com`. It
    /// is used in `Location`, which is relative without it, and in challenges, which without it say where the
    /// registry listens. The `Host` of a request is never trusted for that.
    #[must_use]
    pub fn with_external_url(mut self, url: &str) -> Self {
        self.config_mut().external = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Whether tags, manifests and blobs can be deleted; they can by default. If not, the answer is 405.
    #[must_use]
    pub fn with_delete(mut self, delete: bool) -> Self {
        self.config_mut().delete = delete;
        self
    }

    /// Whether a manifest may name layers, and an index manifests, that are not here; by default they may not.
    #[must_use]
    pub fn with_sparse(mut self, sparse: bool) -> Self {
        self.config_mut().sparse = sparse;
        self
    }

    /// Whether pushes and deletes are answered 405.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.config_mut().read_only = read_only;
        self
    }

    /// Tells `observer` what happens.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        let observer: Arc<dyn Observer> = Arc::new(observer);
        self.state.observe(Arc::clone(&observer));
        self.config_mut().observer = Some(observer);
        self
    }

    /// Makes the registry a cache: what it does not have, it gets from `upstream`. It is read-only then.
    #[must_use]
    pub fn with_upstream(mut self, upstream: impl Upstream + 'static) -> Self {
        self.config_mut().through = Some(Arc::new(PullThrough::new(upstream)));
        self.with_read_only(true)
    }

    /// Tells every client something, in a `Warning` header (distribution-spec, *Warnings*). Characters that a
    /// header cannot have become `?`. What would make the warnings longer than 4,096 bytes is left out.
    #[must_use]
    pub fn with_warning(mut self, text: &str) -> Self {
        let escaped = text.chars().fold(String::new(), |mut escaped, character| {
            match character {
                '"' | '\\' => escaped.extend(['\\', character]),
                ' '..='~' => escaped.push(character),
                _ => escaped.push('?'),
            }
            escaped
        });
        let config = self.config_mut();
        let before = config.warnings.iter().map(HeaderValue::len).sum::<usize>();
        if let Ok(value) = HeaderValue::try_from(format!("299 - \"{escaped}\""))
            && before + value.len() <= MAX_WARNINGS
        {
            config.warnings.push(value);
        }
        self
    }
}
