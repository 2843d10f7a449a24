//! The fingerprint that ties token files to the tokenizer they were made with.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

/// Texts whose encodings enter the fingerprint, so that two tokenizers with the same pieces but other rules (merge
/// order, spaces, bytes) differ.
const PROBES: [&str; 4] = [
    "Once upon a time, there was a little girl named Lily. She didn't see 27 birds!",
    "  two spaces\n\ttab, newline and THE END ",
    "Unterwegs über Straßen — naïve façade, 東京 и мир 🙂",
    "aaaaaaaa aaaaaaa aaaaaa    aaaaa thethethe interinternational",
];

/// SHA-256 fingerprint of a tokenizer. Displayed, and serialised, as 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of "no tokenizer known", stored in shards written without one.
    pub const NONE: Digest = Digest([0; 32]);

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Digest> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = [char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?];
            *byte = (high * 16 + low) as u8;
        }
        Some(Digest(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Digest::from_hex(&text).ok_or_else(|| de::Error::custom("a digest is 64 hexadecimal digits"))
    }
}

/// Fingerprint of `pieces` (sorted by id) and of how `backend` encodes the probes.
///
/// It does not depend on the file format or on how the backend's version writes JSON.
pub(super) fn of(backend: &tokenizers::Tokenizer, pieces: &[(u32, String)]) -> Result<Digest, String> {
    let mut hash = Sha256::new();
    for (id, piece) in pieces {
        hash.update(id.to_le_bytes());
        hash.update((piece.len() as u64).to_le_bytes());
        hash.update(piece.as_bytes());
    }
    for probe in PROBES {
        // A vocabulary without bytes or an unknown token cannot spell every probe; that is a property too.
        match backend.encode_fast(probe, false) {
            Ok(encoding) => {
                encoding.get_ids().iter().for_each(|id| hash.update(id.to_le_bytes()));
                hash.update([1]);
            }
            Err(_) => hash.update([0]),
        }
    }
    Ok(Digest(hash.finalize().into()))
}
