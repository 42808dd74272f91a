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
    /// Pushing does not make repositories there.
    CreateRepository {
        /// Where to make it.
        registry: Registry,
    },
    /// A login is needed, and none was sent.
    LogIn {
        /// Where to.
        registry: Registry,
    },
    /// There may be no such thing, or it is for users with a login only; none was sent.
    CheckNameOrLogIn {
        /// Where to.
        registry: Registry,
    },
    /// There is a login, but the registry refuses without asking for one, so that none was sent.
    LoginNotAsked {
        /// The registry that the login is for.
        registry: Registry,
    },
    /// The user name, password or access token is wrong.
    CheckCredentials {
        /// Where they were refused.
        registry: Registry,
    },
    /// The login is known, but does not have the right to do this.
    CheckPermissions {
        /// Where it was refused.
        registry: Registry,
    },
    /// The stored login cannot be read, and going on without it would be another identity.
    RepairCredentials {
        /// The registry that the stored login is for.
        registry: Registry,
    },
    /// Too many requests without a login, which usually has a higher limit.
    LogInForMore {
        /// Where to.
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
    /// Nobody answers there.
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
    /// The authority of the certificate of another host is not trusted, to which the registry redirects.
    AddForeignCertificate {
        /// The registry, of whose authorities that host may have its certificate.
        registry: Registry,
    },
    /// The certificate is for another name.
    CheckCertificateName,
    /// The certificate is not valid now.
    CheckClock,
    /// Something between here and the registry answered in its place: a portal, a proxy, a bot check.
    CheckNetwork,
    /// The host's configuration forbids it.
    AllowInConfiguration,
    /// The host's configuration is wrong.
    CorrectConfiguration,
    /// The registry takes only smaller manifests.
    ManifestLimit,
    /// The registry, or a proxy before it, takes only smaller uploads.
    UploadLimit,
    /// The registry does not delete.
    DeletionDisabled,
    /// The server compresses documents, of which the digests are then wrong.
    SwitchOffCompression,
    /// The tag that would be written holds something else.
    FreeTag,
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CheckName => f.write_str("check the name of the repository"),
            Self::CheckTag => f.write_str("check the name and the tag"),
            Self::CreateRepository { registry } => write!(
                f,
                "create the repository at {registry} first, or check its name: it is not made by pushing"
            ),
            Self::LogIn { registry } => write!(f, "log in to {registry} first"),
            Self::CheckNameOrLogIn { registry } => {
                write!(f, "it may not exist, or need a login to {registry}")
            }
            Self::LoginNotAsked { registry } => write!(
                f,
                "the login for {registry} was not sent, because the registry did not ask for one"
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
                "it seems to speak plain http; if that is intended, mark {registry} as insecure"
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
                f.write_str("correct the table that registries.conf has for it")
            }
            Self::ManifestLimit => f.write_str("the registry does not take manifests of this size"),
            Self::UploadLimit => {
                f.write_str("the registry, or a proxy before it, does not take uploads of this size")
            }
            Self::DeletionDisabled => f.write_str("the registry has deleting switched off"),
            Self::SwitchOffCompression => f.write_str(
                "switch off the compression of its answers at the registry, or at the proxy in front of it",
            ),
            Self::FreeTag => f.write_str("delete or move that tag; nothing was overwritten"),
        }
    }
}
