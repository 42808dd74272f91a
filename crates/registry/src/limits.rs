use std::time::Duration;

/// The limits of what a registry accepts. The defaults suit a registry that strangers can reach.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Limits {
    /// The largest manifest, in bytes; larger ones are answered 413. Default 4 MiB, the least that a registry
    /// must accept (distribution-spec, *Pushing Manifests*).
    pub manifest: u64,
    /// The largest blob, in bytes; larger ones are answered 413. Default none.
    pub blob: Option<u64>,
    /// Open upload sessions of one repository. At the limit, a new session displaces one of the client that
    /// has most. Default 1,000.
    pub uploads: usize,
    /// Open upload sessions of one user, in all repositories. At the limit, a new session displaces one that
    /// has not been used for a minute. Default 1,000.
    pub user_uploads: usize,
    /// The most entries of one page of tags, repositories or referrers; a larger `n` is reduced to this.
    /// Default 1,000.
    pub page: usize,
    /// Tags that one push by digest may set (`?tag=`); more are answered 414. Default 32.
    pub tags: usize,
    /// The time that a request body may pause, and that a client may take no bytes of its answer. Default 30
    /// s.
    pub idle: Duration,
    /// The time after which an upload session without a request is dropped. Default 24 hours.
    pub upload_expiry: Duration,
    /// Connections at a time; less if the process may open too few files, of which each connection may need
    /// two. At the limit, a new connection displaces one without a request, else one of the client that has
    /// most, or waits. Default 4,096.
    pub connections: usize,
    /// Bytes of all content of one repository, manifests and unfinished uploads included; more are answered
    /// 413. Default none.
    pub repository: Option<u64>,
    /// Bytes of all content of one user, in all repositories; more are answered 413. Content counts for the
    /// user who pushed or mounted it last, in every repository that has it. Clients without credentials have
    /// no such limit. Default none.
    pub user: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            manifest: 4 * 1024 * 1024,
            blob: None,
            uploads: 1000,
            user_uploads: 1000,
            page: 1000,
            tags: 32,
            idle: Duration::from_secs(30),
            upload_expiry: Duration::from_secs(24 * 60 * 60),
            connections: 4096,
            repository: None,
            user: None,
        }
    }
}

impl Limits {
    /// Sets [`Limits::manifest`].
    #[must_use]
    pub const fn with_manifest(mut self, bytes: u64) -> Self {
        self.manifest = bytes;
        self
    }

    /// Sets [`Limits::blob`].
    #[must_use]
    pub const fn with_blob(mut self, bytes: u64) -> Self {
        self.blob = Some(bytes);
        self
    }

    /// Sets [`Limits::uploads`].
    #[must_use]
    pub const fn with_uploads(mut self, sessions: usize) -> Self {
        self.uploads = sessions;
        self
    }

    /// Sets [`Limits::user_uploads`].
    #[must_use]
    pub const fn with_user_uploads(mut self, sessions: usize) -> Self {
        self.user_uploads = sessions;
        self
    }

    /// Sets [`Limits::page`].
    #[must_use]
    pub const fn with_page(mut self, entries: usize) -> Self {
        self.page = entries;
        self
    }

    /// Sets [`Limits::tags`].
    #[must_use]
    pub const fn with_tags(mut self, tags: usize) -> Self {
        self.tags = tags;
        self
    }

    /// Sets [`Limits::idle`].
    #[must_use]
    pub const fn with_idle(mut self, pause: Duration) -> Self {
        self.idle = pause;
        self
    }

    /// Sets [`Limits::upload_expiry`].
    #[must_use]
    pub const fn with_upload_expiry(mut self, idle: Duration) -> Self {
        self.upload_expiry = idle;
        self
    }

    /// Sets [`Limits::connections`].
    #[must_use]
    pub const fn with_connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// Sets [`Limits::repository`].
    #[must_use]
    pub const fn with_repository(mut self, bytes: u64) -> Self {
        self.repository = Some(bytes);
        self
    }

    /// Sets [`Limits::user`].
    #[must_use]
    pub const fn with_user(mut self, bytes: u64) -> Self {
        self.user = Some(bytes);
        self
    }
}
