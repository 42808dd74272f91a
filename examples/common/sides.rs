//! Flags for one side of a copy, named as in Skopeo, and what makes the clients that follow them.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use wharf::{ClientBuilder, Credential, Error, ErrorKind, Registry, Secret};

use super::{Connection, UserAndPassword};

/// Defines the flags of one side.
macro_rules! side {
    ($name:ident, $side:literal, $of:literal) => {
        #[derive(Args)]
        pub(crate) struct $name {
            #[arg(id = concat!($side, "_creds"), long = concat!($side, "-creds"), value_name = "USER:PASS",
                  help = concat!("Credentials for ", $of, ", instead of those in a file"),
                  value_parser = UserAndPassword, conflicts_with = "creds")]
            creds: Option<Credential>,
            #[arg(id = concat!($side, "_username"), long = concat!($side, "-username"), value_name = "USER",
                  help = concat!("User name for ", $of), requires = concat!($side, "_password"),
                  conflicts_with_all = ["creds", concat!($side, "_creds")])]
            username: Option<String>,
            #[arg(id = concat!($side, "_password"), long = concat!($side, "-password"), value_name = "PASS",
                  help = concat!("Password for ", $of, "; others on this machine can see it"),
                  requires = concat!($side, "_username"))]
            password: Option<String>,
            #[arg(id = concat!($side, "_registry_token"), long = concat!($side, "-registry-token"),
                  value_name = "TOKEN", help = concat!("Bearer token for ", $of),
                  conflicts_with_all = ["creds", concat!($side, "_creds"), concat!($side, "_username")])]
            registry_token: Option<String>,
            #[arg(id = concat!($side, "_no_creds"), long = concat!($side, "-no-creds"),
                  help = concat!("Use no credentials for ", $of),
                  conflicts_with_all = ["creds", concat!($side, "_creds"), concat!($side, "_username"),
                                        concat!($side, "_registry_token")])]
            no_creds: bool,
            #[arg(id = concat!($side, "_authfile"), long = concat!($side, "-authfile"), value_name = "FILE",
                  help = concat!("Credentials file for ", $of))]
            authfile: Option<PathBuf>,
            #[arg(id = concat!($side, "_cert_dir"), long = concat!($side, "-cert-dir"), value_name = "DIR",
                  help = concat!("Directory of *.crt, *.cert and *.key files for ", $of))]
            cert_dir: Option<PathBuf>,
            #[arg(id = concat!($side, "_tls_verify"), long = concat!($side, "-tls-verify"), value_name = "BOOL",
                  help = concat!("Require https with a valid certificate of ", $of),
                  action = ArgAction::Set, num_args = 0..=1, require_equals = true,
                  default_missing_value = "true", conflicts_with = "tls_verify")]
            tls_verify: Option<bool>,
        }

        impl $name {
            /// True if one of the flags was given.
            fn is_given(&self) -> bool {
                self.creds.is_some()
                    || self.username.is_some()
                    || self.registry_token.is_some()
                    || self.no_creds
                    || self.authfile.is_some()
                    || self.cert_dir.is_some()
                    || self.tls_verify.is_some()
            }

            fn side(&self, registry: Option<Registry>, both: Option<&Credential>) -> Side {
                let login = match (&self.username, &self.password, &self.registry_token) {
                    (Some(username), Some(password), _) => {
                        Some(Credential::basic(username, Secret::from(password.clone())))
                    }
                    (_, _, Some(token)) => Some(Credential::Bearer(Secret::from(token.clone()))),
                    _ => self.creds.as_ref().or(both).cloned(),
                };
                Side {
                    flags: $side,
                    registry,
                    login: match login {
                        Some(credential) => Login::Given(credential),
                        None if self.no_creds => Login::Anonymous,
                        None => Login::Configured,
                    },
                    tls_verify: self.tls_verify,
                    authfile: self.authfile.clone(),
                    cert_dir: self.cert_dir.clone(),
                }
            }
        }
    };
}

side!(SourceSide, "src", "the source");
side!(DestinationSide, "dest", "the destination");

/// The flags for each side.
#[derive(Args)]
pub(crate) struct Sides {
    #[command(flatten)]
    source: SourceSide,
    #[command(flatten)]
    destination: DestinationSide,
}

/// What makes the clients of a copy.
pub(crate) struct Builders {
    pub(crate) source: ClientBuilder,
    /// `None` if the source's client has the settings of the destination, too.
    pub(crate) destination: Option<ClientBuilder>,
}

/// The login of a side.
#[derive(Clone, PartialEq)]
enum Login {
    Configured,
    Given(Credential),
    Anonymous,
}

/// The settings of a side.
struct Side {
    flags: &'static str,
    registry: Option<Registry>,
    login: Login,
    tls_verify: Option<bool>,
    authfile: Option<PathBuf>,
    cert_dir: Option<PathBuf>,
}

impl Side {
    /// True if another side can have the same client.
    fn agrees_with(&self, other: &Self) -> bool {
        let files = |side: &Self| side.authfile.is_some() || side.cert_dir.is_some();
        let settings = |side: &Self| (side.login.clone(), side.tls_verify);
        !files(self)
            && !files(other)
            && (self.registry != other.registry || settings(self) == settings(other))
    }
}

impl Sides {
    /// Builders for the source and the destination, each with the registry that it is in, with what was said of each side,
    /// which does not hold for the other. With `apart`, there are always two.
    pub(crate) fn builders(
        &self,
        connection: &Connection,
        source: Option<Registry>,
        destination: Option<Registry>,
        apart: bool,
    ) -> Result<Builders, Error> {
        let both = connection.creds.as_ref();
        if both.is_some() && source.is_some() && destination.is_some() && source != destination {
            let message = "--creds would go to two registries: use --src-creds and --dest-creds";
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let source = self.source.side(source, both);
        let destination = self.destination.side(destination, both);
        if source.agrees_with(&destination) && !apart {
            return Ok(Builders {
                source: builder(connection, &[&source, &destination])?,
                destination: None,
            });
        }
        Ok(Builders {
            source: builder(connection, &[&source])?,
            destination: Some(builder(connection, &[&destination])?),
        })
    }

    /// True if a flag of the source was given.
    pub(crate) fn has_source_flags(&self) -> bool {
        self.source.is_given()
    }

    /// True if a flag of the destination was given.
    pub(crate) fn has_destination_flags(&self) -> bool {
        self.destination.is_given()
    }
}

fn builder(connection: &Connection, sides: &[&Side]) -> Result<ClientBuilder, Error> {
    let host = &connection.host;
    let files = sides
        .iter()
        .find(|side| side.authfile.is_some() || side.cert_dir.is_some());
    let mut builder = match files {
        Some(side) => host.reader_with(side.flags, side.authfile.as_deref(), side.cert_dir.as_deref())?,
        None => host.reader()?,
    };
    for side in sides {
        let Some(registry) = &side.registry else { continue };
        if let Some(verify) = side.tls_verify {
            builder = builder.with_tls_verify_of(registry.clone(), verify);
        }
        builder = match &side.login {
            Login::Configured => builder,
            Login::Given(credential) => builder.with_credential(registry.clone(), credential.clone()),
            Login::Anonymous => builder.without_credential(registry.clone()),
        };
    }
    Ok(builder)
}
