//! The client certificates.
//!
//! rustls would verify it as a server does, and refuse X.509 version 1, which `openssl x509 -req` made by
//! default for twenty years. It is the server that decides whether a client certificate is acceptable.

use std::sync::Arc;

use rustls::{
    InconsistentKeys, RootCertStore, SignatureScheme, client::ResolvesClientCert, crypto::CryptoProvider,
    pki_types::CertificateDer, sign::CertifiedKey,
};

use super::pem;
use crate::{Error, ErrorKind, Identity};

/// Presents a certificate to every server that asks: the first that was issued by an authority that the server
/// names, as Go chooses. Where none was, Go presents none; here it is the first of all, as with a single one,
/// since servers leave authorities out of their lists.
#[derive(Debug)]
pub(super) struct Identities(Vec<Arc<CertifiedKey>>);

impl Identities {
    pub(super) fn load(identities: &[Identity], provider: &CryptoProvider) -> Result<Self, Error> {
        let loaded = identities.iter().map(|identity| load(identity, provider));
        loaded.collect::<Result<_, _>>().map(Self)
    }
}

impl ResolvesClientCert for Identities {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let is_named = |certificate: &CertificateDer<'_>| {
            authorities.is_empty() || issuer(certificate).is_some_and(|issuer| authorities.contains(&issuer))
        };
        let is_wanted = |identity: &&Arc<CertifiedKey>| {
            identity.key.choose_scheme(schemes).is_some() && identity.cert.iter().any(is_named)
        };
        let wanted = self.0.iter().find(is_wanted);
        wanted.or_else(|| self.0.first()).map(Arc::clone)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// The name of the authority that issued a certificate, in DER; of any version of X.509.
fn issuer(certificate: &[u8]) -> Option<&[u8]> {
    const VERSION: u8 = 0xa0;
    let (certificate, _) = element(certificate)?;
    let (signed, _) = element(certificate.content)?;
    let (first, rest) = element(signed.content)?;
    let rest = if first.tag == VERSION {
        element(rest)?.1
    } else {
        rest
    }; // beyond the serial number
    let (_algorithm, rest) = element(rest)?;
    Some(element(rest)?.0.whole)
}

/// An element of DER.
struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    whole: &'a [u8],
}

/// The first element, and the bytes after it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (&tag, after_tag) = bytes.split_first()?;
    let (&first, after_first) = after_tag.split_first()?;
    let (length, body) = if first < 0x80 {
        (usize::from(first), after_first)
    } else {
        let count = usize::from(first & 0x7f);
        let (length, body) = after_first.split_at_checked(count).filter(|_| count <= 3)?;
        (
            length.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)),
            body,
        )
    };
    let (content, rest) = body.split_at_checked(length)?;
    let whole = bytes.get(..bytes.len() - rest.len())?;
    Some((Element { tag, content, whole }, rest))
}

/// The certificate and key, if they belong together.
fn load(identity: &Identity, provider: &CryptoProvider) -> Result<Arc<CertifiedKey>, Error> {
    let (certificate, key) = identity.names();
    let fail = |message: String| Error::new(ErrorKind::Settings, message);
    let chain = pem::chain(&identity.certificates);
    let Some(first) = chain.first().cloned() else {
        return Err(fail(format!("{certificate} holds no certificate in PEM")));
    };
    let secret = pem::private_key(&identity.key).map_err(|reason| fail(format!("{key} {reason}")))?;
    let secret = provider.key_provider.load_private_key(secret).map_err(|error| {
        let message = format!("{key} is of a kind that is not supported: RSA, ECDSA and Ed25519 are");
        fail(message).with_source(error)
    })?;
    let certified = CertifiedKey::new(chain, secret);
    let matches = match certified.keys_match() {
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => false,
        Ok(()) | Err(rustls::Error::InconsistentKeys(_)) => true,
        Err(_) => matches_version_1(&certified, first),
    };
    if matches {
        Ok(Arc::new(certified))
    } else {
        Err(fail(format!("{key} is not the key of {certificate}")))
    }
}

/// True if the key belongs to a certificate that rustls parses only as a trust anchor, such as one of X.509
/// version 1; also true if the two cannot be compared, and the server then decides.
fn matches_version_1(certified: &CertifiedKey, certificate: CertificateDer<'static>) -> bool {
    let mut store = RootCertStore::empty();
    let (Some(key), Ok(())) = (certified.key.public_key(), store.add(certificate)) else {
        return true;
    };
    // The anchor holds the content of the sequence, the key the whole sequence.
    let anchors = &mut store.roots.iter();
    anchors.all(|anchor| key.as_ref().ends_with(&anchor.subject_public_key_info))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = include_str!("../../tests/it/pem/v1.crt");
    const V3: &str = include_str!("../../tests/it/pem/v3.crt");
    const EC: &str = include_str!("../../tests/it/pem/ec.crt");
    const PKCS8: &str = include_str!("../../tests/it/pem/pkcs8.key");
    const SEC1: &str = include_str!("../../tests/it/pem/sec1.key");

    #[test]
    fn the_certificate_of_an_authority_that_the_server_names_is_presented() {
        let all = [(V3, PKCS8), (EC, SEC1), (V1, PKCS8)];
        let all = all.map(|(certificate, key)| Identity::from_pem(certificate, key));
        let provider = rustls::crypto::ring::default_provider();
        let identities = Identities::load(&all, &provider).unwrap();
        let ders = identities.0.iter().map(|identity| identity.cert[0].clone());
        let ders = ders.collect::<Vec<_>>();
        let issuers = ders.iter().map(|der| issuer(der).unwrap()).collect::<Vec<_>>();
        assert!(issuers.iter().all(|issuer| issuer[0] == 0x30 && issuer.len() > 2));
        let (rsa, ec) = (
            SignatureScheme::RSA_PSS_SHA256,
            SignatureScheme::ECDSA_NISTP256_SHA256,
        );
        let other: &[u8] = &[0x30, 0];
        for (authorities, schemes, expected) in [
            (vec![], vec![rsa, ec], 0),
            (vec![], vec![ec], 1),
            (vec![issuers[0]], vec![rsa, ec], 0),
            (vec![issuers[1]], vec![rsa, ec], 1),
            (vec![other, issuers[1]], vec![ec], 1),
            (vec![issuers[2]], vec![rsa, ec], 2),
            (vec![issuers[1]], vec![rsa], 0), // none fits
            (vec![other], vec![rsa, ec], 0),
        ] {
            let chosen = identities.resolve(&authorities, &schemes).unwrap();
            let expected = issuers
                .iter()
                .position(|issuer| *issuer == issuers[expected])
                .unwrap();
            assert_eq!(chosen.cert[0], ders[expected], "{authorities:?}, {schemes:?}");
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_issuer() {
        let der = pem::chain(V3.as_bytes()).remove(0);
        for end in 0..der.len() {
            assert!(issuer(&der[..end]).is_none(), "{end}");
        }
        for bytes in [
            &[0x30, 0x84, 1, 1, 1, 1][..],
            &[0x30, 0x80],
            &[0x30, 0xff],
            &[0x30, 2, 0x30, 0],
        ] {
            assert!(issuer(bytes).is_none(), "{bytes:?}");
        }
    }
}
