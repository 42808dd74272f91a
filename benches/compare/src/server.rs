//! The registry: in the clear, or over TLS with tokens for a user.

use std::path::{Path, PathBuf};

use wharf_testkit::{DockerRegistry, Grant, TestCa, TokenServer};

/// How programs speak with the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Plain HTTP without users.
    Plain,
    /// TLS, HTTP/2 for those who speak it, and a token server that knows the one user.
    Tls,
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
    authority: TestCa,
    tokens: TokenServer,
}

impl Servers {
    /// Registries of this program, and their token server.
    pub fn new(program: &Path) -> Self {
        let authority = TestCa::new();
        // crane takes no tokens from a loopback address, but from a name.
        let tokens = TokenServer::builder()
            .host("localhost")
            .user(USER, PASSWORD, &[Grant::new("*", "*")])
            .tls(authority.issue(&["127.0.0.1", "localhost"]))
            .start();
        Self {
            program: program.to_owned(),
            authority,
            tokens,
        }
    }

    /// The certificate of the authority, in PEM.
    pub fn authority(&self) -> &str {
        self.authority.pem()
    }

    /// An empty registry on a port of its own.
    pub fn start(&self, wire: Wire) -> DockerRegistry {
        let builder = DockerRegistry::builder().program(&self.program);
        let builder = match wire {
            Wire::Plain => builder,
            Wire::Tls => builder.tls(&self.authority).token_server(&self.tokens),
        };
        builder.start()
    }
}
