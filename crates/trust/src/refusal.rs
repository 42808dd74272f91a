use std::{error, fmt};

use wharf_config::{Requirement, RuleOrigin, SigstoreSigner};
use wharf_content::{Error, Location, Signature};
use wharf_reference::Digest;

use crate::{
    Examined, ImageName, identity,
    judge::{Found, Uncounted},
    reason::ReasonKind,
};

/// The most reasons that are printed.
const MAX_REASONS: usize = 10;

/// Why an image is not accepted: the rule, the requirement that was not met, and for each signature the key
/// and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(Box<Details>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Details {
    kind: RefusalKind,
    image: Option<ImageName>,
    digest: Option<Digest>,
    rule: Option<RuleOrigin>,
    requirement: Option<Requirement>,
    because: Option<String>,
    examined: Vec<Examined>,
    /// Signatures that the requirement does not look at.
    others: Vec<&'static str>,
    notes: Vec<Note>,
    is_instance: bool,
    is_of_program: bool,
}

/// Circumstances that the user may have overlooked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    /// Why signatures that the requirement looks at were not looked for.
    Unread(String),
    /// The index that lists the image is signed.
    IndexIsSigned(Digest),
    /// The number of attachments, which the requirement does not look at.
    Attachments(usize),
    /// The number of bundles, and why they cannot meet the requirement; `None` if it does not look at what is sigstore's.
    Bundles(usize, Option<Uncounted>),
    /// The mirror that served the image.
    ServedBy(Location),
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread(why) => f.write_str(why),
            Self::IndexIsSigned(index) => write!(
                f,
                "the index {index} is signed, but of an index each image is judged, by signatures of its own: sign them \
                 too, as `cosign sign --recursive` does"
            ),
            Self::Attachments(number) => uncounted(f, *number, "attachment", None),
            Self::Bundles(number, why) => uncounted(f, *number, "bundle", *why),
            Self::ServedBy(mirror) => write!(
                f,
                "the image is from the mirror {mirror}, and its signatures were looked for there"
            ),
        }
    }
}

/// Signatures of sigstore's that do not count.
fn uncounted(f: &mut fmt::Formatter<'_>, number: usize, what: &str, why: Option<Uncounted>) -> fmt::Result {
    let (plural, does) = if number == 1 { ("", "does") } else { ("s", "do") };
    write!(f, "{number} sigstore {what}{plural} of it {does} not count: ")?;
    match why {
        Some(why) => write!(f, "{why}"),
        None => f.write_str("signedBy looks at simple signatures alone"),
    }
}

/// The kinds of [`Refusal`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RefusalKind {
    /// The rule is to reject.
    Rejected,
    /// The requirement is of a kind that cannot be met here.
    Unsupported,
    /// There is no requirement; the image is refused.
    NoRequirement,
    /// The keys of the requirement cannot be used: a file cannot be read, or has no usable key.
    Keys,
    /// The image has no signature of the kind that is required.
    NoSignature,
    /// The image has signatures, and none is accepted.
    NoneAccepted,
    /// The image has more than 100 signatures of the kind that is required.
    TooMany,
    /// Every requirement was met without verifying a signature, and one had to be.
    NothingVerified,
    /// The verification broke off.
    Failed,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind) -> Self {
        Self(Box::new(Details {
            kind,
            image: None,
            digest: None,
            rule: None,
            requirement: None,
            because: None,
            examined: Vec::new(),
            others: Vec::new(),
            notes: Vec::new(),
            is_instance: false,
            is_of_program: false,
        }))
    }

    /// Of this requirement.
    pub(crate) fn of(mut self, requirement: &Requirement) -> Self {
        self.0.requirement = Some(requirement.clone());
        self
    }

    pub(crate) fn because(mut self, why: String) -> Self {
        self.0.because = Some(why);
        self
    }

    /// With what is wrong with each signature that was looked at, of all that there are.
    pub(crate) fn with_examined(mut self, examined: Vec<Examined>, all: &[Found<'_>]) -> Self {
        let ignored = all.iter().enumerate().filter(|(index, _)| {
            let mut seen = examined.iter();
            !seen.any(|examined| examined.signature() == *index)
        });
        self.0.others = ignored.map(|(_, found)| kind_of(found.signature)).collect();
        self.0.examined = examined;
        self
    }

    pub(crate) fn with_notes(mut self, notes: impl IntoIterator<Item = Note>) -> Self {
        self.0.notes.extend(notes);
        self
    }

    /// Of this image and rule.
    pub(crate) fn at(mut self, digest: Option<&Digest>, image: &ImageName, rule: Option<RuleOrigin>) -> Self {
        self.0.digest = digest.cloned();
        self.0.image = Some(image.clone());
        self.0.rule = rule;
        self
    }

    /// Whether the image is one of an index, which the digest distinguishes from the others.
    pub(crate) fn instance(mut self, is_instance: bool) -> Self {
        self.0.is_instance = is_instance;
        self
    }

    /// Whether the program, and not the policy, has the requirement.
    pub(crate) fn by_program(mut self, is_of_program: bool) -> Self {
        self.0.is_of_program = is_of_program;
        self
    }

    /// The refusal among the causes of an error, such as that of a copy that a policy did not allow, or among
    /// the failures of several possible names.
    #[must_use]
    pub fn find<'a>(error: &'a (dyn error::Error + 'static)) -> Option<&'a Self> {
        if let Some(refusal) = error.downcast_ref() {
            return Some(refusal);
        }
        let several = error.downcast_ref::<Error>().map_or(&[][..], Error::failures);
        let among = several.iter().find_map(|failure| Self::find(failure));
        among.or_else(|| error.source().and_then(Self::find))
    }

    /// The kind of the refusal.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        self.0.kind
    }

    /// The sha256 digest of the manifest, unless the image was refused before there was one.
    #[must_use]
    pub fn digest(&self) -> Option<&Digest> {
        self.0.digest.as_ref()
    }

    /// The rule of the policy for the image, if a policy was asked.
    #[must_use]
    pub fn rule(&self) -> Option<&RuleOrigin> {
        self.0.rule.as_ref()
    }

    /// The first requirement that was not met.
    #[must_use]
    pub fn requirement(&self) -> Option<&Requirement> {
        self.0.requirement.as_ref()
    }

    /// The signatures that the requirement looked at, and why each does not count.
    #[must_use]
    pub fn signatures(&self) -> &[Examined] {
        &self.0.examined
    }
}

const fn kind_of(signature: &Signature) -> &'static str {
    match signature {
        Signature::Simple(_) => "simple signature",
        Signature::Attachment { .. } => "sigstore attachment",
        Signature::Bundle(_) => "sigstore bundle",
        _ => "blob of unknown format",
    }
}

impl Details {
    /// The rule and what it demands: "the rule for SCOPE (docker) of the trust policy FILE demands signedBy
    /// (FILE)".
    fn demand(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) if !self.is_of_program => write!(f, "{rule}")?,
            _ => f.write_str("the program")?,
        }
        match &self.requirement {
            None => Ok(()),
            Some(Requirement::Reject) => f.write_str(" is to reject"),
            Some(Requirement::SignedBy(signed_by)) => {
                write!(
                    f,
                    " demands a signature by a key in {} (signedBy)",
                    signed_by.keys()
                )
            }
            Some(Requirement::SigstoreSigned(sigstore)) => {
                f.write_str(" demands a signature by ")?;
                match sigstore.signer() {
                    SigstoreSigner::Keys { keys, .. } => write!(f, "a key of {keys}")?,
                    SigstoreSigner::Fulcio { fulcio, .. } => {
                        write!(f, "{} with a certificate of {}", fulcio.subject_email, fulcio.ca)?;
                    }
                    SigstoreSigner::Pki(pki) => write!(f, "the subject of a certificate of {}", pki.roots)?,
                    _ => f.write_str("somebody")?,
                }
                f.write_str(" (sigstoreSigned)")
            }
            Some(other) => write!(f, " demands a signature ({other})"),
        }
    }

    fn name(&self) -> String {
        match &self.image {
            Some(ImageName::Reference(reference)) => reference.to_string(),
            Some(ImageName::Layout(path) | ImageName::File { path, .. }) => path.display().to_string(),
            Some(ImageName::Daemon(Some(name))) => name.to_string(),
            Some(ImageName::Daemon(None) | ImageName::Unnamed) | None => "the image".to_owned(),
        }
    }

    /// Upstream's words, which scripts look for.
    fn why(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RefusalKind::Rejected => write!(f, "Running image {} is rejected by policy.", self.name()),
            RefusalKind::Unsupported => self.unsupported(f),
            RefusalKind::NoRequirement if self.rule.is_none() => {
                f.write_str("there is no trust policy and no requirement by which a signature could be verified")
            }
            RefusalKind::NoRequirement => f.write_str("List of verification policy requirements must not be empty"),
            RefusalKind::Keys => f.write_str(self.because.as_deref().unwrap_or("its keys cannot be used")),
            RefusalKind::NoSignature => {
                f.write_str("A signature was required, but no signature exists")?;
                self.ignored(f)
            }
            RefusalKind::NoneAccepted => self.reasons(f),
            RefusalKind::TooMany => f.write_str("the image has more than 100 signatures, of which none so far is accepted"),
            RefusalKind::NothingVerified => f.write_str(
                "a signature must be verified, and nothing of the rule demands one; add signedBy or sigstoreSigned for \
                 this image",
            ),
            RefusalKind::Failed => f.write_str("the verification broke off, so nothing was verified"),
        }
    }

    fn unsupported(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.requirement {
            Some(Requirement::SignedBy(signed_by)) => {
                write!(
                    f,
                    "the keyType {} has no meaning; GPGKeys has",
                    signed_by.key_type()
                )
            }
            Some(Requirement::SignedBaseLayer(_)) => f.write_str("no program can verify base layers"),
            _ => f.write_str("signatures of this kind cannot be verified here"),
        }
    }

    fn reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.examined.as_slice() {
            [one] => write!(f, "{}", one.reason()),
            all => {
                f.write_str("None of the signatures were accepted, reasons: ")?;
                for (number, examined) in all.iter().take(MAX_REASONS).enumerate() {
                    let separator = if number == 0 { "" } else { "; " };
                    write!(f, "{separator}{}", examined.reason())?;
                }
                match all.len().checked_sub(MAX_REASONS) {
                    None | Some(0) => Ok(()),
                    Some(more) => write!(f, "; and {more} more"),
                }
            }
        }
    }

    /// The name that a signature of another name would have to have, and the keys that accept others.
    fn other_name(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut examined = self.examined.iter();
        if !examined.any(|examined| examined.reason().kind() == ReasonKind::Identity) {
            return Ok(());
        }
        match &self.image {
            Some(ImageName::Reference(reference)) => write!(
                f,
                "; the image is {}: set signedIdentity of the requirement to accept another name, or its type \
                 remapIdentity for copies of another registry's images",
                identity::intended(reference)
            ),
            _ => f.write_str(
                "; the image has no name here: set signedIdentity of the requirement to the one that is signed",
            ),
        }
    }

    /// The line that a policy lacks for images that were made on this host, which are hardly ever signed.
    fn way_out(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.image, &self.rule) {
            (Some(ImageName::Layout(directory)), Some(_)) if !self.is_of_program => {
                let directory = directory.display().to_string();
                write!(
                    f,
                    "; to accept the images of this directory, add \"oci\": {{{directory:?}: [{{\"type\": \
                     \"insecureAcceptAnything\"}}]}} to \"transports\""
                )
            }
            _ => Ok(()),
        }
    }

    /// Lists the signatures that exist and were not judged.
    fn ignored(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = self.others.clone();
        kinds.sort_unstable();
        let groups: Vec<String> = kinds
            .chunk_by(|one, other| one == other)
            .filter_map(|group| {
                let plural = if group.len() == 1 { "" } else { "s" };
                Some(format!("{} {}{plural}", group.len(), group.first()?))
            })
            .collect();
        match &self.requirement {
            Some(requirement) if !groups.is_empty() => {
                write!(
                    f,
                    "; {requirement} does not look at what is there: {}",
                    groups.join(", ")
                )
            }
            _ => Ok(()),
        }
    }
}

/// One line that names the image (of an index, the digest of the one that was judged), the rule, what it demands, and why that is not met. It begins with upstream's
/// `Source image rejected: `, and has upstream's words for the reason.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.0;
        write!(f, "Source image rejected: {}: ", details.name())?;
        if let Some(digest) = details.digest.as_ref().filter(|_| details.is_instance) {
            write!(f, "the image {digest} of the index: ")?;
        }
        if details.rule.is_some() || details.requirement.is_some() {
            details.demand(f)?;
            f.write_str(": ")?;
        }
        details.why(f)?;
        details.other_name(f)?;
        details.notes.iter().try_for_each(|note| write!(f, "; {note}"))?;
        details.way_out(f)
    }
}

impl error::Error for Refusal {}
