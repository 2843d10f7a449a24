//! The `tokenizer.bin` of llama2.c.
//!
//! Layout, little-endian: u32 length of the longest piece, then for each piece an f32 score, an i32 length and that
//! many bytes of UTF-8. The count of pieces is not stored (llama2.c takes it from the model), so the file is read
//! to its end. Spaces are plain. Piece 0 is `<unk>`, 1 and 2 the marks of begin and end (stored with newlines around
//! them), 3 to 258 the bytes.

use super::scored::{self, Kind, PIECE_LIMIT, Piece, Rules};

const FIRST_BYTE: usize = 3;
const FIRST_NORMAL: usize = FIRST_BYTE + 256;

pub(super) fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    let mut rest = bytes.get(4..).ok_or("shorter than the 4 bytes of its first field")?;
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let id = pieces.len();
        let at = bytes.len() - rest.len();
        let Some((head, tail)) = rest.split_first_chunk::<8>() else {
            return Err(format!("not a tokenizer file, or cut short in piece {id} (byte {at})"));
        };
        let [s0, s1, s2, s3, l0, l1, l2, l3] = *head;
        let length = i32::from_le_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(length).ok().filter(|length| (1..=PIECE_LIMIT).contains(length));
        let length = length.ok_or_else(|| {
            format!("not a tokenizer file: piece {id} has an impossible length (byte {})", at + 4)
        })?;
        let text = tail.get(..length).ok_or_else(|| format!("cut short in piece {id} (byte {})", at + 8))?;
        let text =
            std::str::from_utf8(text).map_err(|_| format!("piece {id} is not UTF-8 (byte {})", at + 8))?;
        rest = &tail[length..];
        pieces.push(piece(id, text, f32::from_le_bytes([s0, s1, s2, s3]))?);
    }
    if pieces.len() < FIRST_NORMAL {
        return Err(format!("holds {} pieces, fewer than the {FIRST_NORMAL} marks and bytes", pieces.len()));
    }
    scored::build(&pieces, Rules { dummy_prefix: true, collapse_spaces: false })
}

fn piece(id: usize, text: &str, score: f32) -> Result<Piece, String> {
    let (text, kind) = match id {
        0 => ("<unk>", Kind::Unknown),
        1 => ("<s>", Kind::Control),
        2 => ("</s>", Kind::Control),
        FIRST_BYTE..FIRST_NORMAL => {
            let expected = scored::byte_piece((id - FIRST_BYTE) as u8);
            if text != expected {
                return Err(format!("piece {id} is {text:?}, where llama2.c has {expected:?}"));
            }
            (text, Kind::Byte)
        }
        _ => (text, Kind::Normal),
    };
    Ok(Piece { text: text.to_owned(), score, kind })
}
