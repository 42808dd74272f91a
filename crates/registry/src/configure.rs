//! The settings of a registry: consuming methods, called before it serves.

use std::{sync::Arc, time::Duration};

use http::HeaderValue;

use crate::{
    Access, Limits, Observer, Redirects, Registry, Upstream, auth::Issuer, registry::Config,
    upstream::PullThrough,
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

    /// Makes clients exchange their credentials for a token at the registry's own `/token`; tokens are valid
    /// for five minutes. Without users, every client gets a token. Registries over one storage that has a
    /// [`TokenSecret`](crate::TokenSecret) accept each other's tokens; their clocks must agree to within seconds.
    ///
    /// The challenge leads clients to the [external URL](Registry::with_external_url); a served registry
    /// without one names the address at which it listens.
    ///
    /// A token carries the requested scopes, `repository:<path>:<actions>`, as far as its user has these
    /// rights. The challenge to a mount also names the repository to mount from, or the scope
    /// `registry:blobs:mount` if the client names none: with that scope, blobs of all repositories that the
    /// user may pull from can be mounted.
    #[must_use]
    pub fn with_tokens(self) -> Self {
        self.with_token_lifetime(Duration::from_secs(5 * 60))
    }

    /// As [`Registry::with_tokens`], with tokens that are valid for `lifetime`.
    #[must_use]
    pub fn with_token_lifetime(mut self, lifetime: Duration) -> Self {
        let issuer = Issuer::new("registry", lifetime, Arc::clone(&self.state.backend));
        self.config_mut().authentication.issuer = Some(Arc::new(issuer));
        self
    }

    /// Accepts tokens that another party signs, instead of issuing its own.
    ///
    /// Clients get tokens at `realm`. A token must have `issuer` as `iss` and `service` as `aud`, and list
    /// repositories and actions in `access` (Docker's token specification).
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

    /// Sets whether clients without credentials are admitted. They may pull, or do what
    /// [`Registry::with_access`] allows. `/v2/` still asks for a login: some clients only learn there that
    /// logins exist.
    #[must_use]
    pub fn with_anonymous(mut self, anonymous: bool) -> Self {
        self.config_mut().authentication.anonymous = anonymous;
        self
    }

    /// Sets who decides what users may do. Default: clients with credentials may do everything.
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

    /// Sets where clients find this registry: scheme, host and port, such as `https://registry.example.com`.
    /// Default: `Location` is relative, and challenges name the address at which the registry listens. The
    /// `Host` header of a request is never used.
    #[must_use]
    pub fn with_external_url(mut self, url: &str) -> Self {
        self.config_mut().external = Some(url.trim_end_matches('/').to_owned());
        self
    }

    /// Sets whether tags, manifests and blobs can be deleted. Default: `true`. If not, DELETE is answered
    /// 405.
    #[must_use]
    pub fn with_delete(mut self, delete: bool) -> Self {
        self.config_mut().delete = delete;
        self
    }

    /// Sets whether a manifest may name layers, and an index manifests, that are not in the repository.
    /// Default: `false`.
    #[must_use]
    pub fn with_sparse(mut self, sparse: bool) -> Self {
        self.config_mut().sparse = sparse;
        self
    }

    /// Sets whether pushes and deletes are answered 405. Default: `false`.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.config_mut().read_only = read_only;
        self
    }

    /// Sets the observer of requests and of the storage.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + 'static) -> Self {
        let observer: Arc<dyn Observer> = Arc::new(observer);
        self.state.observe(Arc::clone(&observer));
        self.config_mut().observer = Some(observer);
        self
    }

    /// Makes the registry a read-only cache: content that it does not have is fetched from `upstream`.
    #[must_use]
    pub fn with_upstream(mut self, upstream: impl Upstream + 'static) -> Self {
        self.config_mut().through = Some(Arc::new(PullThrough::new(upstream)));
        self.with_read_only(true)
    }

    /// Leads clients that read blobs to the storage, if the backend has URLs for them. Default: no client.
    #[must_use]
    pub fn with_redirects(mut self, redirects: Redirects) -> Self {
        self.config_mut().redirects = Some(redirects);
        self
    }

    /// Adds a `Warning` header to every answer (distribution-spec, *Warnings*). Characters that a header
    /// cannot have become `?`. A warning is left out if all warnings together would exceed 4,096 bytes.
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
