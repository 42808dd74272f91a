//! The registry: in the clear, or over TLS with tokens for a user, by itself or behind nginx.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use wharf_testkit::{DockerRegistry, Grant, TestCa, TokenServer};

use crate::nginx::{Nginx, SCARCE};

/// How programs speak with the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Plain HTTP without users.
    Plain,
    /// TLS, HTTP/2 for those who speak it, and a token server that knows the one user.
    Tls,
    /// HTTP/2 or HTTP/1.1 over TLS with nginx, before a registry that speaks plain HTTP.
    Nginx,
    /// As [`Self::Nginx`], with at most 4 streams and 20 requests per connection.
    ScarceNginx,
}

impl Wire {
    /// True if nginx is needed.
    pub fn is_proxied(self) -> bool {
        matches!(self, Self::Nginx | Self::ScarceNginx)
    }
}

/// A running registry, and nginx before it.
#[derive(Debug)]
pub struct Server {
    // Dropped first, so that it passes nothing on to a registry that is gone.
    nginx: Option<Nginx>,
    registry: DockerRegistry,
}

impl Server {
    /// Where programs connect to.
    pub fn address(&self) -> SocketAddr {
        self.nginx
            .as_ref()
            .map_or_else(|| self.registry.address(), Nginx::address)
    }

    /// Host and port as they stand in an image's name.
    pub fn name(&self) -> String {
        self.address().to_string()
    }

    /// The folder of the registry's files.
    pub fn store(&self) -> PathBuf {
        self.registry.store()
    }
}

/// The user of the token server.
pub const USER: &str = "compare";
/// The password of that user.
pub const PASSWORD: &str = "loopback-only";
/// The user and the password as files of credentials have them.
pub const LOGIN: &str = "Y29tcGFyZTpsb29wYmFjay1vbmx5";

/// Starts registries.
#[derive(Debug)]
pub struct Servers {
    program: PathBuf,
    nginx: Option<PathBuf>,
    authority: TestCa,
    tokens: TokenServer,
}

impl Servers {
    /// Registries of this program, nginx before some of them, and their token server.
    pub fn new(program: &Path, nginx: Option<PathBuf>) -> Self {
        let authority = TestCa::new();
        // crane takes no tokens from a loopback address, but from a name.
        let tokens = TokenServer::builder()
            .host("localhost")
            .user(USER, PASSWORD, &[Grant::new("*", "*")])
            .tls(authority.issue(&["127.0.0.1", "localhost"]))
            .start();
        Self {
            program: program.to_owned(),
            nginx,
            authority,
            tokens,
        }
    }

    /// The certificate of the authority, in PEM.
    pub fn authority(&self) -> &str {
        self.authority.pem()
    }

    /// Where nginx is, if it is installed.
    pub fn nginx(&self) -> Option<&Path> {
        self.nginx.as_deref()
    }

    /// True if there is what this needs.
    pub fn has(&self, wire: Wire) -> bool {
        !wire.is_proxied() || self.nginx.is_some()
    }

    /// An empty registry on a port of its own.
    pub fn start(&self, wire: Wire) -> anyhow::Result<Server> {
        let builder = DockerRegistry::builder().program(&self.program);
        let builder = match wire {
            Wire::Plain => builder,
            Wire::Tls => builder.tls(&self.authority).token_server(&self.tokens),
            Wire::Nginx | Wire::ScarceNginx => builder.token_server(&self.tokens),
        };
        let registry = builder.start();
        let limits = match wire {
            Wire::Plain | Wire::Tls => {
                return Ok(Server {
                    nginx: None,
                    registry,
                });
            }
            Wire::Nginx => "",
            Wire::ScarceNginx => SCARCE,
        };
        let program = self.nginx.as_deref().context("nginx is not installed")?;
        let certificate = self.authority.issue(&["127.0.0.1", "localhost"]);
        let nginx = Nginx::start(program, registry.address(), &certificate, limits)?;
        Ok(Server {
            nginx: Some(nginx),
            registry,
        })
    }
}
