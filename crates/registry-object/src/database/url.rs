//! Where a database is, and how its connections are protected.

use std::{fmt, path::PathBuf, str::FromStr as _};

use tokio_postgres::{
    Config,
    config::{Host, SslMode, TargetSessionAttrs},
};
use wharf_content::{Error, ErrorKind};

use super::tls::Verification;

/// The time to make a TCP connection, unless the URL has a `connect_timeout`.
const CONNECT: std::time::Duration = std::time::Duration::from_secs(10);

/// The idle time after which a connection is looked at, unless the URL has `keepalives_idle`: networks forget connections
/// that are idle for some minutes, and what is sent on a forgotten one is never answered.
const KEEPALIVE: std::time::Duration = std::time::Duration::from_secs(60);

/// The URL of a PostgreSQL database, such as `postgres://user:password@host:5432/name?sslmode=verify-full&sslrootcert=system`.
///
/// It is read as libpq reads it: several hosts are tried in order, a host that begins with `/` (written `%2F`) is the directory of a
/// socket, and the parameters are `user`, `password`, `dbname`, `host`, `hostaddr`, `port`, `options`,
/// `application_name`, `connect_timeout`, `tcp_user_timeout`, `keepalives` and its relatives, `channel_binding` and
/// `load_balance_hosts`, of libpq's meaning; `keepalives_idle` is 60 s by default. Of several hosts the first that accepts writes is used.
///
/// | `sslmode` | connection |
/// |---|---|
/// | `disable` | without TLS |
/// | `prefer`, the default | with TLS if the server offers it; no certificate is verified |
/// | `require` | with TLS; no certificate is verified, unless there is an `sslrootcert` |
/// | `verify-ca` | with TLS; the certificate is of an authority of the file `sslrootcert` |
/// | `verify-full` | also, the certificate names the host |
///
/// `sslrootcert=system` stands for the authorities of the operating system, and demands `verify-full`, which is the
/// default then. A socket is used without TLS.
///
/// `Debug` and `Display` show no password.
///
/// ```
/// use wharf_registry_object::DatabaseUrl;
///
/// let url = DatabaseUrl::parse("postgres://wharf:secret@db.example.com/registry?sslmode=require")?;
/// assert_eq!(url.to_string(), "postgres://wharf@db.example.com:5432/registry");
/// # Ok::<(), wharf_content::Error>(())
/// ```
///
/// # Deviation
///
/// The environment (`PGHOST`, `PGPASSWORD`, ...), `~/.pgpass`, service files, `~/.postgresql/root.crt`, client
/// certificates and `sslmode=allow` are not supported; a parameter that is not supported is refused.
#[derive(Clone)]
pub struct DatabaseUrl {
    pub(super) config: Config,
    pub(super) verification: Verification,
}

impl DatabaseUrl {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Invalid`], naming the part that cannot be read; the URL itself is never in the error.
    pub fn parse(url: &str) -> Result<Self, Error> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(invalid("it does not begin with postgres:// or postgresql://"));
        }
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut mode, mut root, mut rest) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root = Some(decoded(value)?),
                // Decided below, for all hosts.
                Some(("target_session_attrs", "read-write")) => {}
                Some(("target_session_attrs", _)) => {
                    return Err(invalid(
                        "records are written: target_session_attrs can only be read-write",
                    ));
                }
                _ => rest.push(parameter),
            }
        }
        let mut text = address.to_owned();
        if !rest.is_empty() {
            text.push('?');
            text.push_str(&rest.join("&"));
        }
        let mut config = Config::from_str(&text).map_err(|error| invalid(&reason(&error)))?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(invalid("it names no host"));
        }
        if config.get_user().is_none() {
            return Err(invalid("it names no user"));
        }
        let (mode, verification) = protection(mode, root)?;
        let is_socket = config
            .get_hosts()
            .iter()
            .all(|host| !matches!(host, Host::Tcp(_)));
        config.ssl_mode(if is_socket && config.get_hostaddrs().is_empty() {
            SslMode::Disable
        } else {
            mode
        });
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if !rest
            .iter()
            .any(|parameter| parameter.starts_with("keepalives_idle="))
        {
            config.keepalives_idle(KEEPALIVE);
        }
        if config.get_application_name().is_none() {
            config.application_name("wharf-registry");
        }
        Ok(Self { config, verification })
    }
}

/// The mode that the client library knows, and what is verified.
fn protection(mode: Option<&str>, root: Option<String>) -> Result<(SslMode, Verification), Error> {
    let is_system = root.as_deref() == Some("system");
    let file = root.map(PathBuf::from);
    match (mode, file) {
        (Some("verify-full") | None, Some(_)) if is_system => {
            Ok((SslMode::Require, Verification::SystemAndName))
        }
        (_, Some(_)) if is_system => Err(invalid("sslrootcert=system needs sslmode=verify-full")),
        (Some("disable"), _) => Ok((SslMode::Disable, Verification::None)),
        (Some("prefer") | None, _) => Ok((SslMode::Prefer, Verification::None)),
        (Some("require"), None) => Ok((SslMode::Require, Verification::None)),
        (Some("require" | "verify-ca"), Some(file)) => Ok((SslMode::Require, Verification::Authority(file))),
        (Some("verify-full"), Some(file)) => Ok((SslMode::Require, Verification::AuthorityAndName(file))),
        (Some("verify-ca" | "verify-full"), None) => Err(invalid(
            "sslmode=verify-ca and verify-full need an sslrootcert: a file, or system",
        )),
        (Some("allow"), _) => Err(invalid("sslmode=allow is not supported: use prefer or disable")),
        (Some(_), _) => Err(invalid(
            "sslmode is none of disable, prefer, require, verify-ca, verify-full",
        )),
    }
}

/// The text that a parameter's value encodes by percent signs.
fn decoded(value: &str) -> Result<String, Error> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        let decoded = if byte == b'%' {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            let digits = (digit(rest.next()), digit(rest.next()));
            let (Some(high), Some(low)) = digits else {
                return Err(invalid(
                    "a percent sign is not followed by two hexadecimal digits",
                ));
            };
            u8::try_from(high * 16 + low).unwrap_or(b'?')
        } else {
            byte
        };
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| invalid("a parameter is not UTF-8"))
}

/// The reason that the client library gives: the names of parameters and never their values.
fn reason(error: &tokio_postgres::Error) -> String {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    cause.unwrap_or_else(|| "it cannot be read".to_owned())
}

fn invalid(reason: &str) -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("the database's URL cannot be used: {reason}"),
    )
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.config.get_user().unwrap_or_default();
        write!(f, "postgres://{user}@")?;
        let ports = self.config.get_ports();
        for (index, host) in self.config.get_hosts().iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            match host {
                Host::Tcp(name) => f.write_str(name)?,
                #[cfg(unix)]
                Host::Unix(path) => f.write_str(&path.display().to_string().replace('/', "%2F"))?,
            }
            let port = ports.get(index).or_else(|| ports.first());
            write!(f, ":{}", port.copied().unwrap_or(5432))?;
        }
        for address in self
            .config
            .get_hostaddrs()
            .iter()
            .filter(|_| self.config.get_hosts().is_empty())
        {
            write!(f, "{address}")?;
        }
        write!(f, "/{}", self.config.get_dbname().unwrap_or(user))
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DatabaseUrl")
            .field("url", &self.to_string())
            .field("verification", &self.verification)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_connection_is_looked_at_before_a_network_forgets_it() {
        for (parameters, seconds) in [("", 60), ("?keepalives_idle=300", 300), ("?sslmode=disable", 60)] {
            let url = DatabaseUrl::parse(&format!("postgres://ada@db/registry{parameters}")).unwrap();
            assert_eq!(
                url.config.get_keepalives_idle().as_secs(),
                seconds,
                "{parameters}"
            );
        }
    }

    #[test]
    fn a_url_says_how_a_connection_is_protected() {
        use SslMode::{Disable, Prefer, Require};
        use Verification::{Authority, AuthorityAndName, None as Nothing, SystemAndName};
        let file = || PathBuf::from("/etc/db ca.pem");
        for (parameters, mode, verification) in [
            ("", Prefer, Nothing),
            ("?sslmode=disable", Disable, Nothing),
            ("?sslmode=prefer", Prefer, Nothing),
            ("?sslmode=require", Require, Nothing),
            (
                "?sslmode=require&sslrootcert=/etc/db%20ca.pem",
                Require,
                Authority(file()),
            ),
            (
                "?sslmode=verify-ca&sslrootcert=/etc/db%20ca.pem",
                Require,
                Authority(file()),
            ),
            (
                "?connect_timeout=3&sslrootcert=/etc/db%20ca.pem&sslmode=verify-full",
                Require,
                AuthorityAndName(file()),
            ),
            ("?sslrootcert=system", Require, SystemAndName),
            ("?sslmode=verify-full&sslrootcert=system&", Require, SystemAndName),
        ] {
            let url = DatabaseUrl::parse(&format!(
                "postgres://ada:secret@db.example.com/records{parameters}"
            ));
            let url = url.expect(parameters);
            assert_eq!(url.config.get_ssl_mode(), mode, "{parameters}");
            assert_eq!(url.verification, verification, "{parameters}");
            assert_eq!(
                url.config.get_target_session_attrs(),
                TargetSessionAttrs::ReadWrite
            );
        }
        for socket in [
            "postgres://ada@%2Frun%2Fpg/x?sslmode=require",
            "postgres:///x?user=ada&host=/run/pg",
        ] {
            let url = DatabaseUrl::parse(socket).expect(socket);
            assert_eq!(url.config.get_ssl_mode(), Disable, "{socket}");
        }
    }

    #[test]
    fn a_url_that_cannot_be_used_is_refused_without_being_repeated() {
        for (url, reason) in [
            ("mysql://ada:secret@db/x", "does not begin with"),
            ("host=db user=ada password=secret", "does not begin with"),
            ("", "does not begin with"),
            ("postgres://ada:secret@db:secret/x", "port"),
            ("postgres://ada:secret@db:99999/x", "port"),
            ("postgres://ada:secret@/x", "no host"),
            ("postgres://db/x?password=secret", "no user"),
            ("postgres://ada:secret@db/x?sslmode=allow", "sslmode=allow"),
            ("postgres://ada:secret@db/x?sslmode=secret", "none of"),
            (
                "postgres://ada:secret@db/x?sslmode=verify-full",
                "need an sslrootcert",
            ),
            (
                "postgres://ada:secret@db/x?sslmode=verify-ca",
                "need an sslrootcert",
            ),
            (
                "postgres://ada:secret@db/x?sslmode=require&sslrootcert=system",
                "verify-full",
            ),
            ("postgres://ada:secret@db/x?sslrootcert=%zz", "percent"),
            ("postgres://ada:secret@db/x?sslrootcert=%ff", "UTF-8"),
            ("postgres://ada:secret@db/x?sslcert=secret", "sslcert"),
            ("postgres://ada:secret@db/x?passwort=secret", "passwort"),
            (
                "postgres://ada:secret@db/x?connect_timeout=secret",
                "connect_timeout",
            ),
            (
                "postgres://ada:secret@db/x?target_session_attrs=any",
                "read-write",
            ),
            ("postgres://ada%ff:secret@db/x", ""),
        ] {
            let error = DatabaseUrl::parse(url).expect_err(url);
            assert_eq!(error.kind(), ErrorKind::Invalid, "{url}");
            let told = format!("{error} {error:?} {error:#?}");
            assert!(told.contains(reason), "{url}: {told}");
            assert!(!told.contains("secret"), "{url}: {told}");
        }
    }

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("postgres://ada:secret@db/x", "postgres://ada@db:5432/x"),
            (
                "postgresql://ada@a:1,b:2/x?password=secret",
                "postgres://ada@a:1,b:2/x",
            ),
            (
                "postgres://ada:secret@%2Frun%2Fpg:5433",
                "postgres://ada@%2Frun%2Fpg:5433/ada",
            ),
            ("postgres://ada:secret@[::1]:7/x", "postgres://ada@::1:7/x"),
        ] {
            let url = DatabaseUrl::parse(url).expect(url);
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?} {url:#?}").contains("secret"), "{url:?}");
        }
    }
}
