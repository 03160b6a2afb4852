//! Passwords become SCRAM verifiers (RFC 5802, RFC 7677) and are forgotten.

use std::num::NonZeroU32;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use im_api::secret::Secret;
use im_api::user::{Mechanism, Verifier};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac, pbkdf2};
use subtle::ConstantTimeEq;

/// Iterations of verifiers made here.
pub const ITERATIONS: u32 = 10_000;
/// Longest password in bytes (RFC 4616 has no limit; this one keeps a request's cost bounded).
pub const MAX: usize = 1_023;

/// Why there are no verifiers of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Empty or too long.
    #[error("must have 1 to {MAX} bytes")]
    Length,
    /// Not allowed by SASLprep (RFC 4013).
    #[error("has characters that SASLprep does not allow")]
    Characters,
    /// The machine has no randomness.
    #[error("no salt could be made")]
    Random,
}

/// Verifiers of a password for every mechanism. Takes milliseconds of CPU: not for an async thread.
///
/// # Errors
/// [`PasswordError`].
pub fn verifiers(password: &str) -> Result<Vec<Verifier>, PasswordError> {
    let prepared = prepare(password)?;
    [Mechanism::ScramSha1, Mechanism::ScramSha256]
        .into_iter()
        .map(|mechanism| {
            let mut salt = [0; 16];
            SystemRandom::new().fill(&mut salt).map_err(|_| PasswordError::Random)?;
            let (stored, server) = keys(mechanism, prepared.as_bytes(), &salt, ITERATIONS);
            Ok(Verifier {
                mechanism,
                salt: STANDARD.encode(salt),
                iterations: ITERATIONS,
                stored_key: Secret(STANDARD.encode(stored)),
                server_key: Secret(STANDARD.encode(server)),
            })
        })
        .collect()
}

/// Whether a password is the one of these verifiers; the strongest mechanism there is decides. As slow as [`verifiers`].
#[must_use]
pub fn matches(password: &str, verifiers: &[Verifier]) -> bool {
    let strongest = verifiers.iter().max_by_key(|v| v.mechanism == Mechanism::ScramSha256);
    let (Ok(prepared), Some(verifier)) = (prepare(password), strongest) else { return false };
    let (Ok(salt), Ok(known)) = (STANDARD.decode(&verifier.salt), STANDARD.decode(&verifier.stored_key.0))
    else {
        return false;
    };
    let (stored, _) = keys(verifier.mechanism, prepared.as_bytes(), &salt, verifier.iterations);
    bool::from(stored.ct_eq(&known))
}

/// Checks a verifier made elsewhere; what is wrong with it.
///
/// # Errors
/// The field and what it should be.
pub fn check(verifier: &Verifier) -> Result<(), (&'static str, &'static str)> {
    let decode = |text: &str| STANDARD.decode(text).unwrap_or_default().len();
    let length = match verifier.mechanism {
        Mechanism::ScramSha1 => 20,
        Mechanism::ScramSha256 => 32,
    };
    if !(8..=64).contains(&decode(&verifier.salt)) {
        Err(("salt", "must be base64 of 8 to 64 bytes"))
    } else if !(4_096..=10_000_000).contains(&verifier.iterations) {
        Err(("iterations", "must be 4,096 to 10,000,000"))
    } else if decode(&verifier.stored_key.0) != length {
        Err(("stored_key", "must be base64 of as many bytes as the mechanism's hash"))
    } else if decode(&verifier.server_key.0) != length {
        Err(("server_key", "must be base64 of as many bytes as the mechanism's hash"))
    } else {
        Ok(())
    }
}

fn prepare(password: &str) -> Result<std::borrow::Cow<'_, str>, PasswordError> {
    if password.is_empty() || password.len() > MAX {
        return Err(PasswordError::Length);
    }
    stringprep::saslprep(password).map_err(|_| PasswordError::Characters)
}

/// StoredKey and ServerKey.
fn keys(mechanism: Mechanism, password: &[u8], salt: &[u8], iterations: u32) -> (Vec<u8>, Vec<u8>) {
    let (pbkdf, mac, hash, length) = match mechanism {
        Mechanism::ScramSha1 => (
            pbkdf2::PBKDF2_HMAC_SHA1,
            hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            20,
        ),
        Mechanism::ScramSha256 => (pbkdf2::PBKDF2_HMAC_SHA256, hmac::HMAC_SHA256, &digest::SHA256, 32),
    };
    let mut salted = vec![0; length];
    let iterations = NonZeroU32::new(iterations).unwrap_or(NonZeroU32::MIN);
    pbkdf2::derive(pbkdf, iterations, salt, password, &mut salted);
    let key = hmac::Key::new(mac, &salted);
    let client = hmac::sign(&key, b"Client Key");
    let server = hmac::sign(&key, b"Server Key");
    (digest::digest(hash, client.as_ref()).as_ref().to_vec(), server.as_ref().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 5802 section 5 and RFC 7677 section 3 give salt, iterations and proofs; the keys are derived from them here once by another program.
    #[test]
    fn keys_are_those_of_the_rfcs_examples() {
        let salt = STANDARD.decode("QSXCR+Q6sek8bf92").expect("base64");
        let (stored, server) = keys(Mechanism::ScramSha1, b"pencil", &salt, 4_096);
        assert_eq!(STANDARD.encode(stored), "6dlGYMOdZcOPutkcNY8U2g7vK9Y=");
        assert_eq!(STANDARD.encode(server), "D+CSWLOshSulAsxiupA+qs2/fTE=");
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").expect("base64");
        let (stored, server) = keys(Mechanism::ScramSha256, b"pencil", &salt, 4_096);
        assert_eq!(STANDARD.encode(stored), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(STANDARD.encode(server), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    }

    #[test]
    fn a_password_matches_its_own_verifiers_in_every_spelling_saslprep_unites() {
        let made = verifiers("I\u{AD}X").expect("verifiers");
        assert!(matches("IX", &made) && !matches("ix", &made) && !matches("", &made));
        assert!(matches("IX", &made[..1]), "SCRAM-SHA-1 alone");
        assert!(!matches("IX", &[]));
        assert!(made.iter().all(|v| check(v).is_ok()));
        assert!(!format!("{made:?}").contains(&made[0].stored_key.0), "no log shows a key");
    }

    #[test]
    fn what_saslprep_forbids_is_refused() {
        assert_eq!(verifiers(""), Err(PasswordError::Length));
        assert_eq!(verifiers(&"x".repeat(MAX + 1)), Err(PasswordError::Length));
        assert_eq!(verifiers("\u{7}"), Err(PasswordError::Characters));
    }
}
