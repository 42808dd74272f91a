use std::fmt;

use wharf_reference::Registry;

/// A remedy that the user can try after a failure.
///
/// `Display` writes the remedy in one clause, without the names of any program's flags; a program that has
/// flags for the remedy matches on the variant and names the flags itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// The repository may be misspelt.
    CheckName,
    /// The repository or the tag may be misspelt.
    CheckTag,
    /// The registry does not create a repository when an image is pushed.
    CreateRepository {
        /// The registry.
        registry: Registry,
    },
    /// A login is required, and none was sent.
    LogIn {
        /// The registry to log in to.
        registry: Registry,
    },
    /// The content does not exist, or it requires a login; none was sent.
    CheckNameOrLogIn {
        /// The registry to log in to.
        registry: Registry,
    },
    /// There is a login, but it was not sent, because the registry refuses the request without asking for
    /// one.
    LoginNotAsked {
        /// The registry that the login is for.
        registry: Registry,
    },
    /// The user name, password or access token is wrong.
    CheckCredentials {
        /// The registry that refused them.
        registry: Registry,
    },
    /// The login is valid, but has no right to do this.
    CheckPermissions {
        /// The registry that refused it.
        registry: Registry,
    },
    /// The stored login cannot be read. The request was not sent without it, because that would be another
    /// identity.
    RepairCredentials {
        /// The registry that the stored login is for.
        registry: Registry,
    },
    /// The rate limit without a login was reached; that with a login is usually higher.
    LogInForMore {
        /// The registry to log in to.
        registry: Registry,
    },
    /// The registry names a token server that is not known to belong to it.
    TrustTokenServer {
        /// The registry.
        registry: Registry,
    },
    /// Logins are not sent in clear text.
    AllowPlaintextLogin {
        /// The registry that speaks plain http.
        registry: Registry,
    },
    /// The host's name does not resolve.
    CheckHostName,
    /// No server answers on the port.
    CheckPort,
    /// The server seems to speak plain http.
    PlainHttp {
        /// The registry.
        registry: Registry,
    },
    /// The certificate's authority is not trusted.
    AddCertificate {
        /// The registry.
        registry: Registry,
    },
    /// The registry redirects to another host, and the authority of that host's certificate is not trusted.
    AddForeignCertificate {
        /// The registry. Its configured authorities may have issued the other host's certificate.
        registry: Registry,
    },
    /// The certificate is for another name.
    CheckCertificateName,
    /// The certificate has expired or is not valid yet.
    CheckClock,
    /// A captive portal, a proxy or a bot check answered instead of the registry.
    CheckNetwork,
    /// The configuration of this host forbids the operation.
    AllowInConfiguration,
    /// The configuration of this host is invalid.
    CorrectConfiguration,
    /// The registry accepts only smaller manifests.
    ManifestLimit,
    /// The registry, or a proxy in front of it, accepts only smaller uploads.
    UploadLimit,
    /// Deletion is disabled at the registry.
    DeletionDisabled,
    /// The server compresses documents, so that their digests are wrong.
    SwitchOffCompression,
    /// The tag that would be written points at other content.
    FreeTag,
    /// The store of signatures does not answer as one: its URL in the configuration may be wrong, or the
    /// store.
    CheckSignatureStore,
    /// The configuration does not say where signatures of this kind can be written.
    ConfigureSignatureStore,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckName => f.write_str("check the name of the repository"),
            Self::CheckTag => f.write_str("check the name and the tag"),
            Self::CreateRepository { registry } => write!(
                f,
                "create the repository at {registry} first, or check its name: the registry does not create it on push"
            ),
            Self::LogIn { registry } => write!(f, "log in to {registry} first"),
            Self::CheckNameOrLogIn { registry } => {
                write!(f, "it may not exist, or need a login to {registry}")
            }
            Self::LoginNotAsked { registry } => write!(
                f,
                "the registry did not ask for a login, so the one for {registry} was not sent: check the name of the image"
            ),
            Self::CheckCredentials { registry } => write!(
                f,
                "check the user name and password, or the access token, for {registry}"
            ),
            Self::CheckPermissions { registry } => write!(
                f,
                "the login for {registry} is not allowed to do this; check its permissions"
            ),
            Self::RepairCredentials { registry } => write!(
                f,
                "nothing was tried without the login; repair it or log out of {registry}"
            ),
            Self::LogInForMore { registry } => {
                write!(f, "wait, or log in to {registry} for a higher limit")
            }
            Self::TrustTokenServer { registry } => write!(
                f,
                "if it is the right token server, name it as trusted with the logins for {registry}"
            ),
            Self::AllowPlaintextLogin { registry } => write!(
                f,
                "logins are sent in clear text only to this machine; use https, or allow it for {registry}"
            ),
            Self::CheckHostName => f.write_str("check the spelling of the registry's name, and the network"),
            Self::CheckPort => f.write_str("check that the registry is running and that the port is right"),
            Self::PlainHttp { registry } => write!(
                f,
                "it seems to speak plain http; if that is intended, write insecure = true for {registry} in registries.conf"
            ),
            Self::AddCertificate { registry } => write!(
                f,
                "add the certificate of its authority to those that are trusted for {registry}"
            ),
            Self::AddForeignCertificate { registry } => write!(
                f,
                "add the certificate of its authority to those that are trusted for {registry}, which redirects \
                 to it; verification cannot be waived for it"
            ),
            Self::CheckCertificateName => f.write_str(
                "check the spelling of the registry's name and its port; what answers there is another server, \
                 or has no certificate for this name",
            ),
            Self::CheckClock => f.write_str(
                "check this machine's clock; if it is right, the registry needs a new certificate",
            ),
            Self::CheckNetwork => f.write_str(
                "check the registry's name and the network: a portal, a proxy or a bot check may answer instead",
            ),
            Self::AllowInConfiguration => f.write_str("change registries.conf to allow it"),
            Self::CorrectConfiguration => {
                f.write_str("correct its table in registries.conf")
            }
            Self::ManifestLimit => f.write_str("raise the limit for manifests at the registry, or make the manifest smaller"),
            Self::UploadLimit => {
                f.write_str("raise the limit for uploads at the registry, or at the proxy in front of it")
            }
            Self::DeletionDisabled => f.write_str("deletion is disabled at the registry: enable it in the registry's settings"),
            Self::SwitchOffCompression => f.write_str(
                "switch off the compression of its answers at the registry, or at the proxy in front of it",
            ),
            Self::FreeTag => f.write_str("delete or move that tag; nothing was overwritten"),
            Self::CheckSignatureStore => f.write_str(
                "check where registries.d says that signatures are; a web server must answer 404 for one that it does not have",
            ),
            Self::ConfigureSignatureStore => f.write_str(
                "change registries.d, which says where signatures are written",
            ),
        }
    }
}
