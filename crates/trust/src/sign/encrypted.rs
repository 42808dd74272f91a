//! Private keys encrypted by a passphrase, as cosign keeps them: scrypt and secretbox, described by JSON within
//! PEM.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::rand::{SecureRandom as _, SystemRandom};
use scrypt::Params;
use wharf_auth::Secret;
use zeroize::Zeroizing;

use super::secretbox::SecretBox;
use crate::{
    json::Object,
    pem,
    problem::{Problem, quoted},
};

const COSIGN: &str = "ENCRYPTED COSIGN PRIVATE KEY";
const SIGSTORE: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

/// The most bytes of an encrypted private key that are read.
const MAX_SIZE: usize = 64 << 10;

/// The costs of scrypt that are accepted, as powers of two: other ones would take memory or time without end, or
/// protect nothing (threat row T184).
const COSTS: [u8; 3] = [15, 16, 17];
/// The cost of keys that are made here: sigstore-rs and older programs read no higher one.
const COST: u8 = 16;
const R: u32 = 8;
const P: u32 = 1;

/// The one text about a key that cannot be decrypted: it does not say which of both it is.
const WRONG: &str = "wrong passphrase or damaged file";

/// Decrypts one PEM block with either label: the key in PKCS#8.
pub(super) fn open(text: &[u8], passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let block = pem::one(text)?;
    let within = |why: &str| Problem::new(format!("a PEM block {} {why}", quoted(&block.label)));
    match block.label.as_str() {
        COSIGN | SIGSTORE => decrypt(&block.der, passphrase),
        "PRIVATE KEY" => Err(within(
            "is a private key that is not encrypted; it must be read as such",
        )),
        "ENCRYPTED PRIVATE KEY" => Err(within(
            "is a private key that other programs encrypted; import it with cosign first",
        )),
        _ => Err(within("is no encrypted private key of cosign's")),
    }
}

/// A document that describes an encrypted key.
struct Sealed {
    cost: u8,
    salt: Vec<u8>,
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

impl Sealed {
    fn parse(json: &[u8]) -> Result<Self, Problem> {
        let mut top = Object::parse(json, MAX_SIZE, "the encrypted key")?;
        let mut kdf = top.object("kdf")?;
        is_named(&mut kdf, "scrypt")?;
        let mut params = kdf.object("params")?;
        let number = |params: &mut Object, name| {
            let value = params.required(name)?.as_unsigned();
            value.ok_or_else(|| Problem::new(format!("the `{name}` of the encrypted key is no number")))
        };
        let (n, r, p) = (
            number(&mut params, "N")?,
            number(&mut params, "r")?,
            number(&mut params, "p")?,
        );
        let salt = kdf.base64("salt")?;
        let mut cipher = top.object("cipher")?;
        is_named(&mut cipher, "nacl/secretbox")?;
        let nonce = cipher.base64("nonce")?;
        let ciphertext = top.base64("ciphertext")?;
        for object in [top, kdf, params, cipher] {
            object.finish()?;
        }
        let cost = COSTS.into_iter().find(|cost| n == 1 << cost);
        let Some(cost) = cost.filter(|_| (r, p) == (R.into(), P.into())) else {
            return Err(Problem::new(format!(
                "the encrypted key wants scrypt with N={n}, r={r}, p={p}; N must be 32768, 65536 or 131072, r {R} \
                 and p {P}"
            )));
        };
        if salt.len() != 32 {
            return Err(Problem::new("the salt of the encrypted key has not 32 bytes"));
        }
        Ok(Self {
            cost,
            salt,
            nonce: nonce
                .try_into()
                .map_err(|_| Problem::new("the nonce of the encrypted key has not 24 bytes"))?,
            ciphertext,
        })
    }

    fn to_json(&self) -> String {
        let [salt, nonce, ciphertext] =
            [&self.salt, self.nonce.as_slice(), &self.ciphertext].map(|bytes| STANDARD.encode(bytes));
        let n = 1 << self.cost;
        format!(
            r#"{{"kdf":{{"name":"scrypt","params":{{"N":{n},"r":{R},"p":{P}}},"salt":"{salt}"}},"cipher":{{"name":"nacl/secretbox","nonce":"{nonce}"}},"ciphertext":"{ciphertext}"}}"#
        )
    }
}

fn is_named(object: &mut Object, expected: &str) -> Result<(), Problem> {
    let name = object.string("name")?;
    if name == expected {
        return Ok(());
    }
    Err(Problem::new(format!(
        "the encrypted key wants {}, and not {expected}",
        quoted(&name)
    )))
}

fn decrypt(json: &[u8], passphrase: &Secret) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let sealed = Sealed::parse(json)?;
    let key = derived(passphrase, &sealed.salt, sealed.cost)?;
    let secretbox = SecretBox {
        key: &key,
        nonce: &sealed.nonce,
    };
    secretbox
        .open(&sealed.ciphertext)
        .ok_or_else(|| Problem::new(WRONG))
}

fn derived(passphrase: &Secret, salt: &[u8], cost: u8) -> Result<Zeroizing<[u8; 32]>, Problem> {
    let failed = || Problem::new("the key that decrypts cannot be derived");
    let params = Params::new(cost, R, P).map_err(|_| failed())?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.expose().as_bytes(), salt, &params, key.as_mut_slice())
        .map_err(|_| failed())?;
    Ok(key)
}

/// Encrypts a key in PKCS#8: a PEM block.
pub(super) fn seal(pkcs8: &[u8], passphrase: &Secret) -> Result<String, Problem> {
    let mut random = [0; 32 + 24];
    SystemRandom::new()
        .fill(&mut random)
        .map_err(|_| Problem::new("the system gave no random bytes for a key"))?;
    sealed(pkcs8, passphrase, &random)
}

fn sealed(pkcs8: &[u8], passphrase: &Secret, random: &[u8; 32 + 24]) -> Result<String, Problem> {
    let (salt, nonce) = random.split_at(32);
    let nonce = *nonce.first_chunk().unwrap_or(&[0; 24]);
    let key = derived(passphrase, salt, COST)?;
    let secretbox = SecretBox {
        key: &key,
        nonce: &nonce,
    };
    let sealed = Sealed {
        cost: COST,
        salt: salt.to_vec(),
        nonce,
        ciphertext: secretbox.seal(pkcs8),
    };
    Ok(pem::encode(COSIGN, sealed.to_json().as_bytes()))
}
