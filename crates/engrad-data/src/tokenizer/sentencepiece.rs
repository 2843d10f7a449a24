//! SentencePiece `.model` files: the few fields of the protobuf message that matter here.
//!
//! Read: `pieces` (1) with `piece` (1), `score` (2), `type` (3); `trainer_spec` (2) with `model_type` (3) and
//! `byte_fallback` (35, implied by the byte pieces); `normalizer_spec` (3) with `precompiled_charsmap` (2),
//! `add_dummy_prefix` (3), `remove_extra_whitespaces` (4). All else is skipped.
//! Refused with a word on what to use instead: unigram, word and character models, character maps, and user-defined
//! pieces. The Llama 2 family has none of these.

use super::scored::{self, Kind, Piece, Rules};

const ADVICE: &str = "use the model's tokenizer.json instead";

/// Value of `model_type` for byte-pair encoding.
const MODEL_TYPE_BPE: u64 = 2;

pub(super) fn parse(bytes: &[u8]) -> Result<tokenizers::Tokenizer, String> {
    let mut pieces = Vec::new();
    // The protobuf defaults: unigram, a dummy prefix, extra spaces removed.
    let mut model_type = 1;
    let mut rules = Rules { dummy_prefix: true, collapse_spaces: true };
    let mut fields = Fields { bytes, at: 0 };
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(body)) => pieces.push(piece(body, pieces.len())?),
            (2, Value::Bytes(body)) => {
                let mut fields = Fields { bytes: body, at: 0 };
                while let Some((number, value)) = fields.next()? {
                    if let (3, Value::Integer(value)) = (number, value) {
                        model_type = value;
                    }
                }
            }
            (3, Value::Bytes(body)) => normalizer(body, &mut rules)?,
            _ => {}
        }
    }
    match model_type {
        MODEL_TYPE_BPE => scored::build(&pieces, rules),
        1 => Err(format!("a unigram SentencePiece model; only the BPE kind is read: {ADVICE}")),
        other => Err(format!("a SentencePiece model of type {other}; only the BPE kind is read: {ADVICE}")),
    }
}

fn normalizer(body: &[u8], rules: &mut Rules) -> Result<(), String> {
    let mut fields = Fields { bytes: body, at: 0 };
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (2, Value::Bytes(map)) if !map.is_empty() => {
                return Err(format!("the SentencePiece model maps characters before splitting: {ADVICE}"));
            }
            (3, Value::Integer(value)) => rules.dummy_prefix = value != 0,
            (4, Value::Integer(value)) => rules.collapse_spaces = value != 0,
            _ => {}
        }
    }
    Ok(())
}

fn piece(body: &[u8], id: usize) -> Result<Piece, String> {
    let mut piece = Piece { text: String::new(), score: 0.0, kind: Kind::Normal };
    let mut fields = Fields { bytes: body, at: 0 };
    while let Some((number, value)) = fields.next().map_err(|error| format!("piece {id}: {error}"))? {
        match (number, value) {
            (1, Value::Bytes(text)) => {
                let text = std::str::from_utf8(text).map_err(|_| format!("piece {id} is not UTF-8"))?;
                piece.text = text.replace('\u{2581}', " ");
            }
            (2, Value::Fixed32(bits)) => piece.score = f32::from_bits(bits),
            (3, Value::Integer(kind)) => {
                piece.kind = match kind {
                    1 => Kind::Normal,
                    2 => Kind::Unknown,
                    3 => Kind::Control,
                    4 => return Err(format!("piece {id} is user-defined: {ADVICE}")),
                    5 => Kind::Unused,
                    6 => Kind::Byte,
                    other => return Err(format!("piece {id} has the unknown type {other}")),
                }
            }
            _ => {}
        }
    }
    Ok(piece)
}

/// A protobuf value by wire type; 64-bit values are skipped as nothing here uses them.
enum Value<'a> {
    Integer(u64),
    Fixed32(u32),
    Fixed64,
    Bytes(&'a [u8]),
}

/// Reads the fields of one protobuf message in order.
struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        if self.at >= self.bytes.len() {
            return Ok(None);
        }
        let start = self.at;
        let broken =
            || format!("not a SentencePiece model, or cut short (field at byte {start} of its message)");
        let key = self.varint().ok_or_else(broken)?;
        let value = match key & 7 {
            0 => self.varint().map(Value::Integer),
            1 => self.take(8).map(|_| Value::Fixed64),
            2 => self.varint().and_then(|length| self.take(usize::try_from(length).ok()?)).map(Value::Bytes),
            5 => self
                .take(4)
                .and_then(|bytes| Some(Value::Fixed32(u32::from_le_bytes(bytes.try_into().ok()?)))),
            _ => None,
        };
        Ok(Some((key >> 3, value.ok_or_else(broken)?)))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(length)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes.get(self.at)?;
            self.at += 1;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}
