//! Paths of certificates, from one that signed to one that is trusted. rustls-webpki builds and verifies
//! them; checked here is what it leaves out: it takes an anchor's word for everything, and does not read key
//! usages.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::{Cert, EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring as algorithms};

use crate::{
    problem::Problem,
    time::Seconds,
    x509::{Certificate, oid},
};

/// The purpose that a certificate must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Code signing, stated in the certificate itself.
    CodeSigning,
    /// Code signing, unless the certificate names no purpose at all.
    CodeSigningOrAny,
    /// Time stamping and nothing else, marked critical (RFC 3161).
    TimeStamping,
}

impl Purpose {
    const fn oid(self) -> &'static [u8] {
        match self {
            Self::CodeSigning | Self::CodeSigningOrAny => oid::CODE_SIGNING,
            Self::TimeStamping => oid::TIME_STAMPING,
        }
    }
}

const ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[
    algorithms::ECDSA_P256_SHA256,
    algorithms::ECDSA_P256_SHA384,
    algorithms::ECDSA_P384_SHA256,
    algorithms::ECDSA_P384_SHA384,
    algorithms::ED25519,
    algorithms::RSA_PKCS1_2048_8192_SHA256,
    algorithms::RSA_PKCS1_2048_8192_SHA384,
    algorithms::RSA_PKCS1_2048_8192_SHA512,
    algorithms::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
    algorithms::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
];

/// Verifies that a path leads from `leaf` over some of the untrusted `intermediates` to one of the `anchors`,
/// that every certificate of it, the anchor too, was valid at `time`, and that all are for `purpose`. Returns
/// the certificate that issued the leaf.
///
/// An anchor that is no authority, may not sign certificates, is for another purpose, has a critical extension
/// that is not known or is not valid then is left out before the search, so that a leaf in a file of
/// authorities issues nothing.
pub(crate) fn verify<'a>(
    leaf: &Certificate,
    anchors: &'a [Certificate],
    intermediates: &'a [Certificate],
    purpose: Purpose,
    time: Seconds,
) -> Result<&'a Certificate, Problem> {
    fitness(leaf, purpose, time)?;
    if anchors.iter().any(|anchor| anchor.der == leaf.der) {
        return Err(Problem::new(
            "the certificate is itself one of the trusted authorities",
        ));
    }
    let fit = |certificate: &&Certificate| {
        certificate.may_issue()
            && certificate.is_for(purpose.oid())
            && !certificate.has_unknown_critical_extension()
    };
    let anchors: Vec<&Certificate> = anchors
        .iter()
        .filter(|anchor| fit(anchor) && anchor.is_valid_at(time))
        .collect();
    if anchors.is_empty() {
        return Err(Problem::new(
            "no trusted authority may issue such a certificate and was valid then",
        ));
    }
    let intermediates: Vec<&Certificate> = intermediates.iter().filter(fit).collect();

    let encoded = |certificates: &[&'a Certificate]| -> Vec<CertificateDer<'a>> {
        let encoded = certificates.iter();
        encoded
            .map(|certificate| CertificateDer::from(certificate.der.as_slice()))
            .collect()
    };
    let (anchor_ders, intermediate_ders) = (encoded(&anchors), encoded(&intermediates));
    let trusted: Result<Vec<TrustAnchor<'_>>, _> = anchor_ders.iter().map(anchor_from_trusted_cert).collect();
    let trusted = trusted.map_err(|error| rejected("a trusted authority", &error))?;
    let leaf_der = CertificateDer::from(leaf.der.as_slice());
    let end = EndEntityCert::try_from(&leaf_der).map_err(|error| rejected("the certificate", &error))?;
    let seconds = u64::try_from(time).map_err(|_| Problem::new("the time is before 1970"))?;
    // An anchor's path length counts the authorities below it.
    let long_enough = |path: &webpki::VerifiedPath<'_>| {
        let below = path.intermediate_certificates().count();
        let most = anchors
            .iter()
            .zip(&trusted)
            .filter(|(_, anchor)| *anchor == path.anchor())
            .filter_map(|(certificate, _)| certificate.authority?.path_length)
            .min();
        let most = most.and_then(|most| usize::try_from(most).ok());
        if most.is_some_and(|most| below > most) {
            return Err(webpki::Error::PathLenConstraintViolated);
        }
        Ok(())
    };
    let path = end
        .verify_for_usage(
            ALGORITHMS,
            &trusted,
            &intermediate_ders,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            KeyUsage::required_if_present(purpose.oid()),
            None,
            Some(&long_enough),
        )
        .map_err(|error| {
            rejected(
                "no path leads from the certificate to a trusted authority",
                &error,
            )
        })?;
    let first = path.intermediate_certificates().next().map(Cert::der);
    let issuer = match first {
        Some(issuer) => intermediates
            .iter()
            .find(|certificate| certificate.der.as_slice() == issuer.as_ref()),
        None => anchors
            .iter()
            .zip(&trusted)
            .find_map(|(certificate, anchor)| (anchor == path.anchor()).then_some(certificate)),
    };
    issuer
        .copied()
        .ok_or_else(|| Problem::new("the issuer of the certificate is not known"))
}

/// Checks the certificate alone, without its path.
fn fitness(leaf: &Certificate, purpose: Purpose, time: Seconds) -> Result<(), Problem> {
    if leaf.authority.is_some() {
        return Err(Problem::new(
            "the certificate is an authority's and signs certificates alone",
        ));
    }
    if !leaf.is_valid_at(time) {
        let when = if time < leaf.not_before {
            "not yet valid"
        } else {
            "expired"
        };
        return Err(Problem::new(format!(
            "the certificate was {when} at the time that counts"
        )));
    }
    let good = match (purpose, &leaf.purposes) {
        (Purpose::CodeSigningOrAny, None) => true,
        (_, None) => false,
        (Purpose::TimeStamping, Some(purposes)) => purposes.critical && purposes.oids == [oid::TIME_STAMPING],
        (_, Some(_)) => leaf.is_for(purpose.oid()),
    };
    if !good {
        let purpose = if purpose == Purpose::TimeStamping {
            "time stamping alone"
        } else {
            "code signing"
        };
        return Err(Problem::new(format!("the certificate is not for {purpose}")));
    }
    Ok(())
}

/// Whether the certificate is for this host name or address, as TLS decides it: by its alternative names
/// alone.
pub(crate) fn is_for_host(leaf: &Certificate, host: &str) -> Result<bool, Problem> {
    let name = rustls_pki_types::ServerName::try_from(host)
        .map_err(|_| Problem::new("the host name that is demanded is none"))?;
    let der = CertificateDer::from(leaf.der.as_slice());
    let end = EndEntityCert::try_from(&der).map_err(|error| rejected("the certificate", &error))?;
    Ok(end.verify_is_valid_for_subject_name(&name).is_ok())
}

fn rejected(what: &str, error: &webpki::Error) -> Problem {
    Problem::new(format!("{what}: {}", in_words(error)))
}

fn in_words(error: &webpki::Error) -> String {
    use webpki::Error;
    let text = match error {
        Error::UnknownIssuer => "nobody who is trusted issued one of the path",
        Error::CertExpired { .. } => "one of the path has expired",
        Error::CertNotValidYet { .. } => "one of the path is not yet valid",
        Error::InvalidSignatureForPublicKey => {
            "one of the path is not signed by its issuer, or by an RSA key of less than 2048 or more than 8192 bits"
        }
        Error::NameConstraintViolation => {
            "an authority may not issue for a name that the certificate has; of names, constraints to hosts and \
             addresses are understood, and those to emails and URIs refuse"
        }
        Error::PathLenConstraintViolated => "an authority may not have so many others below it",
        Error::RequiredEkuNotFoundContext(_) => "one of the path is for another purpose",
        Error::UnsupportedCriticalExtension => {
            "one of the path has a critical extension that is not supported"
        }
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
            "one of the path is signed with an algorithm that is not supported"
        }
        Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => "there are too many ways to try",
        other => return format!("one of the path is malformed ({other:?})"),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests;
