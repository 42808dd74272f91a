//! RSA with PKCS#1 version 1.5.

use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaPublicKeyComponents,
};

use super::{Failure, Hash, PublicKey};
use crate::openpgp::reader::{Malformed, Reader};

pub(super) fn read(reader: &mut Reader<'_>) -> Result<Result<PublicKey, String>, Malformed> {
    let (modulus, exponent) = (reader.mpi()?, reader.mpi()?);
    let zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
    let bits = (modulus.len() * 8).saturating_sub(zeros);
    Ok(if (2048..=8192).contains(&bits) {
        Ok(PublicKey::Rsa {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        })
    } else {
        Err(format!(
            "RSA with {bits} bits is not accepted, only with 2048 to 8192"
        ))
    })
}

pub(super) fn verify(
    modulus: &[u8],
    exponent: &[u8],
    hash: Hash,
    message: &[u8],
    mut reader: Reader<'_>,
) -> Result<(), Failure> {
    let algorithm = match hash {
        Hash::Sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    };
    let value = reader.mpi().map_err(|_| Failure::Wrong)?;
    reader.finish().map_err(|_| Failure::Wrong)?;
    // As long as the modulus, which the packet leaves out where it begins with zeros.
    let missing = modulus.len().checked_sub(value.len()).ok_or(Failure::Wrong)?;
    let signature = [vec![0; missing].as_slice(), value].concat();
    let key = RsaPublicKeyComponents {
        n: modulus,
        e: exponent,
    };
    key.verify(algorithm, message, &signature)
        .map_err(|_| Failure::Wrong)
}
