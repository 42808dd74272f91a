//! The requirements of a rule. Requirements of signatures are read as strictly as upstream reads them: a policy that
//! upstream refuses is refused here.

use std::fmt;

use super::{identity::Identity, object::Object, signed_by::SignedBy, sigstore_signed::SigstoreSigned};
use crate::{
    document::quoted,
    json::{Problem, Value},
};

/// A demand that a rule of a [`Policy`](super::Policy) makes of an image (containers-policy.json(5), *Policy
/// Requirements*).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Requirement {
    /// `insecureAcceptAnything`: nothing. No signature was looked for.
    InsecureAcceptAnything,
    /// `reject`: no image is accepted.
    Reject,
    /// `signedBy`: a signature by a GPG key.
    SignedBy(SignedBy),
    /// `sigstoreSigned`: a sigstore signature.
    SigstoreSigned(SigstoreSigned),
    /// `signedBaseLayer`, with its `baseLayerIdentity`: which no implementation evaluates.
    SignedBaseLayer(Identity),
}

/// The type, as it stands in a policy.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InsecureAcceptAnything => "insecureAcceptAnything",
            Self::Reject => "reject",
            Self::SignedBy(_) => "signedBy",
            Self::SigstoreSigned(_) => "sigstoreSigned",
            Self::SignedBaseLayer(_) => "signedBaseLayer",
        })
    }
}

impl From<SignedBy> for Requirement {
    fn from(signed_by: SignedBy) -> Self {
        Self::SignedBy(signed_by)
    }
}

impl From<SigstoreSigned> for Requirement {
    fn from(sigstore_signed: SigstoreSigned) -> Self {
        Self::SigstoreSigned(sigstore_signed)
    }
}

impl Requirement {
    pub(super) fn read(value: Value<'_>) -> Result<Self, Problem> {
        let mut object = Object::read(value, "a requirement")?;
        let requirement = match object.string("type")?.as_str() {
            "insecureAcceptAnything" => Self::InsecureAcceptAnything,
            "reject" => Self::Reject,
            "signedBy" => SignedBy::read(&mut object)?.into(),
            "sigstoreSigned" => SigstoreSigned::read(&mut object)?.into(),
            "signedBaseLayer" => {
                Self::SignedBaseLayer(Identity::read(object.required("baseLayerIdentity")?)?)
            }
            other => return Err(object.problem(format!("unknown type of requirement {}", quoted(other)))),
        };
        object.finish()?;
        Ok(requirement)
    }
}
