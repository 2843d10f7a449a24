//! Vocabularies of scored pieces, as SentencePiece and llama2.c store them, turned into ranked merges.
//!
//! Those tokenizers start from characters and repeatedly join the neighbours whose joined text is the piece with the
//! best score, the leftmost pair first among equals. The backend joins by the rank of the *pair*. Listing every way
//! to split each piece into two pieces, ranked by the score of the whole, gives the same result.
//! One corner is left: two different pieces of *equal* score are ranked by id here, and by place in the text there.
//! Trained vocabularies number their scores and have no such pair.

use std::collections::HashMap;

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip as StripDecoded;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{NormalizerWrapper, Prepend, Replace, Sequence as Normalizers, Strip};
use tokenizers::{AddedToken, Tokenizer};

/// Longest piece in bytes. Published ones stay below 100; the limit bounds the time of splitting a hostile file.
pub(super) const PIECE_LIMIT: usize = 512;

/// What a piece is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text that encoding may produce.
    Normal,
    /// Stands for text that cannot be spelled.
    Unknown,
    /// A mark such as `<s>`: never produced from text, and without text of its own.
    Control,
    /// One byte, `<0x00>` to `<0xFF>`.
    Byte,
    /// Keeps its id, is never produced.
    Unused,
}

/// One entry of the vocabulary; its id is its place in the list.
#[derive(Clone, Debug)]
pub(super) struct Piece {
    /// The text, with plain spaces.
    pub(super) text: String,
    /// Higher is joined earlier. Finite.
    pub(super) score: f32,
    pub(super) kind: Kind,
}

/// How text is changed before it is split.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// Put a space before a text that is not empty.
    pub(super) dummy_prefix: bool,
    /// Trim spaces at both ends and make runs of them one.
    pub(super) collapse_spaces: bool,
}

/// Builds the tokenizer. The error says which piece is at fault.
pub(super) fn build(pieces: &[Piece], rules: Rules) -> Result<Tokenizer, String> {
    let ids = index(pieces)?;
    let merges = merges(pieces, &ids);
    let has_bytes = (0..=u8::MAX).all(|byte| ids.contains_key(byte_piece(byte).as_str()));
    let unknown = pieces.iter().find(|piece| piece.kind == Kind::Unknown);

    let vocabulary = ids.iter().map(|(text, id)| ((*text).to_owned(), *id));
    let mut model = BPE::builder()
        .vocab_and_merges(vocabulary.collect::<tokenizers::models::bpe::Vocab>(), merges)
        .byte_fallback(has_bytes)
        .fuse_unk(true);
    if let Some(unknown) = unknown {
        model = model.unk_token(unknown.text.clone());
    }
    let mut tokenizer = Tokenizer::new(model.build().map_err(|error| error.to_string())?);

    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    if rules.collapse_spaces {
        let runs = Replace::new(ReplacePattern::Regex(" {2,}".into()), " ");
        normalizers.push(runs.map_err(|error| error.to_string())?.into());
        normalizers.push(Strip::new(true, true).into());
    }
    if rules.dummy_prefix {
        normalizers.push(Prepend::new(" ".into()).into());
    }
    tokenizer.with_normalizer((!normalizers.is_empty()).then(|| Normalizers::new(normalizers)));
    let mut decoders = vec![ByteFallback::new().into(), Fuse::new().into()];
    if rules.dummy_prefix {
        decoders.push(StripDecoded::new(' ', 1, 0).into());
    }
    tokenizer.with_decoder(Some(Decoders::new(decoders)));

    let marks = pieces.iter().filter(|piece| matches!(piece.kind, Kind::Control | Kind::Unknown));
    let marks: Vec<AddedToken> =
        marks.map(|piece| AddedToken::from(piece.text.clone(), true).normalized(false)).collect();
    tokenizer.add_special_tokens(&marks);
    Ok(tokenizer)
}

/// The name of the piece that stands for one byte.
pub(super) fn byte_piece(byte: u8) -> String {
    format!("<0x{byte:02X}>")
}

fn index(pieces: &[Piece]) -> Result<HashMap<&str, u32>, String> {
    let mut ids = HashMap::with_capacity(pieces.len());
    for (id, piece) in pieces.iter().enumerate() {
        if piece.text.is_empty() {
            return Err(format!("piece {id} is empty"));
        }
        if piece.text.len() > PIECE_LIMIT {
            return Err(format!("piece {id} has {} bytes, more than {PIECE_LIMIT}", piece.text.len()));
        }
        if !piece.score.is_finite() {
            return Err(format!("piece {id} has the score {}", piece.score));
        }
        let number = u32::try_from(id).map_err(|_| "too many pieces".to_owned())?;
        if let Some(first) = ids.insert(piece.text.as_str(), number) {
            return Err(format!("piece {id} repeats piece {first} ({:?})", piece.text));
        }
    }
    Ok(ids)
}

/// Every split of every piece into two pieces, best score first.
fn merges(pieces: &[Piece], ids: &HashMap<&str, u32>) -> Vec<(String, String)> {
    let normal = |text: &str| {
        let id = *ids.get(text)?;
        pieces.get(id as usize).filter(|piece| piece.kind == Kind::Normal).map(|_| id)
    };
    let mut splits: Vec<(usize, u32, u32)> = Vec::new();
    for (id, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.kind == Kind::Normal) {
        for (at, _) in piece.text.char_indices().skip(1) {
            let (left, right) = piece.text.split_at(at);
            if let (Some(left), Some(right)) = (normal(left), normal(right)) {
                splits.push((id, left, right));
            }
        }
    }
    // The scores are finite, so this order is total; the ids make it independent of the sort.
    splits.sort_unstable_by(|a, b| pieces[b.0].score.total_cmp(&pieces[a.0].score).then(a.cmp(b)));
    let text = |id: u32| pieces[id as usize].text.clone();
    splits.into_iter().map(|(_, left, right)| (text(left), text(right))).collect()
}
